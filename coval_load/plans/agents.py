"""The agents of a plan, each from a file or inline."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import attrs

from coval_load.agents.addresses import Targets
from coval_load.agents.body import Agent
from coval_load.agents.loading import load_agent
from coval_load.agents.model_types import ModelType
from coval_load.faults import Fault, Faulty
from coval_load.plans.documents import read_document
from coval_load.plans.turns import Hearer


@attrs.define
class AgentLoader:
    """Loads what stands under `agents`; `faults` and `hearers` fill up on the way.

    An agent that has faults is a hearer still, so that turns are checked against it too.
    """

    options: Mapping[str, type]
    targets: Targets
    environ: Mapping[str, str]
    checks: Callable[[Agent], Iterable[Fault]]
    faults: list[Fault] = attrs.field(factory=list)
    hearers: list[Hearer] = attrs.field(factory=list)

    def load(self, entries: Any, folder: Path) -> tuple[Agent, ...]:
        """The agents of `entries`, paths relative to `folder`, each with a name of its own."""
        agents = [
            self._load(entry, folder, f"agents[{at}]")
            for at, entry in enumerate(entries if isinstance(entries, list) else ())
            if isinstance(entry, str | dict)
        ]
        return tuple(_with_own_names(agent for agent in agents if agent is not None))

    def _load(self, entry: str | dict[str, Any], folder: Path, path: str) -> Agent | None:
        raw, name = entry, None
        try:
            if isinstance(entry, str):
                raw, name = read_document((folder / entry).absolute()), Path(entry).stem
        except Faulty as faulty:
            self.faults += [fault.under(path) for fault in faulty.faults]
            return None
        agent = None
        try:
            agent = load_agent(
                raw,
                options=self.options,
                targets=self.targets,
                environ=self.environ,
                path=path,
                name=name,
                checks=self.checks,
            )
        except Faulty as faulty:
            self.faults += faulty.faults
        self._hear(agent, raw, name or path)
        return agent

    def _hear(self, agent: Agent | None, raw: Any, name: str) -> None:
        if agent is not None:
            takes_digits = getattr(agent.options, "send_dtmf_template", None) is not None
            self._add(agent.name, agent.model_type, takes_digits=takes_digits)
            return
        model_type = raw.get("model_type") if isinstance(raw, dict) else None
        if isinstance(model_type, str) and model_type in list(ModelType):
            self._add(name, ModelType(model_type), takes_digits=True)

    def _add(self, name: str, model_type: ModelType, *, takes_digits: bool) -> None:
        only_answers = _is_over_http(self.options.get(model_type))
        self.hearers.append(Hearer(name, model_type.is_voice, takes_digits, only_answers))


def _is_over_http(options: type | None) -> bool:
    # By what its options have, as `AgentProtocol` promises: the protocol may be another package's.
    return options is not None and attrs.has(options) and "chat_endpoint" in attrs.fields_dict(options)


def _with_own_names(agents: Iterable[Agent]) -> Iterable[Agent]:
    taken: set[str] = set()
    for agent in agents:
        name, number = agent.name, 1
        while name in taken:
            number += 1
            name = f"{agent.name}-{number}"
        taken.add(name)
        yield attrs.evolve(agent, name=name)
