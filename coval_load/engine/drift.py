"""Whether anything drifted while a run went on evenly: latencies, the error rate, the generator's memory."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal

import attrs
import numpy as np
from numpy.typing import NDArray

from coval_load.engine import metrics
from coval_load.engine.trend_series import Latency, Point, Series

POINTS_AT_LEAST = 10
SPAN_AT_LEAST_S = 60.0
SIGNIFICANT_P = 0.01
CHANGE_AT_LEAST = 0.01
"""Of the level, over the whole run: less is nobody's concern, however surely it is there."""
HOUR_S = 3600.0
RSS_BYTES = "rss_bytes"

Verdict = Literal["grew", "fell", "steady", "too_short"]
_Numbers = NDArray[np.float64]
_EPSILON_S = 1e-6


@attrs.frozen
class _Subject:
    """What is looked at: `name` and `what` are for the row, `words` begin its sentence."""

    name: str
    what: str
    words: str
    unit: Literal["s", "1", "bytes"]
    of: Callable[[Point], float | None]


@attrs.frozen
class _Trend:
    """A line through the points: `first` and `last` are its values at the first and the last of them."""

    verdict: Verdict
    points: int
    span_s: float
    level: float | None = None
    per_hour: float | None = None
    interval: tuple[float, float] | None = None
    p: float | None = None
    first: float = math.nan
    last: float = math.nan


def drift(series: Series, *, steady_from_s: float = 0.0, steady_until_s: float = math.inf) -> list[dict[str, Any]]:
    """`drift` of `summary.json`: one row each for p50 and p95 of the metrics of `series`, the error rate and memory.

    Only points that lie between `steady_from_s` and `steady_until_s`, seconds since the start of the run, count: while
    the load still rises, latency does too. What was never measured has no row. The slope is the median of the slopes
    between all pairs of points (Theil and Sen), so that some outliers do not change it, and whether there is a trend
    at all is what Mann and Kendall's test says. Where most points of the error rate are alike that median is 0
    whatever the others are; if the test finds a trend there, the slope is that of weighted least squares.

    It takes up to a second, mostly for loading scipy: call it when no simulation runs.
    """
    points = [
        point
        for point in series.points
        if point.start_s >= steady_from_s - _EPSILON_S and point.end_s <= steady_until_s + _EPSILON_S
    ]
    return list(_rows(points, _subjects(series.asked)))


def drift_shares(rows: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """What thresholds on drift are judged by, from the rows of `drift`; see `thresholds.judge`.

    By metric the change of its p95 an hour as a share of its level, as `failed` that of the error rate in points; 0
    where no trend could be told from chance. What was too short to tell, or has no level, is not there.
    """
    shares = {}
    for row in rows:
        is_rate = row["name"] == metrics.FAILED
        if is_rate or row["what"] == f"{row['name']} p95":
            share = row["per_hour" if is_rate else "relative_per_hour"]
            if row["verdict"] != "too_short" and share is not None:
                shares[row["name"]] = 0.0 if row["verdict"] == "steady" else share
    return shares


def _subjects(asked: Iterable[str]) -> Iterator[_Subject]:
    for name in sorted(asked, key=lambda name: (name != metrics.RESPONSE_LATENCY, name)):
        for percentile in ("p50", "p95"):
            what = f"{name} {percentile}"
            yield _Subject(name, what, what, "s", _latency_of(name, percentile))
    yield _Subject(metrics.FAILED, "error rate", "the error rate", "1", _error_rate)
    yield _Subject(RSS_BYTES, RSS_BYTES, "the generator's memory", "bytes", lambda point: point.rss_bytes)


def _latency_of(name: str, percentile: str) -> Callable[[Point], float | None]:
    def of(point: Point) -> float | None:
        latency: Latency | None = point.latencies.get(name)
        return None if latency is None else latency.p50 if percentile == "p50" else latency.p95

    return of


def _error_rate(point: Point) -> float | None:
    return point.failed / point.ended if point.ended else None


def _rows(points: list[Point], subjects: Iterable[_Subject]) -> Iterator[dict[str, Any]]:
    for subject in subjects:
        found = [(point, value) for point in points if (value := subject.of(point)) is not None]
        if not found:
            continue
        span_s = found[-1][0].end_s - found[0][0].start_s
        at_s, values = np.array([point.t for point, _ in found]), np.array([value for _, value in found])
        ended = np.array([float(point.ended) for point, _ in found]) if subject.unit == "1" else None
        trend = _trend(at_s, values, span_s, ended)
        yield _row(subject, trend)


def _trend(at_s: _Numbers, values: _Numbers, span_s: float, ended: _Numbers | None) -> _Trend:
    """`ended`: of a rate, what each of `values` is a share of."""
    if len(values) < POINTS_AT_LEAST or span_s < SPAN_AT_LEAST_S:
        return _Trend("too_short", len(values), span_s)
    slope, low, high, p = _line(at_s, values)
    level, middle_s = float(np.median(values)), float(np.median(at_s))
    if ended is not None:
        # Most intervals of a run with few errors have none: their median is 0, and so is that of the slopes.
        level, middle_s = float(np.average(values, weights=ended)), float(np.average(at_s, weights=ended))
        if slope == 0 and p < SIGNIFICANT_P:
            slope, low, high = _least_squares(at_s - middle_s, values - level, ended)
    first, last = (level + slope * (float(at_s[end]) - middle_s) for end in (0, -1))
    is_sure = p < SIGNIFICANT_P and (low > 0 or high < 0)
    matters = abs(last - first) > CHANGE_AT_LEAST * abs(level)
    verdict: Verdict = "steady" if not (is_sure and matters) else "grew" if slope > 0 else "fell"
    interval = (low * HOUR_S, high * HOUR_S)
    return _Trend(verdict, len(values), span_s, level, slope * HOUR_S, interval, p, first, last)


def _line(at_s: _Numbers, values: _Numbers) -> tuple[float, float, float, float]:
    """Slope in a second, its 95 % interval, and how likely chance alone orders the values so much."""
    if np.ptp(values) == 0:  # no pair of them is ordered: the test has nothing to say
        return 0.0, 0.0, 0.0, 1.0
    from scipy.stats import kendalltau, theilslopes  # it takes 0.7 s, which no simulation may wait for

    slope, _, low, high = theilslopes(values, at_s, alpha=0.95)
    p = float(kendalltau(at_s, values).pvalue)
    return float(slope), float(low), float(high), 1.0 if math.isnan(p) else p


def _least_squares(at_s: _Numbers, values: _Numbers, weights: _Numbers) -> tuple[float, float, float]:
    """Slope in a second of what is centred, and its 95 % interval."""
    spread = float(np.sum(weights * at_s**2))
    slope = float(np.sum(weights * at_s * values)) / spread
    missed = float(np.sum(weights * (values - slope * at_s) ** 2))
    margin = 1.96 * math.sqrt(missed / (len(values) - 2) / spread)
    return slope, slope - margin, slope + margin


def _row(subject: _Subject, trend: _Trend) -> dict[str, Any]:
    relative = trend.per_hour / trend.level if trend.per_hour is not None and trend.level else None
    return {
        "what": subject.what,
        "name": subject.name,
        "verdict": trend.verdict,
        "level": trend.level,
        "unit": subject.unit,
        "per_hour": trend.per_hour,
        "relative_per_hour": relative,
        "interval": None if trend.interval is None else list(trend.interval),
        "p": trend.p,
        "points": trend.points,
        "sentence": _sentence(subject, trend, relative),
    }


def _sentence(subject: _Subject, trend: _Trend, relative: float | None) -> str:
    if trend.level is None or trend.per_hour is None:
        return (
            f"{subject.words}: too little to tell a trend, {trend.points} points over {_span(trend.span_s)}; "
            f"it takes {POINTS_AT_LEAST} over {SPAN_AT_LEAST_S:g} s"
        )
    if trend.verdict == "steady":
        return f"{subject.words} is steady at {_shown(trend.level, subject.unit)}"
    if subject.unit == "1" or relative is None:
        change = f"{_digits(abs(trend.per_hour) * 100)} points"
    else:
        change = f"{_digits(abs(relative) * 100)} %"
    # The line goes through a median: where a rate is mostly 0, its beginning may lie below what there can be.
    first, last = (_shown(max(value, 0.0), subject.unit) for value in (trend.first, trend.last))
    return f"{subject.words} {trend.verdict} by {change} an hour ({first} -> {last} over {_span(trend.span_s)})"


def _shown(value: float, unit: str) -> str:
    if unit == "1":
        return f"{_digits(value * 100)} %"
    if unit == "bytes":
        return f"{value / 1e6:,.0f} MB"
    return f"{value * 1e3:.0f} ms" if 0.00995 <= value < 9.9995 else f"{_digits(value)} s"


def _digits(number: float) -> str:
    return f"{number:.2g}" if abs(number) < 10 else f"{number:,.0f}"


def _span(seconds: float) -> str:
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    hours, minutes = whole // 3600, whole % 3600 // 60
    if hours:
        return f"{hours}h{minutes:02}m" if minutes else f"{hours}h"
    return f"{minutes}m{whole % 60:02}s" if whole % 60 else f"{minutes}m"
