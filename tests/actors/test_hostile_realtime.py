"""Whole conversations with agents over realtime APIs that send anything, in any order, and end it anywhere.

The call, the dialects and the conversation are the real ones, in virtual time; see `agents_on_lines`.
"""

import base64
import json
from itertools import repeat

import attrs
import numpy as np
import pytest
import trio
from agents_on_lines import URL, Agents
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock
from websockets.protocol import State

from coval_load.actors.clips import prepare, silence
from coval_load.actors.connector import Connector
from coval_load.actors.persona import Persona, Say, Skip, TestCase, ToolAnswer, Turn
from coval_load.actors.services import Services
from coval_load.actors.simulation import Identity, Simulation
from coval_load.actors.voice import VoiceConversation
from coval_load.actors.websocket_call import WebSocketCall
from coval_load.agents.destination import Destination
from coval_load.codecs.audio.files import Clip
from coval_load.codecs.dialects.gemini_realtime.format import GeminiRealtimeFormat
from coval_load.codecs.dialects.openai_realtime.format import OpenAIRealtimeFormat
from coval_load.engine.keepalive import Keepalive
from coval_load.engine.metronome import Metronome
from coval_load.engine.outcome import ErrorKind, Outcome, SimulationFailed, Stage
from coval_load.engine.plan import Timeouts
from coval_load.engine.results import Results

TIMEOUTS = Timeouts(response_s=1.0, close_s=0.5)
MOST_CONNECTIONS = 40
OPENAI = OpenAIRealtimeFormat(handshake_timeout_seconds=2.0)
FORMS = {
    "OpenAI": OPENAI,
    "OpenAI, told when a turn is over": attrs.evolve(OPENAI, turn_detection="none", audio_format="audio/pcmu"),
    "Gemini": GeminiRealtimeFormat(handshake_timeout_seconds=2.0),
    "Gemini, told when a turn is over": GeminiRealtimeFormat(
        handshake_timeout_seconds=2.0, activity_detection="manual"
    ),
}
CLIP = Clip(np.full(3200, 0.5, np.float32), 16_000)
CLIPS = {name: (prepare(CLIP, form), silence(form)) for name, form in FORMS.items()}
TOOLS = (ToolAnswer("look", None, {"found": True}),)
ONE_TURN = (Turn(Say("hi")),)
CLOSES, DROPS = "closes", "drops"
"""What an agent may do instead of sending something."""


def sound(seconds, rate_hz=24_000):
    return base64.b64encode((8000 * np.ones(round(seconds * rate_hz))).astype("<i2").tobytes()).decode()


@attrs.define
class Faults:
    """What nobody foresaw fails the test."""

    def add(self, error, where):
        raise error


@attrs.define
class Held:
    simulation: Simulation
    agents: Agents
    results: Results
    failure: object
    lasted: float

    @property
    def row(self):
        return self.simulation.row()


def converse(name, *streams, turns=ONE_TURN, initiation="speak_first"):
    """A conversation with an agent whose connections send these streams of (seconds to wait, message) one after the
    other, and from the last stream on the same again."""
    form, (clip, silent_frame) = FORMS[name], CLIPS[name]
    agents = Agents([])
    results, faults = Results(), Faults()
    said = [attrs.evolve(turn, action=Say("hi", clip)) if isinstance(turn.action, Say) else turn for turn in turns]
    case, persona = TestCase("case", said, tool_results=TOOLS), Persona(conversation_initiation=initiation, wait_s=0.1)

    async def behave(end, stream):
        for wait_s, message in (*stream, *repeat((1.0, None), 1000)):
            await trio.sleep(wait_s)
            end.got()
            end.frames.clear()
            end.flush()
            if end.is_closed or end.protocol.state is not State.OPEN:
                return
            if message is DROPS:
                end.drop()
                return
            if message is CLOSES:
                end.close()
            elif message is not None:
                end.protocol.send_text(message if isinstance(message, bytes) else json.dumps(message).encode())
            end.flush()

    class Dials(list):
        def pop(self, at):
            number = len(agents.ends)
            assert number < MOST_CONNECTIONS
            stream = streams[min(number, len(streams) - 1)]
            return lambda end: behave(end, stream)

    agents.behaviours = Dials()

    def make_call(simulation):
        return WebSocketCall(
            simulation=simulation,
            connector=Connector(Destination(URL), agents, None, lambda url: None),
            form=form,
            make_conversation=lambda call: VoiceConversation(simulation, form, persona, case, silent_frame),
            values={},
            most_session_s=form.most_session_s,
        )

    async def main():
        metronome = Metronome(lambda seconds: None)
        services = Services(agents, metronome, Keepalive(), results, TIMEOUTS, 0.0, faults)
        identity = Identity(
            simulation_output_id="id", agent="an agent", model_type="M", test_case="case", persona="default"
        )
        simulation = Simulation(identity=identity, services=services, make_call=make_call)
        failure = None
        async with trio.open_nursery() as agents.nursery:
            agents.nursery.start_soon(metronome.run)
            with trio.move_on_after(TIMEOUTS.simulation_s) as scope:
                try:
                    await simulation.run(trio.current_time())
                except SimulationFailed as failed:
                    failure = simulation.failure_of(failed)
            simulation.finished(Outcome("completed" if failure is None else "failed", failure))
            lasted = trio.current_time()
            agents.nursery.cancel_scope.cancel()
        for end in agents.ends:
            end.socket.close()
        assert not scope.cancelled_caught
        assert all(end.is_closed for end in agents.ends)
        json.dumps(simulation.row())
        return Held(simulation, agents, results, failure, lasted)

    return trio.run(main, clock=MockClock(autojump_threshold=0))


# What agents send

IDS = st.sampled_from(["r1", "r2", "r3", ""])
ITEMS = st.sampled_from(["i1", "i2"])
SOUNDS = st.sampled_from(["", sound(0.001), sound(0.1), sound(0.3), base64.b64encode(bytes(4801)).decode()])


def _openai(kind, **members):
    return st.fixed_dictionaries({"type": st.just(kind), **members})


_CALLS = st.fixed_dictionaries(
    {
        "type": st.just("function_call"),
        "id": ITEMS,
        "call_id": st.sampled_from(["c1", "c2"]),
        "name": st.sampled_from(["look", "unknown"]),
        "arguments": st.just("{}"),
    }
)
_STATUSES = st.sampled_from(["completed", "completed", "cancelled", "incomplete", "failed", "of no meaning"])
FROM_OPENAI = st.one_of(
    _openai("session.updated", session=st.just({"id": "s"})),
    _openai("response.created", response=st.fixed_dictionaries({"id": IDS})),
    _openai("response.output_audio.delta", response_id=IDS, item_id=ITEMS, delta=SOUNDS),
    _openai("response.output_audio.delta", response_id=IDS, item_id=ITEMS, delta=SOUNDS),
    _openai("response.output_audio_transcript.delta", response_id=IDS, item_id=ITEMS, delta=st.just("word ")),
    _openai("response.output_text.delta", response_id=IDS, item_id=ITEMS, delta=st.just("text ")),
    _openai("response.output_item.done", response_id=IDS, item=_CALLS),
    _openai(
        "response.done",
        response=st.fixed_dictionaries({"id": IDS, "status": _STATUSES, "output": st.lists(_CALLS, max_size=2)}),
    ),
    _openai("input_audio_buffer.speech_started", item_id=ITEMS),
    _openai("input_audio_buffer.speech_stopped", item_id=ITEMS),
    _openai(
        "conversation.item.input_audio_transcription.completed", item_id=ITEMS, transcript=st.sampled_from(["", "hi"])
    ),
    _openai("conversation.item.input_audio_transcription.delta", item_id=ITEMS, delta=st.just("hi")),
    _openai(
        "error",
        error=st.fixed_dictionaries({"code": st.sampled_from([None, "session_expired", "invalid_api_key", "odd"])}),
    ),
)
_CONTENTS = st.one_of(
    SOUNDS.map(
        lambda data: {"modelTurn": {"parts": [{"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": data}}]}}
    ),
    st.sampled_from(
        [
            {"modelTurn": {"parts": [{"text": "text"}]}},
            {"interrupted": True},
            {"generationComplete": True},
            {"turnComplete": True},
            {"turnComplete": True, "turnCompleteReason": "SAFETY"},
            {"waitingForInput": True},
            {"outputTranscription": {"text": "word "}},
            {"inputTranscription": {"text": "hi"}},
        ]
    ),
)
FROM_GEMINI = st.one_of(
    _CONTENTS.map(lambda content: {"serverContent": content}),
    _CONTENTS.map(lambda content: {"serverContent": content}),
    st.sampled_from(
        [
            {"setupComplete": {}},
            {"goAway": {"timeLeft": "1s"}},
            {"goAway": {"timeLeft": "-5s"}},
            {"sessionResumptionUpdate": {"newHandle": "h", "resumable": True}},
            {"voiceActivity": {"type": "ACTIVITY_START"}},
            {"voiceActivity": {"type": "ACTIVITY_END"}},
            {"toolCall": {"functionCalls": [{"id": "1", "name": "look"}]}},
            {"toolCall": {"functionCalls": [{"id": "2", "name": "unknown"}, {"name": "look"}]}},
            {"toolCallCancellation": {"ids": ["1"]}},
            {"usageMetadata": {"promptTokenCount": 2}},
            {"error": {"code": 13, "message": "oops"}},
        ]
    ),
)
READY = {"OpenAI": {"type": "session.updated", "session": {}}, "Gemini": {"setupComplete": {}}}


def ready(name):
    return (0.1, READY[name.partition(",")[0]])


@st.composite
def conversations(draw):
    name = draw(st.sampled_from(sorted(FORMS)))
    sent = FROM_OPENAI if name.startswith("OpenAI") else FROM_GEMINI
    wait_s = st.sampled_from([0.0, 0.0, 0.05, 0.3, 0.7])
    steps = st.tuples(wait_s, sent)
    streams = []
    for _ in range(draw(st.integers(1, 3))):
        stream = [*([ready(name)] if draw(st.integers(0, 9)) else []), *draw(st.lists(steps, max_size=20))]
        ends = draw(st.sampled_from([None, None, CLOSES, DROPS, "cut"]))
        if ends == "cut" and stream:
            wait_s, last = stream[-1]
            payload = json.dumps(last).encode()
            stream[-1] = wait_s, payload[: draw(st.integers(0, len(payload) - 1))]
        elif ends in (CLOSES, DROPS):
            stream.append((draw(st.sampled_from([0.0, 0.4])), ends))
        streams.append(stream)
    turn = st.builds(
        Turn,
        st.sampled_from([Say("hi"), Say("hi"), Skip()]),
        st.sampled_from([None, None, 0.05, 0.4]),
        st.sampled_from([True, True, False]),
    )
    first = attrs.evolve(draw(turn), barge_in_after_s=None)
    turns = (first, *draw(st.lists(turn, max_size=3)))
    return name, streams, turns, draw(st.sampled_from(["speak_first", "wait_for_user"]))


@given(conversations())
@settings(max_examples=2 * settings.default.max_examples)
def test_whatever_comes_there_is_an_outcome(conversation):
    name, streams, turns, initiation = conversation
    held = converse(name, *streams, turns=turns, initiation=initiation)
    if held.failure is None:
        assert held.simulation.turn == len(turns)
    else:
        assert held.failure.kind is not ErrorKind.INTERNAL
        assert held.failure.message
    assert held.simulation.stage in (Stage.HANDSHAKE, Stage.CONVERSATION, Stage.CLOSE)
    waited_s = (len(turns) + 1) * (TIMEOUTS.response_s + 10)
    assert held.lasted <= 3 * len(held.agents.ends) + waited_s


OPENAI_GOES = {"type": "error", "error": {"code": "session_expired"}}
GEMINI_GOES = {"goAway": {"timeLeft": "1s"}}


@pytest.mark.parametrize(("name", "goes"), [("OpenAI", OPENAI_GOES), ("Gemini", GEMINI_GOES)])
def test_an_agent_that_is_always_about_to_go_is_given_up(name, goes):
    held = converse(name, [ready(name), (0.0, goes)])
    assert held.failure.kind is ErrorKind.CONNECTION_CLOSED
    assert "3 in a row were to be renewed within 0.5 s" in held.failure.message
    assert len(held.agents.ends) == 4


def test_one_that_lasts_for_a_while_is_no_renewal_in_vain():
    name = "Gemini"
    turns = [Turn(Say("hi"), expects_reply=False)] * 24
    held = converse(name, [ready(name), (0.0, GEMINI_GOES)], [ready(name), (0.6, GEMINI_GOES)], turns=turns)
    assert held.failure is None
    assert len(held.agents.ends) > 4
