"""Audio that is known at a glance goes a shorter way, and comes to the same in every number and every recording."""

import base64
import json

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
from coval_load.actors.persona import Persona, Say, TestCase, Turn
from coval_load.actors.services import Services
from coval_load.actors.simulation import Identity, Simulation
from coval_load.actors.voice import VoiceConversation
from coval_load.actors.websocket_call import WebSocketCall
from coval_load.agents.destination import Destination
from coval_load.codecs.audio.files import Clip
from coval_load.codecs.dialects.websocket_voice import WebSocketVoice, WebSocketVoiceFormat
from coval_load.engine.keepalive import Keepalive
from coval_load.engine.metronome import Metronome
from coval_load.engine.outcome import Outcome, SimulationFailed
from coval_load.engine.plan import Timeouts
from coval_load.engine.results import Results

TIMEOUTS = Timeouts(response_s=1.0, close_s=0.5)
# What agents do comes between the milliseconds of the metronome, so that nothing happens at one instant.
BETWEEN_S = 0.00037
RATE_HZ = 16_000
FORM = WebSocketVoiceFormat(
    receive_sample_rate_hertz=RATE_HZ,
    receive_audio_channels=1,
    non_audio_event_message_types=("note",),
    pace_inbound_binary_audio=True,
)
FORMS = {
    "paced": FORM,
    "unpaced": attrs.evolve(FORM, pace_inbound_binary_audio=False),
    "mu-law": attrs.evolve(FORM, audio_encoding="ulaw", receive_sample_rate_hertz=8_000, send_sample_rate_hertz=8_000),
    "stereo": attrs.evolve(FORM, receive_audio_channels=2),
}
CLIP = Clip(np.full(1600, 0.5, np.float32), 16_000)
CLIPS = {name: (prepare(CLIP, form), silence(form)) for name, form in FORMS.items()}


@attrs.define
class Narrator:
    """Keeps what it is told."""

    told: list = attrs.field(factory=list)

    def tell(self, at, what, detail, more):
        self.told.append(what)


@attrs.define
class Recording:
    """Keeps every call."""

    calls: list = attrs.field(factory=list)

    def caller(self, pcm16k, at):
        self.calls.append(("caller", len(pcm16k), at))

    def agent(self, pcm, at, rate_hz):
        self.calls.append(("agent", pcm, at, rate_hz))

    def clear(self, at):
        self.calls.append(("clear", at))

    def flush(self, now):
        self.calls.append(("flush", now))

    def close(self, now):
        self.calls.append(("close", now))


@attrs.define
class Held:
    """A conversation that is over. `parsed` is how many messages took the long way."""

    row: dict
    numbers: dict
    recorded: list
    parsed: int


def converse(name, stream, monkeypatch, *, narrator=None, recording=None, at_a_glance=True):
    """One turn with an agent that sends these (seconds to wait, payload, whether it is text)."""
    form, (clip, silent_frame) = FORMS[name], CLIPS[name]
    agents, results, parsed = Agents([]), Results(), []

    async def behave(end):
        await trio.sleep(BETWEEN_S)
        for wait_s, payload, is_text in stream:
            await trio.sleep(wait_s)
            end.got()
            end.frames.clear()
            if end.is_closed or end.protocol.state is not State.OPEN:
                return
            (end.protocol.send_text if is_text else end.protocol.send_binary)(payload)
            end.flush()
        while not end.is_closed:
            await trio.sleep(0.3)
            end.got()
            end.flush()

    decode = WebSocketVoice.decode
    monkeypatch.setattr(WebSocketVoice, "decode", lambda *given: parsed.append(1) or decode(*given))
    if not at_a_glance:
        monkeypatch.setattr(WebSocketVoice, "plain_audio", lambda *given: None)
    agents.behaviours = [behave]
    case = TestCase("case", (Turn(Say("hi", clip)),))

    def make_call(simulation):
        return WebSocketCall(
            simulation=simulation,
            connector=Connector(Destination(URL), agents, None, lambda url: None),
            form=form,
            make_conversation=lambda call: VoiceConversation(
                simulation, form, Persona(wait_s=0.1), case, silent_frame, recording
            ),
            values={},
            most_session_s=None,
        )

    async def main():
        metronome = Metronome(lambda seconds: None)
        services = Services(agents, metronome, Keepalive(), results, TIMEOUTS, 0.0, None)
        identity = Identity(
            simulation_output_id="id", agent="an agent", model_type="M", test_case="case", persona="default"
        )
        simulation = Simulation(identity=identity, services=services, make_call=make_call, narrator=narrator)
        failure = None
        async with trio.open_nursery() as agents.nursery:
            agents.nursery.start_soon(metronome.run)
            try:
                await simulation.run(trio.current_time())
            except SimulationFailed as failed:
                failure = simulation.failure_of(failed)
            simulation.finished(Outcome("completed" if failure is None else "failed", failure))
            agents.nursery.cancel_scope.cancel()
        for end in agents.ends:
            end.socket.close()
        return simulation.row()

    row = trio.run(main, clock=MockClock(autojump_threshold=0))
    monkeypatch.undo()
    summary = results.summary()
    numbers = {name: summary[name] for name in ("counters", "metrics")}
    return Held(row, numbers, recording.calls if recording else [], len(parsed))


def audio(samples):
    data = base64.b64encode(np.array(samples, "<i2").tobytes()).decode()
    return json.dumps({"type": "audio_chunk", "data": data}).encode()


def spoken(seconds, level=8000):
    return audio([level] * round(seconds * RATE_HZ))


REPLY = [
    (0.5, b'{"type":"note","event":"thinking"}', True),
    *[(0.02, spoken(0.02), True)] * 20,
    (0.1, audio([]), True),
    *[(0.02, spoken(0.02, 0), True)] * 20,
    *[(0.001, spoken(0.0334), True)] * 4,
]
BROKEN = [(0.5, spoken(0.2), True)] * 3 + [(0.1, spoken(0.1)[:-3] + b'*"}', True)]


@pytest.fixture
def patch():
    """Undone after each conversation, so that one test can hold several."""
    return pytest.MonkeyPatch()


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("stream", [REPLY, BROKEN], ids=["a reply", "broken"])
def test_one_that_is_narrated_has_the_same_numbers(patch, name, stream):
    narrator = Narrator()
    narrated, plain = (converse(name, stream, patch, narrator=each) for each in (narrator, None))
    assert (narrated.row, narrated.numbers) == (plain.row, plain.numbers)
    heard = sum(b"audio_chunk" in payload for _, payload, _ in stream)
    assert narrator.told.count("received audio") >= heard - 2
    assert narrated.parsed == len(stream)
    assert plain.parsed <= 3


@pytest.mark.parametrize("name", FORMS)
def test_a_recording_is_fed_alike(patch, name):
    ways = {
        "short": {},
        "long": {"at_a_glance": False},
        "told": {"narrator": Narrator()},
    }
    held = {way: converse(name, REPLY, patch, recording=Recording(), **options) for way, options in ways.items()}
    assert held["short"].recorded == held["long"].recorded == held["told"].recorded
    assert sum(call[0] == "agent" for call in held["short"].recorded) == 44
    assert held["short"].numbers == held["long"].numbers == converse(name, REPLY, patch).numbers
    assert (held["short"].parsed, held["long"].parsed) == (2, len(REPLY))


messages = st.one_of(
    st.builds(spoken, st.sampled_from([0.02, 0.02, 0.007, 0.1, 0.5]), st.sampled_from([8000, 8000, 0, 30])),
    st.binary(max_size=9).map(lambda data: b'{"type":"audio_chunk","data":"%s"}' % base64.b64encode(data)),
    st.sampled_from([b'{"type":"note"}', b"{}", b'{"type":"audio_chunk"}', b'{"type":"audio_chunk","data":"?"}', b"["]),
)
streams = st.lists(
    st.tuples(
        st.sampled_from([0.001, 0.02, 0.02, 0.1, 0.9]), messages | messages, st.sampled_from([True, True, True, False])
    ),
    max_size=12,
)


@settings(max_examples=settings.default.max_examples // 4)
@given(name=st.sampled_from(sorted(FORMS)), stream=streams, is_recorded=st.booleans())
def test_whatever_an_agent_sends_both_ways_come_to_the_same(name, stream, is_recorded):
    patch = pytest.MonkeyPatch()
    short, long = (
        converse(name, stream, patch, at_a_glance=way, recording=Recording() if is_recorded else None)
        for way in (True, False)
    )
    assert (short.row, short.numbers, short.recorded) == (long.row, long.numbers, long.recorded)
