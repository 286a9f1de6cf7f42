"""Whether a run can be trusted: the generator is judged as hard as the agent."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import attrs

SEND_LATENESS_INVALID_S = 0.1
"""Five frames late: an agent hears gaps in the caller's speech and ends its turn for it."""
SEND_LATENESS_DEGRADED_S = 0.02
"""One frame late: the agent's own jitter buffer starts to matter."""
LOOP_LAG_INVALID_S = 0.25
"""Arrivals may be stamped this much late: as long as the latencies one wants to see."""
LOOP_LAG_DEGRADED_S = 0.05
"""Visible in a p50 of a few hundred milliseconds."""
FRAMES_SKIPPED_INVALID = 0.01
"""One frame in a hundred left out: the caller's speech is no longer what the plan says."""
CPU_SHARE_DEGRADED = 0.9
"""Of one core; the event loop is one thread, so above this the next simulation makes all of them late."""
CPU_WATCHED_AT_LEAST_S = 1.0
"""Each run begins with work: the share of less says nothing of the rest."""
SAMPLES_AT_LEAST = 20
"""A 99th percentile of fewer is one hiccup at the start."""


@attrs.define
class Vitals:
    """What the generator's process used so far; seconds and bytes."""

    cpu_s: float = 0.0
    watched_s: float = 0.0
    busiest_cpu_share: float = 0.0
    max_rss_bytes: int | None = None

    @property
    def cpu_share(self) -> float | None:
        """CPU seconds for each second of the run; None before the first second is over."""
        return self.cpu_s / self.watched_s if self.watched_s > 0 else None

    def merge(self, generator: Mapping[str, Any]) -> None:
        """Take in another process, given as its `generator` in `summary.json`: the busier one counts."""
        share = generator["cpu_share"] or 0.0
        if share > (self.cpu_share or 0.0):
            self.cpu_s, self.watched_s = share, 1.0
        self.busiest_cpu_share = max(self.busiest_cpu_share, generator["busiest_cpu_share"])
        if generator["max_rss_bytes"] is not None:
            self.max_rss_bytes = max(self.max_rss_bytes or 0, generator["max_rss_bytes"])


@attrs.frozen
class Evidence:
    """What a verdict is judged by: seconds, counts; a p99 is None where nothing was recorded."""

    vitals: Vitals = attrs.field(factory=Vitals)
    loop_lag_samples: int = 0
    loop_lag_p99_s: float | None = None
    send_lateness_samples: int = 0
    send_lateness_p99_s: float | None = None
    frames_sent: int = 0
    frames_skipped: int = 0
    offered: int = 0
    started: int = 0
    rows_lost: int = 0
    internal_errors: int = 0


def verdict(evidence: Evidence) -> dict[str, Any]:
    """`generator` in `summary.json`: `valid`, `degraded` or `invalid`, why, and the numbers it rests on."""
    invalid = list(_reasons_against_trust(evidence))
    degraded = list(_reasons_for_doubt(evidence))
    judged: Literal["valid", "degraded", "invalid"] = "invalid" if invalid else "degraded" if degraded else "valid"
    return {
        "verdict": judged,
        "reasons": invalid + degraded,
        "cpu_share": _rounded(evidence.vitals.cpu_share),
        "busiest_cpu_share": _rounded(evidence.vitals.busiest_cpu_share),
        "loop_lag_p99_s": evidence.loop_lag_p99_s,
        "send_lateness_p99_s": evidence.send_lateness_p99_s,
        "frames_skipped": evidence.frames_skipped,
        "offered": evidence.offered,
        "started": evidence.started,
        "rows_lost": evidence.rows_lost,
        "internal_errors": evidence.internal_errors,
        "max_rss_bytes": evidence.vitals.max_rss_bytes,
    }


def _reasons_against_trust(evidence: Evidence) -> Iterator[str]:
    if evidence.internal_errors:
        yield (
            "expected no simulation to fail by a fault of coval-load or of this machine, got "
            f"{evidence.internal_errors}; look at the errors of kind internal"
        )
    if evidence.rows_lost:
        yield (
            f"expected no line of simulations.jsonl to be lost, got {evidence.rows_lost}; "
            "check that the disk has room and keeps up"
        )
    if _lateness(evidence) > SEND_LATENESS_INVALID_S:
        yield _late("frames left", _lateness(evidence), SEND_LATENESS_INVALID_S)
    if _lag(evidence) > LOOP_LAG_INVALID_S:
        yield _late("the generator woke up", _lag(evidence), LOOP_LAG_INVALID_S)
    if evidence.frames_skipped > FRAMES_SKIPPED_INVALID * evidence.frames_sent:
        yield (
            f"expected at most {FRAMES_SKIPPED_INVALID:.0%} of frames to be skipped, got "
            f"{evidence.frames_skipped} beside {evidence.frames_sent} sent; lower the concurrency or use more "
            "machines"
        )


def _reasons_for_doubt(evidence: Evidence) -> Iterator[str]:
    if SEND_LATENESS_INVALID_S >= _lateness(evidence) > SEND_LATENESS_DEGRADED_S:
        yield _late("frames left", _lateness(evidence), SEND_LATENESS_DEGRADED_S)
    if LOOP_LAG_INVALID_S >= _lag(evidence) > LOOP_LAG_DEGRADED_S:
        yield _late("the generator woke up", _lag(evidence), LOOP_LAG_DEGRADED_S)
    share = evidence.vitals.cpu_share or 0.0
    if share > CPU_SHARE_DEGRADED and evidence.vitals.watched_s >= CPU_WATCHED_AT_LEAST_S:
        yield (
            f"expected the generator to use at most {CPU_SHARE_DEGRADED:.0%} of a core, got {share:.0%}; "
            "lower the concurrency or use more machines"
        )


def _lateness(evidence: Evidence) -> float:
    enough = evidence.send_lateness_samples >= SAMPLES_AT_LEAST
    return (evidence.send_lateness_p99_s or 0.0) if enough else 0.0


def _lag(evidence: Evidence) -> float:
    enough = evidence.loop_lag_samples >= SAMPLES_AT_LEAST
    return (evidence.loop_lag_p99_s or 0.0) if enough else 0.0


def _late(what: str, seconds: float, allowed: float) -> str:
    return (
        f"{what} {seconds * 1e3:.0f} ms late (p99), expected at most {allowed * 1e3:.0f} ms; "
        "lower the concurrency or use more machines"
    )


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 3)
