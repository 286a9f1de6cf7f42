"""From a plan as written to a `Plan`, or to every fault in it and in all that it names."""

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import attrs

from coval_load.actors.protocols import OURS, AgentProtocol
from coval_load.agents.addresses import Targets
from coval_load.agents.body import Agent
from coval_load.agents.environment import Expanded, Steps, expand
from coval_load.agents.loading import no_checks
from coval_load.agents.options.registry import OPTIONS
from coval_load.agents.secrets import Redactor
from coval_load.engine.thresholds import Threshold
from coval_load.faults import Fault, Faulty
from coval_load.json_text import is_too_deep
from coval_load.plans.agents import AgentLoader
from coval_load.plans.baseline import Baseline, kept_values
from coval_load.plans.documents import read_document
from coval_load.plans.files import FileFault, find_authorities
from coval_load.plans.masking import with_secrets
from coval_load.plans.overrides import Overrides
from coval_load.plans.plan import Plan, settle_limits, settle_reconnect, settle_recording, settle_timeouts
from coval_load.plans.scenarios import (
    LoadedPart,
    ScenarioLoader,
    SettleTurns,
    choice_faults,
    parts_of,
    personas_written,
    settle_scenarios,
    unasked,
)
from coval_load.plans.schema import PlanFile, ScenarioSection, callers_of
from coval_load.plans.test_sets import TestSet, read_cases
from coval_load.plans.thresholds import BaselineValues, NoBaseline, load_thresholds
from coval_load.plans.turns import Hearer, Speech, TurnSettler
from coval_load.strict import structure

T = TypeVar("T")


def load_plan(
    source: Path | Mapping[str, Any],
    overrides: Overrides | None = None,
    *,
    environ: Mapping[str, str],
    options: Mapping[str, type] = OPTIONS,
    protocols: Mapping[str, AgentProtocol] = OURS,
    speech: Speech | None = None,
    clip_names: Collection[str] = (),
    checks: Callable[[Agent], Iterable[Fault]] = no_checks,
) -> Plan:
    """The plan in a YAML, TOML or JSON file, or as a mapping (its paths relative to the working directory).

    `options` says which model types can be simulated, `protocols` what their agents can take, `speech` makes speech
    of text, `clip_names` are the packaged clips, `checks` finds in an agent what only the protocols know. Raises
    `Faulty` with every fault there is, in the plan, its agents, its test set and the files they name; no message
    shows a secret.
    """
    raw: Any = read_document(source) if isinstance(source, Path) else dict(source)
    if isinstance(raw, dict) and "model_type" in raw and "agents" not in raw:
        raise Faulty([Fault("", "expected a plan; got an agent: run it with --agent, or name it in a plan's agents")])
    folder = source.absolute().parent if isinstance(source, Path) else Path().absolute()
    name = source.stem if isinstance(source, Path) else "load-test"
    expanded = _expand((overrides or Overrides()).applied(raw), environ)
    loader = AgentLoader(options, _targets(expanded.value), environ, checks, protocols)

    def make_settler(hearers: Sequence[Hearer], waits: bool) -> TurnSettler:
        return TurnSettler(hearers, waits, speech, clip_names)

    return _Loading(expanded, folder, environ, loader, make_settler).load(name)


def _expand(raw: Any, environ: Mapping[str, str]) -> Expanded:
    """Variables of everything but the agents' bodies, which `load_agent` fills in and keeps track of."""
    if not isinstance(raw, dict) or is_too_deep(raw):
        return expand(raw, environ)
    expanded = expand(_without_bodies(raw), environ)
    return attrs.evolve(expanded, value=_with_bodies(expanded.value, raw))


def _without_bodies(raw: dict[str, Any]) -> dict[str, Any]:
    changed = dict(raw)
    if isinstance(raw.get("agents"), list):
        changed["agents"] = [None if isinstance(entry, dict) else entry for entry in raw["agents"]]
    if isinstance(raw.get("scenarios"), list):
        changed["scenarios"] = [_without_bodies(one) if isinstance(one, dict) else one for one in raw["scenarios"]]
    return changed


def _with_bodies(filled: dict[str, Any], raw: dict[str, Any]) -> dict[str, Any]:
    changed = dict(filled)
    if isinstance(raw.get("agents"), list):
        pairs = zip(raw["agents"], filled["agents"], strict=True)
        changed["agents"] = [body if isinstance(body, dict) else path for body, path in pairs]
    if isinstance(raw.get("scenarios"), list):
        both = zip(filled["scenarios"], raw["scenarios"], strict=True)
        changed["scenarios"] = [_with_bodies(*pair) if isinstance(pair[1], dict) else pair[0] for pair in both]
    return changed


def _targets(raw: Any) -> Targets:
    """`targets` as written, or none lifted where they have a fault of their own."""
    section = raw.get("targets") if isinstance(raw, dict) else None
    try:
        return structure(Targets, section or {})
    except Faulty:
        return Targets()


@attrs.define
class _Loading:
    expanded: Expanded
    folder: Path
    environ: Mapping[str, str]
    agents: AgentLoader
    make_settler: SettleTurns
    faults: list[Fault] = attrs.field(factory=list)

    def load(self, name: str) -> Plan:
        raw = self.expanded.value if isinstance(self.expanded.value, dict) else {}
        file = self.attempt(self.read_plan)
        loader = ScenarioLoader(self.agents, self.cases_or_none, self.make_settler, self.folder)
        loaded = [loader.load(part) for part in parts_of(raw)]
        ca_file = self.find_ca(raw.get("tls"))
        baseline = self.find_baseline(raw.get("baseline"))
        thresholds, wrong = load_thresholds(
            raw.get("thresholds"), "thresholds", _names(loaded), hide=self.hide, baseline=baseline
        )
        if file is not None:
            self.faults += self.mismatches(file, loaded)
        self.faults += self.filled_names()
        self.faults += [*loader.case_faults, *self.expanded.faults, *self.agents.faults, *loader.turn_faults, *wrong]
        if self.faults or file is None or any(one.test_set is None for one in loaded):
            raise Faulty(self.told())
        return self.settled(file, name, loaded, loader, thresholds, ca_file)

    def filled_names(self) -> Iterator[Fault]:
        """Names of scenarios tell results apart: masked ones might not differ, and none may show a secret."""
        for place in self.expanded.places:
            if place[0] == "scenarios" and place[2:] == ("name",):
                yield Fault(
                    f"scenarios[{place[1]}].name",
                    "expected a name without ${...}, as it stands in every result; got one from the environment, "
                    "which is shown nowhere: write it out",
                )

    def mismatches(self, file: PlanFile, loaded: Sequence[LoadedPart]) -> Iterator[Fault]:
        """What is right by itself, and wrong together."""
        sections: Sequence[ScenarioSection | None] = file.scenarios or (None,)
        for section, one in zip(sections, loaded, strict=True):
            yield from unasked(one, callers_of(file) if section is None else callers_of(section, file))
        yield from choice_faults(file, loaded)

    def cases_or_none(self, raw: Any, path: str, steps: Steps) -> TestSet | None:
        hidden = tuple(place[len(steps) :] for place in self.expanded.places if place[: len(steps)] == steps)
        return self.attempt(lambda: read_cases(raw, self.folder, path, self.environ, hide=self.hide, hidden=hidden))

    def attempt(self, step: Callable[[], T]) -> T | None:
        try:
            return step()
        except Faulty as faulty:
            self.faults += faulty.faults
            return None

    def read_plan(self) -> PlanFile:
        return structure(PlanFile, self.expanded.value, "", self.hide)

    def hide(self, value: Any) -> Any:
        return Redactor(self.expanded.secrets, shortest=1).clean(value)

    def find_ca(self, section: Any) -> Path | None:
        name = section.get("ca_file") if isinstance(section, dict) else None
        if not isinstance(name, str):
            return None
        try:
            return find_authorities(self.folder, name)
        except FileFault as fault:
            self.faults.append(Fault("tls.ca_file", str(fault)))
            return None

    def find_baseline(self, name: Any) -> BaselineValues:
        if not isinstance(name, str):
            return NoBaseline()
        try:
            return Baseline.read(self.folder / name)
        except Faulty as faulty:
            self.faults += [attrs.evolve(fault, path="baseline") for fault in faulty.faults]
        except (OSError, ValueError) as error:  # a null character, or a name that is longer than a system takes
            self.faults.append(Fault("baseline", f"expected the folder of a run; got {error}"))
        return _Unusable()

    def told(self) -> list[Fault]:
        """The faults, each once; of a field whose variable isn't set, only that."""
        redactor = Redactor(self.expanded.secrets)
        unset = {fault.path for fault in self.expanded.faults}
        kept = [f for f in self.faults if f in self.expanded.faults or f.path not in unset]
        return [attrs.evolve(f, message=redactor.text(f.message)) for f in dict.fromkeys(kept)]

    def settled(
        self,
        file: PlanFile,
        name: str,
        loaded: Sequence[LoadedPart],
        loader: ScenarioLoader,
        thresholds: tuple[Threshold, ...],
        ca_file: Path | None,
    ) -> Plan:
        agents = tuple(self.agents.agents.values())
        scenarios = settle_scenarios(file, loaded)
        plan = Plan(
            name=file.name or name,
            agents=agents,
            scenarios=scenarios,
            thresholds=thresholds,
            accept_invalid=file.generator.accept_invalid,
            limits=settle_limits(file, agents),
            timeouts=settle_timeouts(file.timeouts),
            recording=settle_recording(file.record, scenarios),
            targets=file.targets,
            ca_file=ca_file,
            seed=file.seed,
            reconnect=settle_reconnect(file.reconnect),
            most_age_s=file.connections.most_age,
            takes_over=file.workers.when_lost == "take_over",
            needs_speech=tuple(loader.spoken),
            secrets=frozenset(),
            shown={},
        )
        plan = with_secrets(plan, file, self.expanded, [one.test_set for one in loaded if one.test_set])
        kept = Redactor(plan.secrets).clean(kept_values(thresholds))
        return attrs.evolve(plan, shown={**plan.shown, **kept})


@attrs.frozen
class _Unusable:
    """A baseline that has a fault of its own: what would be taken from it has none besides."""

    caution: str | None = None

    def value(self, threshold: Threshold) -> float:
        return math.nan


def _names(loaded: Sequence[LoadedPart]) -> Mapping[str, Collection[str]]:
    """What simulations can be told apart by."""
    personas = [persona for one in loaded for persona in personas_written(one.part.raw)]
    return {
        "scenario": [one.part.name for one in loaded],
        "agent": [hearer.name for one in loaded for hearer in one.agents.hearers],
        "test_case": [case.id for one in loaded for case in one.cases],
        "persona": [str(persona.get("name", "default")) for persona in personas],
    }
