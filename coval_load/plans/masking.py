"""What of a plan may be shown."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import attrs

from coval_load.agents.environment import Expanded, Steps
from coval_load.agents.secrets import Redactor, filled_secrets, keyed_secrets, mask, masked
from coval_load.engine.shapes.interface import ClosedShape
from coval_load.plans.load_schema import AnyLoad, SoakLoad
from coval_load.plans.plan import Plan, PlannedScenario
from coval_load.plans.schema import PlanFile
from coval_load.plans.shapes import ramp_up_s
from coval_load.plans.test_sets import TestSet


def with_secrets(plan: Plan, file: PlanFile, expanded: Expanded, test_sets: Sequence[TestSet]) -> Plan:
    """`plan` with all its `secrets`, without any in its name, and with what its `masked` gives.

    `test_sets` has one for each scenario.
    """
    written = _plain(attrs.asdict(file)) | {"name": plan.name}
    if file.scenarios:
        written["test_set"] = None
        for at, (section, scenario) in enumerate(zip(file.scenarios, plan.scenarios, strict=True)):
            written["scenarios"][at] |= _settled(scenario, section.load or file.load)
    else:
        written |= _settled(plan.scenarios[0], file.load)
    attributes = [case.attributes for case in plan.test_cases]
    parameters = [persona.initialization_parameters for persona in plan.personas]
    filled = {text for agent in plan.agents for text in filled_secrets(agent, attributes, parameters)}
    own = {*expanded.secrets, *keyed_secrets(written), *filled}.union(*(one.secrets for one in test_sets)) - {""}
    secrets = frozenset(own).union(*(agent.secrets for agent in plan.agents))
    shown = mask(written, secrets, tuple(_places(file, expanded, test_sets)))
    shown["agents"] = [Redactor(secrets).clean({"name": agent.name, **masked(agent)}) for agent in plan.agents]
    del shown["persona"]
    return attrs.evolve(plan, name=Redactor(secrets).text(plan.name), secrets=secrets, shown=shown)


def _settled(scenario: PlannedScenario, load: AnyLoad) -> dict[str, Any]:
    """What a scenario is after everything it left out was filled in, in JSON."""
    told = _plain(attrs.asdict(load))
    shape = scenario.shape
    if isinstance(shape, ClosedShape):
        told["simulations"] = shape.simulations
    if isinstance(load, SoakLoad):
        told["ramp_up"] = ramp_up_s(load)
    return {
        "agents": [agent.name for agent in scenario.agents],
        "personas": _plain([attrs.asdict(persona) for persona in scenario.personas]),
        "persona": None,
        "test_set": _plain([attrs.asdict(case) for case in scenario.test_cases]),
        "load": told,
    }


def _places(file: PlanFile, expanded: Expanded, test_sets: Sequence[TestSet]) -> Iterator[Steps]:
    """Where something out of the environment stands in the document above."""
    for place in expanded.places:
        if "test_set" not in place[:3]:  # what came into test cases is known there
            yield from _moved(place, file)
    for at, test_set in enumerate(test_sets):
        above: Steps = ("scenarios", at, "test_set") if file.scenarios else ("test_set",)
        yield from ((*above, *place) for place in test_set.hidden)


def _moved(place: Steps, file: PlanFile) -> Iterator[Steps]:
    """A place in the plan as written -> where the same stands in the plan as settled."""
    if place[0] == "scenarios" and len(place) > 2:
        yield (*place[:2], *_in_list(place[2:]))
        return
    yield _in_list(place)
    keys = next((keys for keys in _INHERITED if place[0] in keys), ())
    for at, section in enumerate(file.scenarios or ()):
        if keys and all(getattr(section, key) is None for key in keys):
            yield ("scenarios", at, *_in_list(place))


_INHERITED = (("persona", "personas"), ("load",))
"""What is shown in each scenario as well: it has the plan's where it has none of these of its own."""


def _in_list(place: Steps) -> Steps:
    return ("personas", 0, *place[1:]) if place[0] == "persona" else place


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value))
