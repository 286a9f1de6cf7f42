"""From a plan as written to a `Plan`, or to every fault in it and in all that it names."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import attrs

from coval_load.agents.addresses import Targets
from coval_load.agents.body import Agent
from coval_load.agents.environment import Expanded, expand
from coval_load.agents.loading import no_checks
from coval_load.agents.options.registry import OPTIONS
from coval_load.agents.secrets import Redactor
from coval_load.faults import Fault, Faulty
from coval_load.json_text import is_too_deep
from coval_load.plans.agents import AgentLoader
from coval_load.plans.documents import read_document
from coval_load.plans.files import FileFault, find_authorities
from coval_load.plans.masking import with_secrets
from coval_load.plans.overrides import Overrides
from coval_load.plans.plan import Plan, settle_limits, settle_load, settle_reconnect, settle_recording, settle_timeouts
from coval_load.plans.schema import PlanFile, TestCase
from coval_load.plans.test_sets import TestSet, load_test_set, read_test_set
from coval_load.plans.turns import Speech, TurnSettler
from coval_load.strict import structure

T = TypeVar("T")


def load_plan(
    source: Path | Mapping[str, Any],
    overrides: Overrides | None = None,
    *,
    environ: Mapping[str, str],
    options: Mapping[str, type] = OPTIONS,
    speech: Speech | None = None,
    clip_names: Collection[str] = (),
    checks: Callable[[Agent], Iterable[Fault]] = no_checks,
) -> Plan:
    """The plan in a YAML, TOML or JSON file, or as a mapping (its paths relative to the working directory).

    `options` says which model types can be simulated, `speech` makes speech of text, `clip_names` are the
    packaged clips, `checks` finds in an agent what only the protocols know. Raises `Faulty` with every fault
    there is, in the plan, its agents, its test set and the files they name; no message shows a secret.
    """
    raw: Any = read_document(source) if isinstance(source, Path) else dict(source)
    if isinstance(raw, dict) and "model_type" in raw and "agents" not in raw:
        raise Faulty([Fault("", "expected a plan; got an agent: run it with --agent, or name it in a plan's agents")])
    folder = source.absolute().parent if isinstance(source, Path) else Path().absolute()
    name = source.stem if isinstance(source, Path) else "load-test"
    expanded = _expand((overrides or Overrides()).applied(raw), environ)
    loader = AgentLoader(options, _targets(expanded.value), environ, checks)
    settler = TurnSettler(loader.hearers, _all_wait(expanded.value), speech, clip_names)
    return _Loading(expanded, folder, environ, loader, settler).load(name)


def _expand(raw: Any, environ: Mapping[str, str]) -> Expanded:
    """Variables of everything but the agents' bodies, which `load_agent` fills in and keeps track of."""
    agents = raw.get("agents") if isinstance(raw, dict) else None
    if not isinstance(agents, list) or is_too_deep(raw):
        return expand(raw, environ)
    paths = [None if isinstance(entry, dict) else entry for entry in agents]
    expanded = expand(raw | {"agents": paths}, environ)
    filled = expanded.value["agents"]
    both = [body if isinstance(body, dict) else path for body, path in zip(agents, filled, strict=True)]
    return attrs.evolve(expanded, value=expanded.value | {"agents": both})


def _targets(raw: Any) -> Targets:
    """`targets` as written, or none lifted where they have a fault of their own."""
    section = raw.get("targets") if isinstance(raw, dict) else None
    try:
        return structure(Targets, section or {})
    except Faulty:
        return Targets()


def _all_wait(raw: Any) -> bool:
    """Whether every persona lets the agent speak first. One that has a fault of its own is not asked."""
    if not isinstance(raw, dict):
        return False
    several = raw.get("personas")
    personas = several if isinstance(several, list) and several else [raw.get("persona") or {}]
    says = [persona.get("conversation_initiation") for persona in personas if isinstance(persona, dict)]
    return all(word not in (None, "speak_first") for word in says)


@attrs.define
class _Loading:
    expanded: Expanded
    folder: Path
    environ: Mapping[str, str]
    agents: AgentLoader
    turns: TurnSettler
    faults: list[Fault] = attrs.field(factory=list)

    def load(self, name: str) -> Plan:
        raw = self.expanded.value if isinstance(self.expanded.value, dict) else {}
        file = self.attempt(self.read_plan)
        agents = self.agents.load(raw.get("agents"), self.folder)
        test_set = self.attempt(lambda: self.read_cases(raw.get("test_set")))
        cases = self.turns.settle(test_set) if test_set else ()
        ca_file = self.find_ca(raw.get("tls"))
        if file is not None:
            self.faults += self.unasked(file)
        self.faults += test_set.faults if test_set else ()
        self.faults += [*self.expanded.faults, *self.agents.faults, *self.turns.faults]
        if self.faults or file is None or test_set is None:
            raise Faulty(self.told())
        return self.settled(file, name, agents, test_set, cases, ca_file)

    def attempt(self, step: Callable[[], T]) -> T | None:
        try:
            return step()
        except Faulty as faulty:
            self.faults += faulty.faults
            return None

    def read_plan(self) -> PlanFile:
        return structure(PlanFile, self.expanded.value, "", self.hide)

    def unasked(self, file: PlanFile) -> Iterator[Fault]:
        """Personas that wait for an agent which can't speak first."""
        answerer = next((hearer.name for hearer in self.agents.hearers if hearer.only_answers), None)
        for at, persona in enumerate(file.callers):
            if answerer is not None and persona.conversation_initiation == "wait_for_user":
                yield Fault(
                    f"personas[{at}].conversation_initiation" if file.personas else "persona.conversation_initiation",
                    f"expected speak_first, since agent {answerer} is reached over HTTP and can't speak first; got "
                    "wait_for_user",
                )

    def hide(self, value: Any) -> Any:
        return Redactor(self.expanded.secrets, shortest=1).clean(value)

    def read_cases(self, raw: Any) -> TestSet | None:
        if isinstance(raw, str):
            return read_test_set((self.folder / raw).absolute(), self.environ, "test_set")
        return load_test_set(raw, self.folder, "test_set", self.hide) if isinstance(raw, list) else None

    def find_ca(self, section: Any) -> Path | None:
        name = section.get("ca_file") if isinstance(section, dict) else None
        if not isinstance(name, str):
            return None
        try:
            return find_authorities(self.folder, name)
        except FileFault as fault:
            self.faults.append(Fault("tls.ca_file", str(fault)))
            return None

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
        agents: tuple[Agent, ...],
        test_set: TestSet,
        cases: tuple[TestCase, ...],
        ca_file: Path | None,
    ) -> Plan:
        plan = Plan(
            name=file.name or name,
            agents=agents,
            personas=file.callers,
            test_cases=cases,
            load=settle_load(file.load),
            limits=settle_limits(file, agents),
            timeouts=settle_timeouts(file.timeouts),
            recording=settle_recording(file.record),
            targets=file.targets,
            ca_file=ca_file,
            seed=file.seed,
            reconnect=settle_reconnect(file.reconnect),
            most_age_s=file.connections.most_age,
            needs_speech=tuple(self.turns.spoken),
            secrets=frozenset(),
            shown={},
        )
        return with_secrets(plan, file, self.expanded, test_set)
