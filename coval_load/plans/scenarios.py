"""The scenarios of a plan: each with its agents, its test set, its personas and its load, its own or the plan's."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from coval_load.agents.environment import Steps
from coval_load.engine.choice import choose
from coval_load.faults import Fault
from coval_load.plans.agents import AgentLoader, Loaded
from coval_load.plans.plan import PlannedScenario
from coval_load.plans.schema import Persona, PlanFile, ScenarioSection, TestCase, callers_of
from coval_load.plans.shapes import settle_shape
from coval_load.plans.test_sets import TestSet
from coval_load.plans.test_sets import choice_faults as case_faults
from coval_load.plans.turns import Hearer, TurnSettler

DEFAULT = "default"
"""What the only scenario of a plan is called that names none."""

SettleTurns = Callable[[Sequence[Hearer], bool], TurnSettler]
"""Makes what settles turns, for agents that can take so much and personas that all wait or don't."""


@attrs.frozen
class Part:
    """One scenario as written, with what it takes from the plan; `own` are the keys that it has itself.

    `at` is its place among the scenarios; None for a plan that is one itself.
    """

    name: str
    raw: Mapping[str, Any]
    own: frozenset[str] = frozenset()
    at: int | None = None

    def path(self, key: str) -> str:
        """Where `key` stands in the document, as a fault says it."""
        return f"scenarios[{self.at}].{key}" if key in self.own else key

    def steps(self, key: str) -> Steps:
        """Where `key` stands in the document, step by step."""
        return ("scenarios", self.at or 0, key) if key in self.own else (key,)


_SHARED = ("agents", "persona", "personas", "test_set", "choice", "load")


def parts_of(raw: Mapping[str, Any]) -> Iterator[Part]:
    """The scenarios of a plan as written; a plan without any is one itself."""
    scenarios = raw.get("scenarios")
    if not isinstance(scenarios, list) or not scenarios:
        yield Part(DEFAULT, raw)
        return
    for at, scenario in enumerate(scenarios):
        if isinstance(scenario, dict):
            own = {key: value for key, value in scenario.items() if value is not None}
            left = set(_SHARED) - own.keys()
            if own.keys() & {"persona", "personas"}:
                left -= {"persona", "personas"}
            inherited = {key: raw[key] for key in left if raw.get(key) is not None}
            yield Part(str(own.get("name", "")), {**inherited, **own}, frozenset(own), at)


@attrs.frozen
class LoadedPart:
    """A scenario whose agents and test cases are there, whatever faults they have."""

    part: Part
    agents: Loaded
    test_set: TestSet | None
    cases: tuple[TestCase, ...]


@attrs.define
class ScenarioLoader:
    """Loads what each scenario names; faults, and `spoken` (text -> file), fill up on the way.

    `read_cases` reads a test set, given what stands for it, and where; it gives None where there is none to read.
    """

    agents: AgentLoader
    read_cases: Callable[[Any, str, Steps], TestSet | None]
    make_settler: SettleTurns
    folder: Path
    case_faults: list[Fault] = attrs.field(factory=list)
    turn_faults: list[Fault] = attrs.field(factory=list)
    spoken: dict[str, Path] = attrs.field(factory=dict)
    _test_sets: dict[str, TestSet | None] = attrs.field(factory=dict, init=False)
    _cases: dict[tuple[str, tuple[Hearer, ...], bool], tuple[TestCase, ...]] = attrs.field(factory=dict, init=False)

    def load(self, part: Part) -> LoadedPart:
        """The scenario with its agents and test cases."""
        agents = self.agents.load(part.raw.get("agents"), self.folder, part.path("agents"))
        path = part.path("test_set")
        if path not in self._test_sets:
            self._test_sets[path] = self.read_cases(part.raw.get("test_set"), path, part.steps("test_set"))
        test_set = self._test_sets[path]
        cases = () if test_set is None else self._settle(test_set, agents.hearers, _all_wait(part.raw))
        return LoadedPart(part, agents, test_set, cases)

    def _settle(self, test_set: TestSet, hearers: tuple[Hearer, ...], waits: bool) -> tuple[TestCase, ...]:
        """The cases of a test set, which are the same for all who hear them alike."""
        alike = (test_set.path, hearers, waits)
        if alike not in self._cases:
            settler = self.make_settler(hearers, waits)
            settler.spoken = self.spoken
            self._cases[alike] = settler.settle(test_set)
            self.case_faults += test_set.faults
            self.turn_faults += settler.faults
        return self._cases[alike]


def settle_scenarios(file: PlanFile, loaded: Sequence[LoadedPart]) -> tuple[PlannedScenario, ...]:
    """The scenarios, all of whose faults are known to be none."""
    sections: Sequence[ScenarioSection | None] = file.scenarios or (None,)
    return tuple(_settle(file, section, one) for section, one in zip(sections, loaded, strict=True))


def _settle(file: PlanFile, section: ScenarioSection | None, loaded: LoadedPart) -> PlannedScenario:
    both = (file,) if section is None else (section, file)
    kind = (section.choice if section else None) or file.choice
    load = (section.load if section else None) or file.load
    name = section.name if section else DEFAULT
    iterations, weights = zip(*((case.iterations, case.weight) for case in loaded.cases), strict=True)
    choice = choose(kind, iterations, weights, f"{file.seed}/{name}")
    return PlannedScenario(
        name=name,
        agents=loaded.agents.agents,
        personas=callers_of(*both),
        test_cases=loaded.cases,
        choice=choice,
        shape=settle_shape(load, choice.pass_length * len(loaded.agents.agents)),
        start_s=(section.start if section else None) or 0.0,
        seed=f"{file.seed}/{name}",
    )


def unasked(loaded: LoadedPart, personas: Sequence[Persona]) -> Iterator[Fault]:
    """Personas that wait for an agent which can't speak first."""
    answerer = next((hearer.name for hearer in loaded.agents.hearers if hearer.only_answers), None)
    several = loaded.part.raw.get("personas")
    for at, persona in enumerate(personas):
        if answerer is not None and persona.conversation_initiation == "wait_for_user":
            path = f"{loaded.part.path('personas')}[{at}]" if several else loaded.part.path("persona")
            yield Fault(
                f"{path}.conversation_initiation",
                f"expected speak_first, since agent {answerer} is reached over HTTP and can't speak first; got "
                "wait_for_user",
            )


def choice_faults(file: PlanFile, loaded: Sequence[LoadedPart]) -> Iterator[Fault]:
    """What the way of choosing test cases does not go with."""
    sections: Sequence[ScenarioSection | None] = file.scenarios or (None,)
    for section, one in zip(sections, loaded, strict=True):
        kind = (section.choice if section else None) or file.choice
        load = (section.load if section else None) or file.load
        if one.test_set is not None:
            yield from case_faults(one.test_set, kind)
        if kind == "weighted" and getattr(load, "iterations", None) is not None:
            message = "expected simulations where cases are drawn by weight, as no pass has an end; got iterations"
            yield Fault(f"{one.part.path('load')}.iterations", message)


def personas_written(raw: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The personas of a scenario as written, as far as they are objects."""
    several = raw.get("personas")
    personas = several if isinstance(several, list) and several else [raw.get("persona") or {}]
    return [persona for persona in personas if isinstance(persona, dict)]


def _all_wait(raw: Mapping[str, Any]) -> bool:
    """Whether every persona lets the agent speak first. One that has a fault of its own is not asked."""
    says = [persona.get("conversation_initiation") for persona in personas_written(raw)]
    return all(word not in (None, "speak_first") for word in says)
