"""Everything that all simulations of a plan share and that is made before it runs: roles, scripts, clips, templates."""

import hashlib
import mimetypes
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from coval_load.actors import persona as cast
from coval_load.actors.checks.functions import FunctionShelf
from coval_load.actors.clips import ClipShelf, silence
from coval_load.actors.protocols import AgentProtocol, value_faults
from coval_load.agents.body import Agent
from coval_load.codecs.audio.files import AudioFileError
from coval_load.engine.labels import Labels
from coval_load.engine.shapes.simulations import Simulations
from coval_load.faults import Fault, Faulty
from coval_load.plans.checks import make_checks
from coval_load.plans.plan import Plan, PlannedScenario
from coval_load.plans.schema import AnyTurn, AudioTurn, DtmfTurn, MediaTurn, Persona, SkipTurn, TestCase, TextTurn


@attrs.frozen(eq=False)
class Role:
    """One agent with the scripts as its callers follow them."""

    agent: Agent
    protocol: AgentProtocol
    form: Any
    silence_body: bytes
    cases: tuple[cast.TestCase, ...]


@attrs.frozen(eq=False)
class Troupe:
    """Who plays in one scenario: a role for each of its agents, and the personas who call them."""

    scenario: PlannedScenario
    roles: tuple[Role, ...]
    personas: tuple[cast.Persona, ...]

    def deal(self, number: int) -> tuple[Role, cast.TestCase, cast.Persona]:
        """Who takes simulation `number`, from 0: agents in turn, each agent's share to its cases as they are chosen."""
        share, agent = divmod(number, len(self.roles))
        role = self.roles[agent]
        return role, role.cases[self.scenario.choice.case(share)], self.personas[share % len(self.personas)]

    def labels(self, number: int) -> Labels:
        """What simulation `number` is told apart by."""
        role, case, persona = self.deal(number)
        return Labels(self.scenario.name, role.agent.name, case.id, persona.name)


@attrs.frozen(eq=False)
class Ensemble:
    """A plan with a troupe for each of its scenarios."""

    plan: Plan
    troupes: tuple[Troupe, ...]

    @property
    def roles(self) -> tuple[Role, ...]:
        """Every role of every scenario."""
        return tuple(role for troupe in self.troupes for role in troupe.roles)

    def first_simulation(self) -> "Ensemble":
        """The same with nothing but the first simulation of the first scenario, at once."""
        first = self.troupes[0]
        scenario = attrs.evolve(first.scenario, shape=Simulations(1, 1), start_s=0.0)
        plan = attrs.evolve(self.plan, scenarios=(scenario,), thresholds=())
        return attrs.evolve(self, plan=plan, troupes=(attrs.evolve(first, scenario=scenario),))

    @classmethod
    def rehearse(cls, plan: Plan, protocols: Mapping[str, AgentProtocol], *, own_cases: bool = True) -> "Ensemble":
        """Compile templates; decode, resample and encode every clip.

        Raises Faulty for a file that is no audio, and for placeholders without a value in a test case; not for
        those of `test_case.*` where the cases are not the user's own.
        """
        shelf, functions = ClipShelf(), FunctionShelf()
        faults: list[Fault] = []
        places = {agent.name: at for at, agent in enumerate(plan.agents)}
        troupes = []
        for scenario in plan.scenarios:
            roles = tuple(
                _role(scenario.test_cases, agent, protocols[agent.model_type], shelf, functions, faults)
                for agent in scenario.agents
            )
            personas = tuple(map(_persona, scenario.personas))
            for role in roles:
                missing = _missing_values(plan, role, personas, own_cases=own_cases)
                faults += [fault.under(f"agents[{places[role.agent.name]}]") for fault in missing]
            troupes.append(Troupe(scenario, roles, personas))
        if faults:
            raise Faulty(dict.fromkeys(faults))
        return cls(plan, tuple(troupes))


def named_hex(name: str) -> str:
    """`uuid.uuid5(uuid.NAMESPACE_OID, name).hex` (RFC 9562 section 5.5) in a fifth of the time."""
    digest = hashlib.sha1(_NAMESPACE + name.encode(), usedforsecurity=False).hexdigest()
    return f"{digest[:12]}5{digest[13:16]}{_VARIANT[digest[16]]}{digest[17:32]}"


def named_id(name: str) -> str:
    """`str` of the same UUID."""
    digits = named_hex(name)
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


_NAMESPACE = uuid.NAMESPACE_OID.bytes
_VARIANT = dict(zip("0123456789abcdef", "89ab" * 4, strict=True))


def values_for(
    plan: Plan, run_id: str, identity_id: str, agent: Agent, case: cast.TestCase, persona: cast.Persona
) -> dict[str, Any]:
    """What fills the placeholders of an agent's templates in one simulation."""
    return {
        "run_id": run_id,
        "simulation_output_id": identity_id,
        "simulation_id": identity_id,
        "stream_sid": f"MZ{named_hex(f'{identity_id}/stream')}",
        "call_sid": f"CA{named_hex(f'{identity_id}/call')}",
        "agent": agent.attributes,
        "test_case": case.values,
        "persona": persona.values,
        "run_metadata": {"run_id": run_id, "plan": plan.name},
    }


def _missing_values(plan: Plan, role: Role, personas: Sequence[cast.Persona], *, own_cases: bool) -> Iterator[Fault]:
    told: set[tuple[str, str]] = set()
    pairs = [(case, personas[0]) for case in role.cases] + [(role.cases[0], persona) for persona in personas[1:]]
    for case, persona in pairs:
        values = values_for(plan, "", "", role.agent, case, persona)
        for placeholder, fault in value_faults(role.protocol, role.agent, role.form, values):
            of_case = placeholder.startswith("test_case.")
            if (fault.path, placeholder) in told or (of_case and not own_cases):
                continue
            told.add((fault.path, placeholder))
            where = _WHERE_TO_LOOK.get(placeholder.partition(".")[0])
            named = where.format(case=case.id, persona=persona.name) if where else None
            yield Fault(fault.path, f"{fault.message}: {named}" if named else fault.message)


_WHERE_TO_LOOK = {
    "agent": "add it to the agent's attributes",
    "test_case": "add it to the attributes of test case {case}, or name another test set",
    "persona": "add it to the initialization_parameters of persona {persona}",
    "run_metadata": "there are run_metadata.run_id and run_metadata.plan",
}


def _role(
    cases: Sequence[TestCase],
    agent: Agent,
    protocol: AgentProtocol,
    shelf: ClipShelf,
    functions: FunctionShelf,
    faults: list[Fault],
) -> Role:
    form = protocol.make_format(agent.options)
    is_voice = protocol.medium == "voice"

    def turn(written: AnyTurn) -> cast.Turn:
        barge_in = None if isinstance(written, SkipTurn) else written.barge_in
        action = _action(written, shelf if is_voice else None, form, faults)
        return cast.Turn(action, barge_in.after if barge_in else None, written.expects_reply)

    def case(written: TestCase) -> cast.TestCase:
        answers = tuple(
            cast.ToolAnswer(answer.tool, answer.arguments, answer.result) for answer in written.tool_results
        )
        known = {"has_words": protocol.has_words, "calls_tools": protocol.may_call_tools}
        checks = make_checks(written.checks, functions, **known)
        return cast.TestCase(written.id, tuple(map(turn, written.turns)), written.attributes, answers, checks)

    return Role(agent, protocol, form, silence(form) if is_voice else b"", tuple(map(case, cases)))


def _action(turn: AnyTurn, shelf: ClipShelf | None, form: Any, faults: list[Fault]) -> cast.Action:
    match turn:
        case SkipTurn():
            return cast.Skip()
        case DtmfTurn():
            return cast.Press(turn.digits)
        case MediaTurn():
            file = Path(turn.file)
            return cast.Show(file.name, mimetypes.guess_type(file.name)[0] or "", file.read_bytes())
        case TextTurn() | AudioTurn():
            if shelf is None or turn.audio is None:
                return cast.Say(turn.text)
            try:
                return cast.Say(turn.text, shelf.clip(turn.audio, form))
            except AudioFileError as error:
                faults.append(Fault(turn.audio, str(error)))
                return cast.Say(turn.text)


def _persona(persona: Persona) -> cast.Persona:
    return cast.Persona(
        name=persona.name,
        conversation_initiation=persona.conversation_initiation,
        wait_s=persona.wait_seconds,
        send_silence=persona.send_silence,
        onset_threshold_dbfs=persona.onset_threshold_dbfs,
        end_of_turn_silence_s=persona.end_of_turn_silence_seconds,
        yield_silence_s=persona.yield_silence_seconds,
        initialization_parameters=persona.initialization_parameters,
    )
