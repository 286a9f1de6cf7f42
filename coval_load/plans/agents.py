"""The agents of a plan, each from a file or inline."""

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from coval_load.actors.protocols import AgentProtocol
from coval_load.agents.addresses import Targets
from coval_load.agents.body import Agent
from coval_load.agents.loading import load_agent
from coval_load.agents.model_types import ModelType
from coval_load.faults import Fault, Faulty
from coval_load.plans.documents import read_document
from coval_load.plans.turns import Hearer

_DIGITS_OPTION = "send_dtmf_template"


@attrs.frozen
class Loaded:
    """The agents of one list, and what each can take: one with faults too, so that turns are checked against it."""

    agents: tuple[Agent, ...]
    hearers: tuple[Hearer, ...]


@attrs.define
class AgentLoader:
    """Loads lists of agents; `faults`, and `agents` by their names, fill up on the way.

    A file that several lists name is one agent, with one limit, and so is a body in a list that several scenarios
    share; a file that a list names twice is two.
    """

    options: Mapping[str, type]
    targets: Targets
    environ: Mapping[str, str]
    checks: Callable[[Agent], Iterable[Fault]]
    protocols: Mapping[str, AgentProtocol]
    faults: list[Fault] = attrs.field(factory=list)
    agents: dict[str, Agent] = attrs.field(factory=dict)
    _files: dict[tuple[Path, int], Loaded] = attrs.field(factory=dict, init=False)
    _bodies: dict[str, Loaded] = attrs.field(factory=dict, init=False)

    def load(self, entries: Any, folder: Path, path: str) -> Loaded:
        """The agents of `entries`, which stand at `path`; their own paths are relative to `folder`."""
        seen: Counter[Path] = Counter()
        loaded = []
        for at, entry in enumerate(entries if isinstance(entries, list) else ()):
            if isinstance(entry, dict):
                where = f"{path}[{at}]"
                if where not in self._bodies:
                    self._bodies[where] = self._load(entry, None, where)
                loaded.append(self._bodies[where])
            elif isinstance(entry, str):
                file = Path(os.path.normpath(folder / entry)).absolute()
                loaded.append(self._load_once(file, seen[file], f"{path}[{at}]"))
                seen[file] += 1
        return Loaded(
            tuple(agent for one in loaded for agent in one.agents),
            tuple(hearer for one in loaded for hearer in one.hearers),
        )

    def _load_once(self, file: Path, time: int, path: str) -> Loaded:
        if (file, time) not in self._files:
            self._files[file, time] = self._read(file, path)
        return self._files[file, time]

    def _read(self, file: Path, path: str) -> Loaded:
        try:
            return self._load(read_document(file), file.stem, path)
        except Faulty as faulty:
            self.faults += [fault.under(path) for fault in faulty.faults]
            return Loaded((), ())

    def _load(self, raw: Any, name: str | None, path: str) -> Loaded:
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
            return Loaded((), tuple(self._guess(raw, name or path)))
        agent = self._with_own_name(agent)
        takes_digits = self._takes_digits(agent)
        return Loaded((agent,), (self._hearer(agent.name, agent.model_type, takes_digits=takes_digits),))

    def _guess(self, raw: Any, name: str) -> Iterator[Hearer]:
        model_type = raw.get("model_type") if isinstance(raw, dict) else None
        if isinstance(model_type, str) and model_type in list(ModelType):
            yield self._hearer(name, ModelType(model_type), takes_digits=True)

    def _hearer(self, name: str, model_type: ModelType, *, takes_digits: bool) -> Hearer:
        options, protocol = self.options.get(model_type), self.protocols.get(model_type)
        return Hearer(
            name,
            model_type.is_voice,
            takes_digits,
            only_answers="chat_endpoint" in _keys_of(options),
            calls_tools=protocol is not None and protocol.may_call_tools,
            has_words=not model_type.is_voice or (protocol is not None and protocol.has_words),
            digits_option=_DIGITS_OPTION if _DIGITS_OPTION in _keys_of(options) else "",
        )

    def _takes_digits(self, agent: Agent) -> bool:
        protocol = self.protocols.get(agent.model_type)
        if protocol is None or protocol.medium != "voice":
            return False
        return bool(protocol.make_format(agent.options).takes_digits)

    def _with_own_name(self, agent: Agent) -> Agent:
        name, number = agent.name, 1
        while name in self.agents:
            number += 1
            name = f"{agent.name}-{number}"
        self.agents[name] = attrs.evolve(agent, name=name)
        return self.agents[name]


def _keys_of(options: type | None) -> Collection[str]:
    return attrs.fields_dict(options) if options is not None and attrs.has(options) else ()
