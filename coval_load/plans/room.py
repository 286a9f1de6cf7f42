"""Whether this machine has room for a plan, before anything is dialled."""

from collections.abc import Sequence

from coval_load.engine.before_start import check_before_start, share
from coval_load.engine.plan import Selection
from coval_load.engine.shapes.interface import ClosedShape
from coval_load.faults import Fault
from coval_load.plans.plan import Plan, PlannedScenario
from coval_load.plans.recordings import WAITING_AT_MOST
from coval_load.plans.samples import drawn_beforehand


def check_room(plan: Plan, processes: int | None = 1) -> tuple[list[Fault], list[str]]:
    """Faults of a plan that this machine has no room for, and notes on what comes close to it, or may do.

    `processes` of this machine share its load; None: other machines have it, and what this one lets it have says
    nothing of them.

    What a closed load takes by itself is needed for sure. Scenarios may follow each other, and an open load may
    stay far below its cap: what they take together is only noted.
    """
    if processes is None:
        return [], []
    alone = [
        _check(plan, [one], processes, is_a_cap=False) for one in plan.scenarios if isinstance(one.shape, ClosedShape)
    ]
    faults = dict.fromkeys(fault for found, _ in alone for fault in found)
    return list(faults), _check(plan, plan.scenarios, processes, is_a_cap=True)[1]


def peak_of(plan: Plan) -> int:
    """How many simulations of all scenarios together the plan has at once at most."""
    return _peak(plan, plan.scenarios)[1]


def _check(
    plan: Plan, scenarios: Sequence[PlannedScenario], processes: int, *, is_a_cap: bool
) -> tuple[list[Fault], list[str]]:
    per_agent, peak = _peak(plan, scenarios)
    recordings = _recordings(plan, share(peak, processes))
    return check_before_start(per_agent, peak, peak_is_a_cap=is_a_cap, recordings=recordings, processes=processes)


def _peak(plan: Plan, scenarios: Sequence[PlannedScenario]) -> tuple[dict[str, int], int]:
    """How many simulations go on at once at most: with each agent, and in all."""
    per_agent: dict[str, int] = {}
    for scenario in scenarios:
        for agent in scenario.agents:
            per_agent[agent.name] = per_agent.get(agent.name, 0) + scenario.shape.most_at_once
    limits = plan.limits.per_agent
    limited = {name: min(most, limits.get(name) or most) for name, most in per_agent.items()}
    return limited, min(sum(limited.values()), sum(scenario.shape.most_at_once for scenario in scenarios))


def _recordings(plan: Plan, peak: int) -> int:
    """How many a process has open at once, with `peak` simulations: of those, and of what is kept and not yet mixed."""
    audio = plan.recording.audio
    if not isinstance(audio, Selection):
        return peak if audio == "all" else 0
    if drawn_beforehand(plan) is not None:
        return min(audio.sample, peak)
    return peak + min(audio.most, WAITING_AT_MOST)
