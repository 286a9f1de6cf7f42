"""What is made of a run when it is over: thresholds, drift, notes, and the exit code."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from coval_load.engine import metrics
from coval_load.engine.drift import drift, drift_shares
from coval_load.engine.results import Results
from coval_load.engine.shapes.constant import Constant
from coval_load.engine.shapes.interface import ClosedShape, Shape
from coval_load.engine.shapes.ramp import Ramp
from coval_load.engine.shapes.ramping_arrival_rate import RampingArrivalRate
from coval_load.engine.shapes.soak import Soak
from coval_load.engine.thresholds import Judged, Threshold, judge
from coval_load.engine.trend_series import Series
from coval_load.plans.plan import Plan

EXIT_OK, EXIT_NONE_COMPLETED, EXIT_UNTRUSTED, EXIT_THRESHOLD, EXIT_INTERRUPTED = 0, 3, 98, 99, 130
EXIT_WORKERS_LOST = 97

LONG_ENOUGH_S = 60.0
"""Below this no trend can be told from chance, and the second that loading statistics takes is not worth it."""


def exit_code_of(summary: Mapping[str, Any], interrupted: bool, *, accept_invalid: bool = False) -> int:
    """What a run exits with, given its `summary.json`; see "Exit codes" of `docs/results.md`."""
    if interrupted:
        return EXIT_INTERRUPTED
    if any(row["lost"] is not None for row in summary["generator"].get("workers", ())) and not accept_invalid:
        return EXIT_WORKERS_LOST
    if summary["generator"]["verdict"] == "invalid" and not accept_invalid:
        return EXIT_UNTRUSTED
    if not all(row["passed"] for row in summary["thresholds"]):
        return EXIT_THRESHOLD
    if not summary["counts"]["completed"]:
        return EXIT_NONE_COMPLETED
    return EXIT_OK


def asked_drifts(thresholds: Iterable[Threshold]) -> list[str]:
    """The metrics that thresholds want the drift of."""
    return [threshold.name for threshold in thresholds if threshold.aggregate == "drift"]


def drift_of(plan: Plan, series: Series, changed_s: float = 0.0) -> list[dict[str, Any]]:
    """`drift` of `summary.json`: trends while the load was steady; empty for loads that change, and for short runs.

    `changed_s` is when somebody last changed the load, in seconds of the run.
    """
    windows = [window for one in plan.scenarios if (window := _steady(one.shape, one.start_s)) is not None]
    points = series.points
    if len(windows) < len(plan.scenarios) or not points or points[-1].t - points[0].t < LONG_ENOUGH_S:
        return []
    begins, ends = max(changed_s, *(begin for begin, _ in windows)), min(end for _, end in windows)
    return drift(series, steady_from_s=begins, steady_until_s=ends)


def _steady(shape: Shape, start_s: float) -> tuple[float, float] | None:
    """From when to when a load is steady, in seconds of the run; None where it never is."""
    if isinstance(shape, Ramp | RampingArrivalRate):
        return None
    ends = math.inf if shape.duration_s is None else start_s + shape.duration_s
    if isinstance(shape, Soak):
        return start_s + shape.ramp_up_s, ends - shape.ramp_down_s
    return start_s, ends


def judged_thresholds(
    thresholds: Sequence[Threshold],
    results: Results,
    elapsed_s: float,
    drifted: Iterable[Mapping[str, Any]],
    aborted: Judged | None,
) -> list[dict[str, Any]]:
    """`thresholds` of `summary.json`. The one that stopped the run stays as it was judged then: it did not hold."""
    shares = drift_shares(drifted)

    def row(threshold: Threshold) -> dict[str, Any]:
        if aborted is not None and threshold == aborted.threshold:
            return aborted.row(aborted=True)
        return judge(threshold, results, elapsed_s, shares).row()

    # A label may be a secret that came out of the environment into a test case.
    return [results.clean(row(threshold)) for threshold in thresholds]


def note_changes(results: Results) -> None:
    """Say what was changed of the load while the run went on."""
    for change in results.changes:
        results.note(
            f"the concurrency of scenario {change['scenario']} was changed from {change['before']} to "
            f"{change['concurrency']} at {change['at']:.0f} s"
        )


def note_cut_off(plan: Plan, results: Results, interrupted: bool, aborted: Judged | None = None) -> None:
    """Say why simulations were cancelled."""
    cut_off = results.counted(metrics.CANCELLED) - results.counted(metrics.NEVER_STARTED)
    told = f" and {cut_off} simulations were cut off" if cut_off else ""
    if interrupted:
        results.note(f"the run was interrupted{told}")
    elif aborted is not None:
        results.note(
            f"the run was stopped{told}: {results.clean(aborted.threshold.key)}: {results.clean(aborted.reason)}"
        )
    elif cut_off:
        results.note(
            f"{cut_off} simulations were not over when the duration and the grace period of "
            f"{plan.timeouts.grace_s:g} s were: set timeouts.grace in the plan to what a conversation takes"
        )


def note_limits(plan: Plan, held_back: Collection[str], results: Results) -> None:
    """Say which agents' limits made simulations wait."""
    for agent in plan.agents:
        limit = plan.limits.per_agent.get(agent.name)
        if agent.name not in held_back or limit is None:
            continue
        usual = limit == agent.model_type.most_at_once
        whose = f"what is usual for {agent.model_type}" if usual else "limits.per_agent of the plan"
        advice = ": set limits.per_agent in the plan (or give --per-agent) to raise it" if usual else ""
        results.note(f"{agent.name}: the limit of {limit} simulations at once ({whose}) held others back{advice}")


def total_of(plan: Plan) -> int | None:
    """How many simulations there will be; None where only the run's time tells."""
    totals = [one.shape.simulations if isinstance(one.shape, ClosedShape) else None for one in plan.scenarios]
    if any(isinstance(one.shape, Constant | Soak | Ramp) for one in plan.scenarios):
        return None
    known = [total for total in totals if total is not None]
    return sum(known) if len(known) == len(totals) else None


def duration_of(plan: Plan) -> float | None:
    """How long simulations are started, in seconds; None where only their number says when to stop."""
    ends = [None if one.shape.duration_s is None else one.start_s + one.shape.duration_s for one in plan.scenarios]
    known = [end for end in ends if end is not None]
    return max(known) if len(known) == len(ends) else None
