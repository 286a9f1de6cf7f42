"""Whether anything changed while the run went on: sentences, and a line of blocks."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from coval_load.engine import metrics
from coval_load.report.paint import Paint
from coval_load.report.summary_parts.text import WIDTH, cut_off, percent, wrapped
from coval_load.report.units import clock, duration

MOST_TRENDS = 12
LONG_ENOUGH_S = 60.0
COLUMNS = 24

_BLOCKS = "▁▂▃▄▅▆▇█"
_NAME = 22
_SPAN_AT_LEAST = 0.5


def course(summary: Mapping[str, Any], paint: Paint) -> Iterator[str]:
    """What grew, fell or stayed, and p95 of `response_latency` and the error rate over the time."""
    rows = [row for row in summary.get("drift") or [] if row["verdict"] != "too_short"]
    lines = (line for row in rows[:MOST_TRENDS] for line in _trend(row, paint))
    yield from cut_off(lines, len(rows) - MOST_TRENDS)
    points = summary.get("over_time") or []
    if points and points[-1]["at"] >= LONG_ENOUGH_S:
        yield from _sparkline("response_latency p95", points, "response_latency_p95", duration)
        if any(point.get("error_rate") for point in points):
            yield from _sparkline("error rate", points, "error_rate", percent)


def _trend(row: Mapping[str, Any], paint: Paint) -> Iterator[str]:
    lines = wrapped(row["sentence"], indent="", hanging="  ")
    if row["verdict"] == "grew":
        colour = "red" if row["name"] == metrics.FAILED else "yellow"
        lines = [paint(line, colour) for line in lines]
    yield from lines


def _sparkline(name: str, points: Sequence[Mapping[str, Any]], key: str, told: Callable[[float], str]) -> Iterator[str]:
    values = [point.get(key) for point in points]
    known = [value for value in values if value is not None]
    if len(known) > 1:
        low, high = min(known), max(known)
        span = f"{told(low)} .. {told(high)} over {clock(points[-1]['at'])}"
        yield f"{name:{_NAME}}{blocks(values)}  {span}"[:WIDTH]


def blocks(values: Sequence[float | None]) -> str:
    """At most `COLUMNS` block characters, the highest value of each column; a gap where there is none.

    Heights span at least half of the highest value, so that what differs by little does not look as if it rose.
    """
    known = [value for value in values if value is not None]
    high = max(known, default=0.0)
    low = min([*known, high * _SPAN_AT_LEAST])
    columns = min(len(values), COLUMNS)
    edges = [len(values) * column // columns for column in range(columns + 1)] if columns else [0]
    parts = (values[begin:end] for begin, end in pairwise(edges))
    return "".join(_block([value for value in part if value is not None], low, high) for part in parts)


def _block(values: Sequence[float], low: float, high: float) -> str:
    if not values:
        return " "
    share = (max(values) - low) / (high - low) if high > low else 0.0
    return _BLOCKS[min(int(share * len(_BLOCKS)), len(_BLOCKS) - 1)]
