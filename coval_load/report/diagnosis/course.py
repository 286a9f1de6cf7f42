"""How the generator fared in each interval of the timeline."""

from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from coval_load.engine import metrics
from coval_load.engine.verdict import (
    CPU_SHARE_DEGRADED,
    CPU_WAIT_DEGRADED,
    LOOP_LAG_DEGRADED_S,
    SAMPLES_AT_LEAST,
    SEND_LATENESS_DEGRADED_S,
    START_LATENESS_DEGRADED_S,
)
from coval_load.report.diagnosis.reading import amount, mapping, number, seconds

MOST_INTERVALS = 2_000
QUANTILES = ((0.0, "min"), (0.5, "p50"), (0.9, "p90"), (0.95, "p95"), (0.99, "p99"), (1.0, "max"))

_LATE = (
    (metrics.LOOP_LAG, LOOP_LAG_DEGRADED_S),
    (metrics.SEND_LATENESS, SEND_LATENESS_DEGRADED_S),
    (metrics.START_LATENESS, START_LATENESS_DEGRADED_S),
)


@attrs.frozen
class Interval:
    """From when to when; p99 of how late the generator was, by metric, in seconds; shares of a core and of the time."""

    from_s: float
    until_s: float
    late_s: Mapping[str, float] = attrs.field(factory=dict)
    cpu_share: float | None = None
    cpu_wait_share: float | None = None
    throttled_share: float | None = None
    latency: tuple[tuple[float, float], ...] = ()
    """Of `response_latency` (share, seconds) of each quantile."""
    latencies: int = 0

    @property
    def is_watched(self) -> bool:
        """Whether anything is known of it."""
        return bool(self.late_s) or self.cpu_share is not None

    @property
    def is_strained(self) -> bool:
        """Whether the generator was late in it, or short of CPU: the borders are those of the verdict's `degraded`."""
        return any(self.late_s.get(name, 0.0) > border_s for name, border_s in _LATE) or (
            (self.cpu_share or 0.0) > CPU_SHARE_DEGRADED
            or (self.cpu_wait_share or 0.0) > CPU_WAIT_DEGRADED
            or (self.throttled_share or 0.0) > CPU_WAIT_DEGRADED
        )


def intervals(timeline: Iterable[Mapping[str, Any]]) -> list[Interval]:
    """The rows of `timeline.jsonl`; of a long run the worse of neighbours stands for both."""
    found: list[Interval] = []
    for row in timeline:
        if isinstance(row, Mapping) and (interval := _interval(row)) is not None:
            found.append(interval)
            if len(found) > 2 * MOST_INTERVALS:
                found = [_worse(found[at : at + 2]) for at in range(0, len(found), 2)]
    return found


def whole(summary: Mapping[str, Any], until_s: float) -> Interval:
    """The run as one interval, from what the summary says: for runs that have no timeline."""
    generator, measured = mapping(summary.get("generator")), mapping(summary.get("metrics"))
    return Interval(
        0.0,
        until_s,
        _late(measured),
        number(generator.get("cpu_share")),
        number(generator.get("cpu_wait_share")),
        number(generator.get("throttled_share")),
    )


def _interval(row: Mapping[str, Any]) -> Interval | None:
    until_s, length_s = seconds(row.get("at")), seconds(row.get("seconds"))
    if until_s is None or not length_s or until_s - length_s >= until_s:  # so short that it has no length
        return None
    measured, generator = mapping(row.get("metrics")), mapping(row.get("generator"))
    watched_s = number(generator.get("watched_s"))
    latency = mapping(measured.get(metrics.RESPONSE_LATENCY))
    known = ((share, seconds(latency.get(name))) for share, name in QUANTILES)
    return Interval(
        max(until_s - length_s, 0.0),
        until_s,
        _late(measured),
        number(generator.get("cpu_share")),
        _share(generator.get("cpu_wait_s"), watched_s),
        _share(generator.get("throttled_s"), watched_s),
        tuple((share, value) for share, value in known if value is not None),
        amount(latency.get("count")),
    )


def _late(measured: Mapping[str, Any]) -> dict[str, float]:
    found = {}
    for name, _ in _LATE:
        entry = mapping(measured.get(name))
        p99_s = seconds(entry.get("p99"))
        if p99_s is not None and amount(entry.get("count")) >= SAMPLES_AT_LEAST:
            found[name] = p99_s
    return found


def _share(of_it: object, watched_s: float | None) -> float | None:
    found = number(of_it)
    # A share of less than a second says nothing; each run begins with work.
    return found / watched_s if found is not None and watched_s is not None and watched_s >= 1.0 else None


def _worse(pair: list[Interval]) -> Interval:
    worst = max(pair, key=lambda one: (one.is_strained, one.cpu_share or 0.0))
    return attrs.evolve(worst, from_s=pair[0].from_s, until_s=pair[-1].until_s)
