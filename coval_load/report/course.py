"""The course of a run for charts, in a bounded number of points whose percentiles are exact."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from coval_load.engine import metrics
from coval_load.engine.halving import Halving
from coval_load.report.sparse_histogram import SparseHistogram

POINTS_AT_MOST = 600

Column = list[float | int | None]

_NOTHING = SparseHistogram()


@attrs.frozen
class CoursePoint:
    """One stretch of a run, in seconds since its start.

    Counts are of the stretch. `running` and `queued` are how many simulations ran and waited at its end; of points
    that were joined, the mean. `cpu_share` and `cpu_wait_share` are seconds for each second; `rss_bytes` is the memory
    at its end, of joined points the highest. None: not known.
    """

    start_s: float
    end_s: float
    running: float | None = None
    queued: float | None = None
    started: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    dropped: int = 0
    errors: Mapping[str, int] = attrs.field(factory=dict)
    response_latency: SparseHistogram = _NOTHING
    send_lateness: SparseHistogram = _NOTHING
    loop_lag: SparseHistogram = _NOTHING
    cpu_share: float | None = None
    cpu_wait_share: float | None = None
    rss_bytes: float | None = None

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> "CoursePoint":
        """A row of `timeline.jsonl`; KeyError, TypeError or ValueError, or an error of the decoder, for any other."""
        counts, measured, generator = row["counts"], row["metrics"], row["generator"]
        watched_s, waited_s = generator["watched_s"], generator["cpu_wait_s"]
        return cls(
            start_s=row["at"] - row["seconds"],
            end_s=row["at"],
            running=row["running"],
            queued=row["queued"],
            started=counts[metrics.STARTED],
            completed=counts[metrics.COMPLETED],
            failed=counts[metrics.FAILED],
            cancelled=counts[metrics.CANCELLED],
            dropped=counts[metrics.DROPPED],
            errors=dict(row["errors"]),
            response_latency=SparseHistogram.read(measured.get(metrics.RESPONSE_LATENCY)),
            send_lateness=SparseHistogram.read(measured.get(metrics.SEND_LATENESS)),
            loop_lag=SparseHistogram.read(measured.get(metrics.LOOP_LAG)),
            cpu_share=generator["cpu_share"],
            cpu_wait_share=waited_s / watched_s if waited_s is not None and watched_s > 0 else None,
            rss_bytes=generator["rss_bytes"],
        )

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.end_s - self.start_s

    def joined(self, later: "CoursePoint") -> "CoursePoint":
        """This point and the one after it as one."""
        return CoursePoint(
            start_s=self.start_s,
            end_s=later.end_s,
            running=_mean(self, later, "running"),
            queued=_mean(self, later, "queued"),
            started=self.started + later.started,
            completed=self.completed + later.completed,
            failed=self.failed + later.failed,
            cancelled=self.cancelled + later.cancelled,
            dropped=self.dropped + later.dropped,
            errors=dict(Counter(self.errors) + Counter(later.errors)),
            response_latency=self.response_latency.joined(later.response_latency),
            send_lateness=self.send_lateness.joined(later.send_lateness),
            loop_lag=self.loop_lag.joined(later.loop_lag),
            cpu_share=_mean(self, later, "cpu_share"),
            cpu_wait_share=_mean(self, later, "cpu_wait_share"),
            rss_bytes=max((one for one in (self.rss_bytes, later.rss_bytes) if one is not None), default=None),
        )

    def values(self) -> dict[str, float | int | None]:
        """What charts show of it by the names of `Course.columns`; of errors only the kinds it has."""
        ended, (p50, p90, p95, p99) = self.completed + self.failed, self.response_latency.percentiles((50, 90, 95, 99))
        return {
            "at": round(self.end_s, 3),
            "start": round(self.start_s, 3),
            "running": _rounded(self.running, 2),
            "queued": _rounded(self.queued, 2),
            "started_per_s": round(self.started / self.seconds, 4),
            "ended_per_s": round(ended / self.seconds, 4),
            "error_rate": round(self.failed / ended, 6) if ended else None,
            "latency_p50": p50,
            "latency_p90": p90,
            "latency_p95": p95,
            "latency_p99": p99,
            "latency_max": self.response_latency.highest,
            "latency_count": self.response_latency.count,
            "send_lateness_p99": self.send_lateness.percentile(99),
            "loop_lag_p99": self.loop_lag.percentile(99),
            "cpu_share": _rounded(self.cpu_share, 4),
            "cpu_wait_share": _rounded(self.cpu_wait_share, 4),
            "rss_mb": None if self.rss_bytes is None else round(self.rss_bytes / 1e6, 1),
            "completed": self.completed,
            "failed": self.failed,
            "cancelled": self.cancelled,
            "dropped": self.dropped,
            **{f"errors.{kind}": amount for kind, amount in self.errors.items()},
        }


@attrs.define
class Course(Halving[CoursePoint]):
    """A run in at most `at_most` points. Counts and percentiles stay exact: histograms are added up."""

    at_most: int = attrs.field(default=POINTS_AT_MOST, validator=attrs.validators.ge(2))

    def add_row(self, row: Mapping[str, Any]) -> None:
        """Take in the next row of `timeline.jsonl`; errors as `CoursePoint.read`."""
        self.add(CoursePoint.read(row))

    def add(self, point: CoursePoint) -> None:
        """Take in the next stretch. One of no length is left out."""
        if point.seconds > 0:
            self.put(point)

    def columns(self) -> dict[str, Column]:
        """A list for each series, all of one length: an entry for each point, in order.

        `at` and `start` are the end and the beginning in seconds of the run; latencies are of `response_latency`, in
        seconds; `error_rate` is a share of 1; `errors.<kind>` and other counts are of the stretch. None: nothing was
        measured.
        """
        return columns_of(self.points)


def columns_of(points: Iterable[CoursePoint]) -> dict[str, Column]:
    """See `Course.columns`."""
    rows = [point.values() for point in points]
    names = dict.fromkeys(CoursePoint(0.0, 1.0).values())
    kinds = Counter(name for row in rows for name in row if name not in names)
    columns: dict[str, Column] = {name: [row[name] for row in rows] for name in names}
    return columns | {kind: [row.get(kind, 0) for row in rows] for kind in sorted(kinds)}


def percentile_plot(entry: Mapping[str, Any]) -> list[tuple[float, float]]:
    """The percentile distribution of a metric's entry in `summary.json`; see `SparseHistogram.plot`."""
    return SparseHistogram.read(entry).plot()


def _mean(one: CoursePoint, other: CoursePoint, name: str) -> float | None:
    known = [(getattr(point, name), point.seconds) for point in (one, other) if getattr(point, name) is not None]
    seconds = sum(weight for _, weight in known)
    return sum(value * weight for value, weight in known) / seconds if seconds else None


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
