"""A run's course in a bounded number of points, for telling afterwards whether anything drifted."""

from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from coval_load.engine import metrics
from coval_load.engine.halving import Halving

POINTS_AT_MOST = 1024


@attrs.frozen
class Latency:
    """One metric in one point: how many values, and percentiles in seconds."""

    count: int
    p50: float
    p95: float

    def joined(self, other: "Latency") -> "Latency":
        """Both together. The percentiles become means weighted by count: near enough for a trend, and no more."""
        count = self.count + other.count
        return Latency(
            count,
            (self.p50 * self.count + other.p50 * other.count) / count,
            (self.p95 * self.count + other.p95 * other.count) / count,
        )


@attrs.frozen
class Point:
    """One stretch of a run, in seconds since its start. `ended` are simulations that completed or failed.

    `running` is how many ran at its end; of points that were joined, the mean.
    """

    start_s: float
    end_s: float
    latencies: Mapping[str, Latency]
    ended: int
    failed: int
    rss_bytes: float | None
    running: float | None = None

    @property
    def t(self) -> float:
        """Its middle."""
        return (self.start_s + self.end_s) / 2

    def joined(self, later: "Point") -> "Point":
        """This point and the one after it as one."""
        latencies = dict(self.latencies)
        for name, latency in later.latencies.items():
            latencies[name] = latencies[name].joined(latency) if name in latencies else latency
        return Point(
            self.start_s,
            later.end_s,
            latencies,
            self.ended + later.ended,
            self.failed + later.failed,
            _mean((self.rss_bytes, self), (later.rss_bytes, later)),
            _mean((self.running, self), (later.running, later)),
        )


def _mean(*values: tuple[float | None, Point]) -> float | None:
    known = [(value, point.end_s - point.start_s) for value, point in values if value is not None]
    seconds = sum(weight for _, weight in known)
    return sum(value * weight for value, weight in known) / seconds if seconds else None


def _asked(names: Iterable[str]) -> frozenset[str]:
    return frozenset(names) | {metrics.RESPONSE_LATENCY}


@attrs.define
class Series(Halving[Point]):
    """Rows of `timeline.jsonl` as points in fixed memory.

    `asked` are the metrics kept beside `response_latency`.
    """

    asked: frozenset[str] = attrs.field(default=frozenset[str](), converter=_asked)
    at_most: int = attrs.field(default=POINTS_AT_MOST, validator=attrs.validators.ge(2))

    def add(self, row: Mapping[str, Any]) -> None:
        """Take in one row; they must come in their order. One of no length is left out."""
        if row["seconds"] > 0:
            self.put(self._point(row))

    def _point(self, row: Mapping[str, Any]) -> Point:
        counts, measured = row["counts"], row["metrics"]
        latencies = {
            name: Latency(entry["count"], entry["p50"], entry["p95"])
            for name in sorted(self.asked)
            if (entry := measured.get(name)) is not None
        }
        failed = counts[metrics.FAILED]
        return Point(
            start_s=row["at"] - row["seconds"],
            end_s=row["at"],
            latencies=latencies,
            ended=counts[metrics.COMPLETED] + failed,
            failed=failed,
            rss_bytes=row["generator"]["rss_bytes"],
            running=row.get("running"),
        )
