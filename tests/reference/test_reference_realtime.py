"""What realtime agents have in common: how they hear, how they speak, whom they let in."""

import base64
import math

import attrs
import numpy as np
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from realtime_scenes import KeptStamps, about, silence
from reference_callers import Refused, tone

from coval_load.codecs.audio.packaged import clip_text
from coval_load.reference.hearing import ALAW
from coval_load.reference.line import Line
from coval_load.reference.options import VoiceOptions
from coval_load.reference.realtime.ears import Ears, SpeechStarted, SpeechStopped
from coval_load.reference.realtime.mouth import Playback, Voice, share_words
from coval_load.reference.sound import to_alaw, to_mulaw

RATE_HZ = 16_000
OPENAI = ("--model-type=openai_realtime", "--no-tls")
GEMINI = ("--model-type=gemini_realtime", "--no-tls")
GEMINI_PATH = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"


def parts(audio, lengths):
    """`audio` cut into pieces of these lengths, over and over."""
    at, n = 0, 0
    while at < len(audio):
        yield at, audio[at : at + lengths[n % len(lengths)]]
        at, n = at + lengths[n % len(lengths)], n + 1


@given(lengths=st.lists(st.integers(1, 2000), min_size=1, max_size=5))
def test_speech_is_found_however_it_is_cut(lengths):
    audio = silence(0.2, RATE_HZ) + tone(0.5) + silence(0.2, RATE_HZ) + tone(0.1) + silence(0.5, RATE_HZ)
    ears = Ears(RATE_HZ, "pcm", 0.3)
    # In real time: what comes plays as soon as it is there.
    edges = [edge for at, part in parts(audio, lengths) for edge in ears.hear(part, 100 + at // 2 / RATE_HZ)]
    assert edges == [
        SpeechStarted(about(100.2), about(0.2)),
        SpeechStopped(about(101.0), about(1.0), pytest.approx(1.3, abs=0.021), pytest.approx(101.3, abs=0.021)),
    ]
    assert ears.heard_s == pytest.approx(1.5)


@pytest.mark.parametrize("encode", [to_mulaw, to_alaw])
def test_companded_speech_is_found(encode):
    loud = 0.3 * np.sin(np.arange(4000) * 0.3).astype(np.float32)
    audio = encode(np.concatenate([np.zeros(800, np.float32), loud, np.zeros(4000, np.float32)]))
    edges = Ears(8000, encode.__name__[3:].replace("mu", "u"), 0.3).hear(audio, 0)
    assert edges == [
        SpeechStarted(about(0.1), about(0.1)),
        SpeechStopped(about(0.6), about(0.6), about(0.9), about(0.9)),
    ]


def test_a_caller_that_sends_no_silence_is_never_over():
    ears = Ears(RATE_HZ, "pcm", 0.3)
    (started,) = ears.hear(tone(0.5), 0)
    assert (started.at, ears.is_speaking) == (about(0), True)
    assert ears.hear(b"", 1000) == []
    assert ears.finish() == SpeechStopped(about(0.5), about(0.5), about(0.5), about(0.5))
    assert ears.finish() is None


def test_silence_never_ends_what_the_caller_ends():
    ears = Ears(RATE_HZ, "pcm", math.inf)
    assert len(ears.hear(tone(0.1) + silence(60, RATE_HZ), 0)) == 1


def test_alaw_is_what_the_recommendation_says():
    # ITU-T G.711, table 1a: the ends of the scale and the values around zero, as they are on the wire.
    assert ALAW[[0xD5, 0x55, 0xAA, 0x2A]].tolist() == [8, -8, 32256, -32256]
    samples = (np.arange(-32768, 32768, 7) / 32768).astype(np.float32)
    back = ALAW[np.frombuffer(to_alaw(samples), np.uint8)].astype(float)
    assert np.all(np.abs(back - samples * 32768) <= np.maximum(16, np.abs(samples * 32768) / 32))


@given(text=st.text(max_size=40), count=st.integers(1, 30))
def test_words_are_shared_out_whole(text, count):
    pieces = share_words(text, count)
    assert len(pieces) == count
    assert "".join(pieces) == text


@pytest.mark.parametrize(("rate_hz", "encoding", "sample_bytes"), [(24_000, "pcm", 2), (8_000, "alaw", 1)])
def test_a_reply_is_the_clip_in_deltas(rate_hz, encoding, sample_bytes):
    voice = Voice(VoiceOptions(message_s=0.1, reply_s=1.05, leading_silence_s=0.25))
    speech = voice.reply(1, rate_hz, encoding)
    assert speech is voice.reply(3, rate_hz, encoding) is not voice.reply(2, rate_hz, encoding)
    assert (speech.duration_s, len(speech.deltas), speech.first_audible) == (about(1.3), 13, 2)
    assert sum(delta.seconds for delta in speech.deltas) == about(1.3)
    assert "".join(delta.words for delta in speech.deltas) == speech.text == clip_text("agent-reply-1")
    audio = b"".join(base64.b64decode(delta.audio) for delta in speech.deltas)
    assert len(audio) == round(1.3 * rate_hz) * sample_bytes
    (started,) = Ears(rate_hz, encoding).hear(audio, 0)
    assert started.offset_s == about(0.25)


@attrs.define
class Said:
    """A playback of two seconds that is sent in virtual time."""

    options: VoiceOptions
    stop: trio.Event = attrs.field(factory=trio.Event)
    sent_at: list = attrs.field(factory=list)
    stamps: KeptStamps = attrs.field(factory=KeptStamps)

    async def send(self):
        playback = Playback(Voice(self.options).reply(1, RATE_HZ, "pcm"), self.options)
        start = trio.current_time()

        async def write(delta):
            await trio.lowlevel.checkpoint()
            self.sent_at.append(trio.current_time() - start)

        await playback.send(Line(None, None, None, 0, self.stamps, frozenset(), 0), 1, self.stop, write)
        return playback


@pytest.mark.parametrize(("mode", "spacing_s"), [("burst", 0), ("fast", 0.025), ("paced", 0.1)])
async def test_deltas_leave_at_their_pace(autojump_clock, mode, spacing_s):
    said = Said(VoiceOptions(mode=mode, speed=4, reply_s=2))
    start = trio.current_time()
    playback = await said.send()
    assert said.sent_at == pytest.approx([n * spacing_s for n in range(20)])
    assert playback.is_whole
    assert playback.words == clip_text("agent-reply-1")
    assert playback.ends_at == pytest.approx(start + 2)
    assert [stamp["what"] for stamp in said.stamps.all] == ["reply_start", "reply_end"]
    assert said.stamps.of("reply_end")[0]["plays_s"] == pytest.approx(2 - 19 * spacing_s)


async def test_a_reply_stops_between_two_deltas(autojump_clock):
    said = Said(VoiceOptions(mode="paced", reply_s=2))
    async with trio.open_nursery() as nursery:

        async def stop_later():
            await trio.sleep(0.55)
            said.stop.set()

        nursery.start_soon(stop_later)
        playback = await said.send()
    assert (playback.sent, playback.sent_s) == (6, pytest.approx(0.6))
    assert len(playback.words) < len(clip_text("agent-reply-1"))


async def test_what_is_heard_ends_with_what_was_sent_or_when_told(autojump_clock):
    playback = await Said(VoiceOptions(reply_s=2)).send()
    began = playback.began
    assert [playback.heard_s(began + after) for after in (-1, 0.5, 9)] == [0, pytest.approx(0.5), pytest.approx(2)]
    playback.silence(began + 0.7)
    playback.silence(began + 1.5)
    assert playback.heard_s(began + 9) == pytest.approx(0.7)
    assert not await playback.hear_out(trio.Event())
    assert trio.current_time() - began == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("arguments", "path", "headers", "status"),
    [
        (OPENAI, "/v1/realtime?model=x", {"Authorization": "Bearer reference-key"}, None),
        (OPENAI, "/v1/realtime", {"Authorization": "Bearer other"}, 401),
        (OPENAI, "/v1/realtime", {}, 401),
        (OPENAI, "/v1/else", {"Authorization": "Bearer reference-key"}, 404),
        (GEMINI, GEMINI_PATH, {"x-goog-api-key": "reference-key"}, None),
        (GEMINI, GEMINI_PATH + "?key=reference-key", {}, None),
        (GEMINI, "/", {"x-goog-api-key": "reference-key"}, 404),
    ],
)
async def test_who_is_let_in(agent_here, arguments, path, headers, status):
    async with agent_here(*arguments) as agent:
        url = agent.process.endpoint.replace("/v1/realtime", "") + path
        try:
            async with agent.call(url, {**headers, "X-Simulation-Id": "sim-1"}):
                answered = None
        except Refused as refused:
            answered = refused.status
    assert answered == status
    if status is None:
        assert agent.stamped("accepted")[0]["simulation_output_id"] == "sim-1"
    else:
        assert agent.stamped("rejected")[0]["status"] == status


@pytest.mark.parametrize(
    ("arguments", "key"), [(OPENAI, "openai_realtime_api_key"), (GEMINI, "gemini_realtime_api_key")]
)
async def test_the_agent_file_opens_the_gate(agent_here, arguments, key):
    async with agent_here(*arguments, "--tool-rounds=1") as agent:
        assert agent.metadata[key] == "reference-key"
        assert agent.metadata["custom_headers"] == {"X-Simulation-Id": "{{simulation_output_id}}"}
        folder = agent.process.agent_file.parent
        plan = (folder / "plan.yaml").read_text()
        assert (folder / "clips" / "pizza-order.flac").exists()
    assert "audio: clips/pizza-order.flac" in plan
    assert "tool: lookup_order" in plan
