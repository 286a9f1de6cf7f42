"""What `report.html` is made of."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import attrs

from coval_load.engine import metrics
from coval_load.report.conversations import Conversations
from coval_load.report.course import Column, Course, percentile_plot
from coval_load.report.scan import Visitor, read_lines, scan

PLOTTED = (
    metrics.RESPONSE_LATENCY,
    metrics.GREETING_LATENCY,
    metrics.TTFT,
    metrics.TTFB_AUDIO,
    metrics.ENDPOINTING_TIME,
    metrics.FIRST_AUDIO_TIME,
    metrics.RESPONSE_TIME,
    metrics.TURN_TIME,
    metrics.SIMULATION_TIME,
)
"""The metrics whose percentile distribution is shown."""


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
    null where they were left out; an empty text where all of them were. See `details.details` for what one has."""
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

    `summary` and `run` are what its `summary.json` and `run.json` hold, or would (`recover`). Memory does not grow
    with the run but for what `scan` keeps.

    Error handling: Faulty where a file of the run can't be read; one that is missing has no rows.
    """
    conversations = Conversations(folder, summary, str(run.get("run_id")))
    scan(folder, run, (conversations, *extra_visitors))
    packed = conversations.packed()
    return Contents(
        summary=summary,
        run=run,
        course=read_course(folder).columns(),
        plots={name: percentile_plot(entry) for name in PLOTTED if (entry := summary["metrics"].get(name))},
        near=packed.near,
        table=packed.table,
        chunks=packed.chunks,
        shown=packed.shown,
        total=packed.total,
        left_out=packed.left_out,
        has_recordings=packed.has_recordings,
    )


def read_course(folder: Path) -> Course:
    """The course of the run in `folder`, from its `timeline.jsonl`; empty where there is none. Errors as `gather`."""
    course = Course()
    read_lines(folder / "timeline.jsonl", lambda row, _: course.add_row(row))
    return course
