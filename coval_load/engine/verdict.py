"""Whether a run can be trusted: the generator is judged as hard as the agent."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import attrs

from coval_load.engine.evidence import Evidence, Finding, Level
from coval_load.engine.vitals import Used, Vitals
from coval_load.engine.worker_health import WorkerHealth, clock_time, late_findings, lost_findings, worst_vitals

__all__ = ["Evidence", "Vitals", "verdict", "verdict_over"]

SEND_LATENESS_INVALID_S = 0.1
"""Five frames late: an agent hears gaps in the caller's speech and ends its turn for it."""
SEND_LATENESS_DEGRADED_S = 0.02
"""One frame late: the agent's own jitter buffer starts to matter."""
LOOP_LAG_INVALID_S = 0.25
"""Arrivals may be stamped this much late: as long as the latencies one wants to see."""
LOOP_LAG_DEGRADED_S = 0.05
"""Visible in a p50 of a few hundred milliseconds."""
STALL_DEGRADED_S = 1.0
"""So long a stall is in every conversation that went on then, however well the rest of an hour went."""
LAGGED_DEGRADED_S = 30.0
"""Intervals of the timeline in which more than a tenth was late: of a night, below every percentile."""
START_LATENESS_INVALID_S = 0.25
"""Simulations come in bunches, not at the rate that the plan says."""
START_LATENESS_DEGRADED_S = 0.05
"""As for the loop's lag: visible in a p50."""
NOT_STARTED_DEGRADED = 0.01
"""One simulation in a hundred left out: the agent was offered less than the plan says."""
FRAMES_SKIPPED_INVALID = 0.01
"""One frame in a hundred left out: the caller's speech is no longer what the plan says."""
CPU_SHARE_DEGRADED = 0.9
"""Of one core; the event loop is one thread, so above this the next simulation makes all of them late."""
CPU_SHARE_BUSY = 0.7
"""Of one core: where something was late, it was more likely our own work than anything else."""
CPU_WAIT_DEGRADED = 0.1
"""Of the run: what else runs on this machine is measured along with the agent."""
GC_SHARE_DEGRADED = 0.05
"""Of the run: more than everything else that a simulation costs."""
GC_PAUSE_P99_DEGRADED_S = 0.02
"""A pause of one frame: frames leave late."""
GC_PAUSE_MAX_DEGRADED_S = 0.25
"""Arrivals in it are stamped as late as the latencies one wants to see."""
USED_DEGRADED = 0.9
"""Of the descriptors or ports there are: connections that close linger, and the next may get none."""
WATCHED_AT_LEAST_S = 1.0
"""Each run begins with work: the share of less says nothing of the rest."""
SAMPLES_AT_LEAST = 20
"""A 99th percentile of fewer is one hiccup at the start."""

_Borders = tuple[tuple[Level, float], ...]

_FRAMES_LATE: _Borders = (("invalid", SEND_LATENESS_INVALID_S), ("degraded", SEND_LATENESS_DEGRADED_S))
_WAKE_UPS_LATE: _Borders = (("invalid", LOOP_LAG_INVALID_S), ("degraded", LOOP_LAG_DEGRADED_S))
_STARTS_LATE: _Borders = (("invalid", START_LATENESS_INVALID_S), ("degraded", START_LATENESS_DEGRADED_S))

_FAULTS = "expected no simulation to fail by a fault of coval-load or of this machine"
_LOST_WITH_WORKERS = "expected no simulation to be lost with the process that ran it"
_ROWS_LOST = "expected no line of simulations.jsonl to be lost"
_SKIPPED = f"expected at most {FRAMES_SKIPPED_INVALID:.0%} of frames to be skipped"
_LAGGED = "the generator lagged for"
_NEVER_BEGAN = "simulations that were due never began"
_OF_ALL = (_FAULTS, _ROWS_LOST, _SKIPPED, _LAGGED)
"""Where these are told of all processes together, they are not told of each again."""

_FEWER = "lower the concurrency or use more machines"
_ROOM = "free the machine, or pin the generator to another core with taskset"
_RAISE_LIMIT = "raise the CPU limit"


def verdict(evidence: Evidence) -> dict[str, Any]:
    """`generator` in `summary.json`: `valid`, `degraded` or `invalid`, why, and the numbers it rests on."""
    return _judged(_findings(evidence), evidence)


def verdict_over(own: Evidence, workers: Sequence[WorkerHealth], takes_over: bool) -> dict[str, Any]:
    """The same of a run over several processes, each of them named that did not keep pace or was lost.

    `own` is the evidence of all of them merged, `workers` are all, the coordinator included. `takes_over` says
    whether the others took the share of one that was lost. `workers` in what is returned has a row for each. There are
    never more reasons than three processes can have and some, however many there are.
    """
    # Which workers those were lost with is known here, as it is not where a run was killed or resumed.
    whole = attrs.evolve(own, vitals=worst_vitals(workers) or own.vitals, lost_with_workers=0)
    of_all = [*_lost(whole), *_lagged(whole)]
    told = [topic for topic in _OF_ALL if any(topic in reason for _, reason in of_all)]
    findings = [
        *of_all,
        *lost_findings(workers, takes_over),
        *late_findings(workers, (*told, _NEVER_BEGAN)),
        *_not_started(whole, lost_share=not takes_over and any(worker.lost is not None for worker in workers)),
    ]
    return {**_judged(dict.fromkeys(findings), whole), "workers": [worker.row() for worker in workers]}


def _judged(found: Iterable[Finding], evidence: Evidence) -> dict[str, Any]:
    findings = list(found)
    invalid = [reason for level, reason in findings if level == "invalid"]
    degraded = [reason for level, reason in findings if level == "degraded"]
    return {
        "verdict": "invalid" if invalid else "degraded" if degraded else "valid",
        "reasons": invalid + degraded,
        **evidence.figures(),
    }


def _findings(evidence: Evidence) -> Iterator[Finding]:
    yield from _lost(evidence)
    yield from _late(evidence)
    yield from _stalled(evidence)
    yield from _lagged(evidence)
    yield from _short_of_cpu(evidence.vitals)
    yield from _collecting(evidence)
    yield from _not_started(evidence)
    yield from _close_to_limits(evidence.vitals)


def _lost(evidence: Evidence) -> Iterator[Finding]:
    if evidence.internal_errors:
        yield (
            "invalid",
            f"{_FAULTS}, got {evidence.internal_errors}; look at the errors of kind internal",
        )
    if evidence.lost_with_workers:
        yield (
            "invalid",
            f"{_LOST_WITH_WORKERS}, got {evidence.lost_with_workers}; look at the errors of kind worker_lost",
        )
    if evidence.rows_lost:
        yield (
            "invalid",
            f"{_ROWS_LOST}, got {evidence.rows_lost}; check that the disk has room and keeps up",
        )
    if evidence.frames_skipped > FRAMES_SKIPPED_INVALID * evidence.frames_sent:
        yield (
            "invalid",
            f"{_SKIPPED}, got {evidence.frames_skipped} beside {evidence.frames_sent} sent; {_advice(evidence.vitals)}",
        )


def _late(evidence: Evidence) -> Iterator[Finding]:
    judged = (
        ("frames left", evidence.send_lateness_p99_s, evidence.send_lateness_samples, _FRAMES_LATE),
        ("the generator woke up", evidence.loop_lag_p99_s, evidence.loop_lag_samples, _WAKE_UPS_LATE),
        ("simulations began", evidence.start_lateness_p99_s, evidence.start_lateness_samples, _STARTS_LATE),
    )
    for what, p99_s, samples, borders in judged:
        if p99_s is None or samples < SAMPLES_AT_LEAST:
            continue
        for level, allowed_s in borders:
            if p99_s > allowed_s:
                late = f"{what} {_ms(p99_s)} late (p99), expected at most {_ms(allowed_s)}"
                yield level, f"{late}; {_advice(evidence.vitals)}"
                break


def _stalled(evidence: Evidence) -> Iterator[Finding]:
    longest_s = evidence.loop_lag_max_s or 0.0
    told = (evidence.loop_lag_p99_s or 0.0) > LOOP_LAG_INVALID_S
    if longest_s > STALL_DEGRADED_S and evidence.loop_lag_samples >= SAMPLES_AT_LEAST and not told:
        yield (
            "degraded",
            f"the generator stood still for {longest_s:.1f} s, expected at most {STALL_DEGRADED_S:g} s; "
            f"{_advice(evidence.vitals)}",
        )


def _lagged(evidence: Evidence) -> Iterator[Finding]:
    lapses = evidence.lapses
    if lapses.longest is None or lapses.total_s < LAGGED_DEGRADED_S:
        return
    begins, ends = lapses.longest
    yield (
        "degraded",
        f"{_LAGGED} {lapses.total_s:.0f} s in all, longest from {clock_time(begins)} to {clock_time(ends)} of "
        f"the run, expected less than {LAGGED_DEGRADED_S:g} s; leave out what was measured then: "
        f"{_advice(evidence.vitals)}",
    )


def _short_of_cpu(vitals: Vitals) -> Iterator[Finding]:
    if vitals.watched_s < WATCHED_AT_LEAST_S:
        return
    share = vitals.cpu_share or 0.0
    if share > CPU_SHARE_DEGRADED:
        yield (
            "degraded",
            f"expected the generator to use at most {CPU_SHARE_DEGRADED:.0%} of a core, got {share:.0%}; {_FEWER}",
        )
    if _deprived(vitals):
        percent = f"{(vitals.cpu_wait_share or 0.0) * 100:.3g}%"  # 10.2% is not "10%, expected at most 10%"
        yield (
            "degraded",
            f"others had the CPU for {percent} of the run while the generator wanted it, "
            f"expected at most {CPU_WAIT_DEGRADED:.0%}; {_ROOM}",
        )
    if _throttled(vitals):
        yield (
            "degraded",
            f"the CPU limit of the container held the generator for {vitals.throttled_share or 0.0:.0%} of the run, "
            f"expected at most {CPU_WAIT_DEGRADED:.0%}; {_RAISE_LIMIT}",
        )


def _collecting(evidence: Evidence) -> Iterator[Finding]:
    p99_s, longest_s = evidence.gc_pause_p99_s or 0.0, evidence.gc_pause_max_s or 0.0
    enough = evidence.gc_pause_samples >= SAMPLES_AT_LEAST
    if p99_s > GC_PAUSE_P99_DEGRADED_S and enough:
        yield "degraded", _paused(f"{_ms(p99_s)} (p99)", _ms(GC_PAUSE_P99_DEGRADED_S))
    if longest_s > GC_PAUSE_MAX_DEGRADED_S:
        yield "degraded", _paused(f"{_ms(longest_s)} (longest)", _ms(GC_PAUSE_MAX_DEGRADED_S))
    share = evidence.vitals.gc_share or 0.0
    if share > GC_SHARE_DEGRADED and evidence.vitals.watched_s >= WATCHED_AT_LEAST_S:
        yield "degraded", _paused(f"{share:.0%} of the run", f"{GC_SHARE_DEGRADED:.0%}")


def _not_started(evidence: Evidence, *, lost_share: bool = False) -> Iterator[Finding]:
    missing = evidence.dropped + evidence.never_started
    if missing > NOT_STARTED_DEGRADED * evidence.offered:
        share = "the share of lost workers was left out, or " if lost_share else ""
        yield (
            "degraded",
            f"{missing:,} of {evidence.offered:,} {_NEVER_BEGAN} ({evidence.dropped:,} dropped, "
            f"{evidence.never_started:,} still waiting at the end): {share}the cap on concurrency or the agent's limit "
            "held them back, so the load was less than the plan says; raise load.concurrency or limits.per_agent",
        )


def _close_to_limits(vitals: Vitals) -> Iterator[Finding]:
    if vitals.descriptors.share > USED_DEGRADED:
        advice = "raise it with `ulimit -n`, or LimitNOFILE= of the service"
        yield "degraded", _nearly_all("file descriptors", vitals.descriptors, advice)
    if vitals.ports.share > USED_DEGRADED:
        advice = "widen net.ipv4.ip_local_port_range, or use more machines"
        yield "degraded", _nearly_all("ports", vitals.ports, advice)


def _nearly_all(what: str, used: Used, advice: str) -> str:
    return f"{used.most:,} {what} were in use, the limit is {used.limit:,}: the next connection may get none; {advice}"


def _paused(found: str, allowed: str) -> str:
    return (
        f"the garbage collector stopped the generator for {found}, expected at most {allowed}; "
        "lower the concurrency or use more machines"
    )


def _advice(vitals: Vitals) -> str:
    """What to do about what was late, by what most likely made it late."""
    if _throttled(vitals):
        return f"the container's CPU limit held it: {_RAISE_LIMIT}"
    if _deprived(vitals):
        return f"the machine was busy with other things: {_ROOM}"
    if (vitals.cpu_share or 0.0) > CPU_SHARE_BUSY or vitals.busiest_cpu_share > CPU_SHARE_DEGRADED:
        return f"the generator had much to do: {_FEWER}"
    return "its CPU was not why: look for an agent that floods, a disk that hangs, or a process that was stopped"


def _deprived(vitals: Vitals) -> bool:
    return (vitals.cpu_wait_share or 0.0) > CPU_WAIT_DEGRADED and vitals.watched_s >= WATCHED_AT_LEAST_S


def _throttled(vitals: Vitals) -> bool:
    return (vitals.throttled_share or 0.0) > CPU_WAIT_DEGRADED and vitals.watched_s >= WATCHED_AT_LEAST_S


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.0f} ms"
