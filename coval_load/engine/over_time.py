"""How a run went over its time, in so few points that they fit a screen and a summary."""

from collections.abc import Iterator
from typing import Any

from coval_load.engine import metrics
from coval_load.engine.trend_series import Point, Series

POINTS_AT_MOST = 60


def over_time(series: Series, at_most: int = POINTS_AT_MOST) -> list[dict[str, Any]]:
    """`over_time` of `summary.json`: the points of `series` in order, neighbours joined until there are `at_most`.

    Each has `at` and `seconds` (its end and its length, in seconds of the run), `running`, `ended`, `error_rate` (a
    share of 1), and p50 and p95 of `response_latency` in seconds, weighted by count where points were joined. What
    was not measured in a point is None.
    """
    return [_row(point) for point in _joined(series.points, at_most)]


def _joined(points: list[Point], at_most: int) -> Iterator[Point]:
    size = -(-len(points) // at_most)
    for first in range(0, len(points), max(size, 1)):
        together = points[first]
        for later in points[first + 1 : first + size]:
            together = together.joined(later)
        yield together


def _row(point: Point) -> dict[str, Any]:
    latency = point.latencies.get(metrics.RESPONSE_LATENCY)
    return {
        "at": round(point.end_s, 6),
        "seconds": round(point.end_s - point.start_s, 6),
        "running": None if point.running is None else round(point.running, 1),
        "ended": point.ended,
        "error_rate": round(point.failed / point.ended, 6) if point.ended else None,
        "response_latency_p50": None if latency is None else round(latency.p50, 9),
        "response_latency_p95": None if latency is None else round(latency.p95, 9),
    }
