"""What `report.html` is made of."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import attrs

from coval_load.report.course import Column
from coval_load.report.scan import Visitor, scan


@attrs.frozen
class Contents:
    """All that the page of a run shows. Texts have nothing in them that acts (`visible`), but HTML is not escaped."""

    summary: Mapping[str, Any]
    """`summary.json`, or what it would be."""
    run: Mapping[str, Any]
    """`run.json`."""
    course: Mapping[str, Column]
    """See `Course.columns`; lists are empty where the run left no timeline."""
    plots: Mapping[str, list[tuple[float, float]]]
    """For each of the main latencies that was measured, pairs of percentile and seconds, to plot as they are."""
    near: Mapping[str, Mapping[str, Mapping[str, Any]]]
    """metric -> p50, p90, p95, p99, p99.9, min, max -> `id` and `value` of the conversation nearest to it."""
    table: str
    """Columns of the table, packed: base64 of gzip of JSON `{"id": […], …}`."""
    chunks: list[str]
    """Details of conversations, packed likewise: chunk k is a list of those of rows 100 k to 100 k + 99 of the table,
    null where they were left out."""
    shown: int
    """Rows of the table."""
    total: int
    """Simulations that the run has."""
    left_out: list[str]
    """What is not shown, each a sentence."""
    has_recordings: bool


def gather(
    folder: Path, summary: Mapping[str, Any], run: Mapping[str, Any], extra_visitors: Iterable[Visitor] = ()
) -> Contents:
    """Read what the page of the run in `folder` needs; `extra_visitors` see its simulations on the way.

    Error handling: Faulty where a file of the run can't be read.
    """
    scan(folder, run, extra_visitors)
    return Contents(summary, run, {}, {}, {}, "", [], 0, 0, [], False)
