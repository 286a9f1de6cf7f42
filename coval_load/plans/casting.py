"""Makes the simulations of a scenario: who calls which agent with which script, over what."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import attrs
import trio

from coval_load.actors import persona as cast
from coval_load.actors.chat import ChatConversation
from coval_load.actors.connector import Connector
from coval_load.actors.http_call import HttpCall
from coval_load.actors.http_way import HttpWay
from coval_load.actors.narration import Narrator
from coval_load.actors.services import Services
from coval_load.actors.simulation import Call, Identity, Simulation
from coval_load.actors.spooled_recording import VoiceRecording
from coval_load.actors.voice import VoiceConversation
from coval_load.actors.websocket_call import WebSocketCall
from coval_load.actors.websocket_session import Conversation
from coval_load.engine.labels import Labels
from coval_load.plans.plan import Plan
from coval_load.plans.rehearsal import Role, Troupe, named_id, values_for

OpenRecording = Callable[[Identity, float], VoiceRecording | None]
"""Makes the recording of a simulation, given the Trio clock's reading it starts with; None: it won't be kept."""

Way = Connector | HttpWay
"""How the callers of one agent reach it, by the transport of its protocol."""


def _never(number: int) -> bool:
    return False


def identify(run_id: str, troupe: Troupe, number: int) -> Identity:
    """What simulation `number` of a run is, from 0: it follows from the plan, its seed and the run alone."""
    role, case, persona = troupe.deal(number)
    scenario = troupe.scenario.name
    return Identity(
        simulation_output_id=named_id(f"{run_id}/{scenario}/{number}"),
        agent=role.agent.name,
        model_type=str(role.agent.model_type),
        test_case=case.id,
        persona=persona.name,
        scenario=scenario,
        number=number,
    )


@attrs.define(eq=False)
class Casting:
    """See `engine.scenario.Cast`. `run_id` tells one run from another.

    `ways` has one for each agent, by name. `is_recorded` says of a number whether its audio may come to be kept;
    `open_recording` None: nothing is recorded.
    """

    plan: Plan
    troupe: Troupe
    services: Services
    ways: Mapping[str, Way]
    run_id: str
    open_recording: OpenRecording | None = None
    narrator: Narrator | None = None
    is_recorded: Callable[[int], bool] = _never

    def labels(self, number: int) -> Labels:
        """What simulation `number` is told apart by."""
        return self.troupe.labels(number)

    def __call__(self, number: int) -> Simulation:
        """Simulation `number`, from 0."""
        role, case, persona = self.troupe.deal(number)
        identity = identify(self.run_id, self.troupe, number)
        values = values_for(self.plan, self.run_id, identity.simulation_output_id, role.agent, case, persona)
        way = self.ways[role.agent.name]
        make_call: Callable[[Simulation], Call]
        if isinstance(way, HttpWay):
            make_call = partial(self._http_call, role, case, persona, way, values)
        else:
            make_call = partial(self._websocket_call, role, case, persona, way, values, number)
        return Simulation(
            identity=identity,
            services=self.services,
            make_call=make_call,
            keeps_transcript=self.plan.recording.needs_turns,
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
        return WebSocketCall(
            simulation=simulation,
            connector=connector,
            form=role.form,
            make_conversation=partial(self._conversation, role, case, persona, number),
            values=values,
            most_session_s=role.form.most_session_s if role.protocol.medium == "voice" else None,
        )

    def _conversation(
        self, role: Role, case: cast.TestCase, persona: cast.Persona, number: int, call: WebSocketCall
    ) -> Conversation:
        simulation = call.simulation
        if role.protocol.medium == "chat":
            quiet_s = role.agent.options.coalesce_timeout_seconds
            return ChatConversation(simulation, call.dialect, persona, tuple(case.turns), quiet_s)
        recording = self._recording(simulation, number)
        return VoiceConversation(simulation, role.form, persona, case, role.silence_body, recording)

    def _recording(self, simulation: Simulation, number: int) -> VoiceRecording | None:
        if self.open_recording is None or not self.is_recorded(number):
            return None
        started_at = trio.current_time()
        recording = self.open_recording(simulation.identity, started_at)
        if recording is not None:
            simulation.recording_started_at = started_at
            simulation.keeps_transcript = True  # for its labels; what stays in its row is decided later
        return recording
