"""Histograms as `.hgrm` files: HdrHistogram's percentile distribution, which its plotter reads."""

import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hdrh.histogram import HdrHistogram

from coval_load.engine.metrics import METRICS
from coval_load.engine.run_folder import write_atomically

US_IN_MS = 1000.0

_DEVIATION = re.compile(rb"(#\[Mean\s+=\s+[0-9.]+, StdDeviation\s+=\s+)([0-9.]+)")


def hgrm_text(entry: Mapping[str, Any]) -> bytes:
    """The distribution of one metric of `summary.json`, values in milliseconds.

    Error handling: whatever hdrh raises for a histogram that is none.
    """
    histogram = HdrHistogram.decode(entry["histogram"])
    text = io.BytesIO()
    histogram.output_percentile_distribution(text, US_IN_MS)
    # hdrh scales every figure but this one.
    deviation = histogram.get_stddev() / US_IN_MS
    return _DEVIATION.sub(lambda found: found[1] + f"{deviation:12.3f}".encode(), text.getvalue())


def hgrm_files(summary: Mapping[str, Any]) -> Iterator[tuple[str, bytes]]:
    """(name of the file, its content) for each metric that was measured."""
    for name, entry in summary["metrics"].items():
        if name in METRICS and entry["count"]:
            yield f"{name}.hgrm", hgrm_text(entry)


def write_hgrm(folder: Path, summary: Mapping[str, Any]) -> None:
    """Write `<metric>.hgrm` of each metric into `folder`, which is made; raises OSError where it can't be."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in hgrm_files(summary):
        write_atomically(folder / name, content)
