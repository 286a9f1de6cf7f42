"""What of a plan may be shown."""

import json
from collections.abc import Iterator
from typing import Any

import attrs

from coval_load.agents.environment import Expanded, Steps
from coval_load.agents.secrets import Redactor, filled_secrets, keyed_secrets, mask, masked
from coval_load.plans.plan import Plan
from coval_load.plans.schema import PlanFile
from coval_load.plans.test_sets import TestSet


def with_secrets(plan: Plan, file: PlanFile, expanded: Expanded, test_set: TestSet) -> Plan:
    """`plan` with all its `secrets`, and with what its `masked` gives: the keys of a plan file, settled."""
    written = _plain(attrs.asdict(file)) | {
        "name": plan.name,
        "persona": attrs.asdict(file.callers[0]),
        "test_set": _plain([attrs.asdict(case) for case in plan.test_cases]),
    }
    attributes = [case.attributes for case in plan.test_cases]
    parameters = [persona.initialization_parameters for persona in plan.personas]
    filled = {text for agent in plan.agents for text in filled_secrets(agent, attributes, parameters)}
    own = {*expanded.secrets, *test_set.secrets, *keyed_secrets(written), *filled} - {""}
    secrets = frozenset(own).union(*(agent.secrets for agent in plan.agents))
    shown = mask(written, secrets, tuple(_places(expanded, test_set)))
    shown["personas"] = shown["personas"] or [shown["persona"]]
    shown["load"]["simulations"] = plan.load.simulations
    shown["agents"] = [Redactor(secrets).clean({"name": agent.name, **masked(agent)}) for agent in plan.agents]
    del shown["persona"]
    return attrs.evolve(plan, secrets=secrets, shown=shown)


def _places(expanded: Expanded, test_set: TestSet) -> Iterator[Steps]:
    """Where something out of the environment stands in the document above."""
    yield from (place for place in expanded.places if place != ("test_set",))
    yield from (("test_set", *place) for place in test_set.hidden)


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value))
