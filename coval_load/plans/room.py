"""Whether this machine has room for a plan, before anything is dialled."""

from coval_load.engine.before_start import check_before_start
from coval_load.engine.shapes.interface import OpenShape
from coval_load.faults import Fault
from coval_load.plans.plan import Plan


def check_room(plan: Plan) -> tuple[list[Fault], list[str]]:
    """Faults of a plan that this machine has no room for, and notes on what comes close."""
    per_agent: dict[str, int] = {}
    for scenario in plan.scenarios:
        for agent in scenario.agents:
            limit = plan.limits.per_agent.get(agent.name)
            most = scenario.shape.most_at_once
            per_agent[agent.name] = per_agent.get(agent.name, 0) + (most if limit is None else min(limit, most))
    limited = {name: min(most, plan.limits.per_agent.get(name) or most) for name, most in per_agent.items()}
    peak = min(sum(limited.values()), sum(scenario.shape.most_at_once for scenario in plan.scenarios))
    # Scenarios may follow each other, and an open load may stay far below its cap.
    is_a_cap = len(plan.scenarios) > 1 or any(isinstance(one.shape, OpenShape) for one in plan.scenarios)
    recordings = peak if plan.recording.audio == "all" else 0
    return check_before_start(limited, peak, peak_is_a_cap=is_a_cap, recordings=recordings)
