"""From a plan to its simulations: who calls which agent with which script, and everything that is made once."""

import mimetypes
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import attrs
import trio

from coval_load.actors import persona as cast
from coval_load.actors.chat import ChatConversation
from coval_load.actors.checks.functions import FunctionShelf
from coval_load.actors.clips import ClipShelf, silence
from coval_load.actors.connector import Connector
from coval_load.actors.http_call import HttpCall
from coval_load.actors.http_way import HttpWay
from coval_load.actors.narration import Narrator
from coval_load.actors.protocols import AgentProtocol, value_faults
from coval_load.actors.services import Services
from coval_load.actors.simulation import Call, Identity, Simulation
from coval_load.actors.stereo_recording import StereoRecording
from coval_load.actors.voice import VoiceConversation
from coval_load.actors.websocket_call import Conversation, WebSocketCall
from coval_load.agents.body import Agent
from coval_load.codecs.audio.files import AudioFileError
from coval_load.engine.arrivals import deal
from coval_load.faults import Fault, Faulty
from coval_load.plans.checks import make_checks
from coval_load.plans.plan import Plan
from coval_load.plans.schema import AnyTurn, AudioTurn, DtmfTurn, MediaTurn, Persona, SkipTurn, TestCase, TextTurn

OpenRecording = Callable[[str, float], StereoRecording]
"""Makes the recording of a simulation, given its id and the Trio clock's reading it starts with."""

Way = Connector | HttpWay
"""How the callers of one agent reach it, by the transport of its protocol."""


@attrs.frozen(eq=False)
class Role:
    """One agent with the scripts as its callers follow them."""

    agent: Agent
    protocol: AgentProtocol
    form: Any
    silence_body: bytes
    cases: tuple[cast.TestCase, ...]


@attrs.frozen(eq=False)
class Ensemble:
    """Everything that all simulations of a plan share and that can be made before it runs."""

    plan: Plan
    roles: tuple[Role, ...]
    personas: tuple[cast.Persona, ...]

    @classmethod
    def rehearse(cls, plan: Plan, protocols: Mapping[str, AgentProtocol], *, own_cases: bool = True) -> "Ensemble":
        """Compile templates; decode, resample and encode every clip.

        Raises Faulty for a file that is no audio, and for placeholders without a value in a test case; not for
        those of `test_case.*` where the cases are not the user's own.
        """
        shelf, functions = ClipShelf(), FunctionShelf()
        faults: list[Fault] = []
        roles = tuple(
            _role(plan, agent, protocols[agent.model_type], shelf, functions, faults) for agent in plan.agents
        )
        personas = tuple(_persona(persona) for persona in plan.personas)
        for at, role in enumerate(roles):
            missing = _missing_values(plan, role, personas, own_cases=own_cases)
            faults += [fault.under(f"agents[{at}]") for fault in missing]
        if faults:
            raise Faulty(dict.fromkeys(faults))
        return cls(plan, roles, personas)


@attrs.define(eq=False)
class Casting:
    """Makes simulation after simulation of an ensemble. `run_id` tells one run from another.

    `ways` has one for each agent, in order. `open_recording` None: nothing is recorded.
    """

    ensemble: Ensemble
    services: Services
    ways: tuple[Way, ...]
    run_id: str
    open_recording: OpenRecording | None = None
    narrator: Narrator | None = None
    _sample: frozenset[int] | None = attrs.field(init=False)

    @_sample.default
    def _draw_sample(self) -> frozenset[int] | None:
        plan = self.ensemble.plan
        if not isinstance(plan.recording.audio, int):
            return None
        population = plan.load.simulations
        if population is None:
            return frozenset(range(plan.recording.audio))
        return frozenset(Random(plan.seed).sample(range(population), min(plan.recording.audio, population)))

    def __call__(self, number: int) -> Simulation:
        """Simulation `number`, from 0."""
        ensemble, plan = self.ensemble, self.ensemble.plan
        dealt = deal(
            number, agents=len(ensemble.roles), test_cases=len(plan.test_cases), personas=len(ensemble.personas)
        )
        role, persona = ensemble.roles[dealt.agent], ensemble.personas[dealt.persona]
        case = role.cases[dealt.test_case]
        identity = Identity(
            simulation_output_id=str(uuid.uuid5(uuid.NAMESPACE_OID, f"{self.run_id}/{number}")),
            agent=role.agent.name,
            model_type=str(role.agent.model_type),
            test_case=case.id,
            persona=persona.name,
        )
        values = _values(plan, self.run_id, identity.simulation_output_id, role.agent, case, persona)
        way = self.ways[dealt.agent]
        make_call: Callable[[Simulation], Call]
        if isinstance(way, HttpWay):
            make_call = partial(self._http_call, role, case, persona, way, values)
        else:
            make_call = partial(self._websocket_call, role, case, persona, way, values, number)
        return Simulation(
            identity=identity,
            services=self.services,
            make_call=make_call,
            keeps_transcript=plan.recording.transcripts == "all",
            narrator=self.narrator,
            checks=case.checks,
            attributes=case.attributes,
        )

    def _http_call(
        self,
        role: Role,
        case: cast.TestCase,
        persona: cast.Persona,
        way: HttpWay,
        values: Mapping[str, Any],
        simulation: Simulation,
    ) -> HttpCall:
        return HttpCall(
            simulation=simulation, way=way, open_dialect=role.form.open, persona=persona, case=case, values=values
        )

    def _websocket_call(
        self,
        role: Role,
        case: cast.TestCase,
        persona: cast.Persona,
        connector: Connector,
        values: Mapping[str, Any],
        number: int,
        simulation: Simulation,
    ) -> WebSocketCall:
        options = role.agent.options
        return WebSocketCall(
            simulation=simulation,
            connector=connector,
            open_dialect=role.form.open,
            make_conversation=partial(self._conversation, role, case, persona, number),
            values=values,
            ready_type=options.handshake_ready_message_type,
            requires_session_id=getattr(options, "handshake_requires_session_id", False),
            handshake_timeout_s=options.handshake_timeout_seconds,
        )

    def _conversation(
        self, role: Role, case: cast.TestCase, persona: cast.Persona, number: int, call: WebSocketCall
    ) -> Conversation:
        simulation = call.simulation
        dialect: Any = call.dialect
        turns = tuple(case.turns)
        if role.protocol.medium == "chat":
            return ChatConversation(simulation, dialect, persona, turns, role.agent.options.coalesce_timeout_seconds)
        return VoiceConversation(
            simulation,
            dialect,
            persona,
            turns,
            role.form.receive_rate_hz,
            role.agent.options.pace_inbound_binary_audio,
            role.silence_body,
            self._recording(simulation, number),
        )

    def _recording(self, simulation: Simulation, number: int) -> StereoRecording | None:
        if self.open_recording is None or (self._sample is not None and number not in self._sample):
            return None
        if self._sample is None and self.ensemble.plan.recording.audio != "all":
            return None
        simulation.recording_started_at = trio.current_time()
        return self.open_recording(simulation.identity.simulation_output_id, simulation.recording_started_at)


def _values(
    plan: Plan, run_id: str, identity_id: str, agent: Agent, case: cast.TestCase, persona: cast.Persona
) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "simulation_output_id": identity_id,
        "simulation_id": identity_id,
        "stream_sid": f"MZ{uuid.uuid5(uuid.NAMESPACE_OID, f'{identity_id}/stream').hex}",
        "call_sid": f"CA{uuid.uuid5(uuid.NAMESPACE_OID, f'{identity_id}/call').hex}",
        "agent": agent.attributes,
        "test_case": {"id": case.id, **case.attributes},
        "persona": {"name": persona.name, **persona.initialization_parameters},
        "run_metadata": {"run_id": run_id, "plan": plan.name},
    }


def _missing_values(plan: Plan, role: Role, personas: Sequence[cast.Persona], *, own_cases: bool) -> Iterator[Fault]:
    told: set[tuple[str, str]] = set()
    pairs = [(case, personas[0]) for case in role.cases] + [(role.cases[0], persona) for persona in personas[1:]]
    for case, persona in pairs:
        values = _values(plan, "", "", role.agent, case, persona)
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
    plan: Plan,
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
        over_http = protocol.transport == "http"
        checks = make_checks(written.checks, functions, is_voice=is_voice, over_http=over_http)
        return cast.TestCase(written.id, tuple(map(turn, written.turns)), written.attributes, answers, checks)

    return Role(agent, protocol, form, silence(form) if is_voice else b"", tuple(map(case, plan.test_cases)))


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
