"""Turns lie in a recording where the transcript has them, whatever the agent's rate, messages and timing."""

import wave
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import attrs
import numpy as np
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from coval_load.actors.persona import Persona, TestCase
from coval_load.actors.stereo_recording import StereoRecording
from coval_load.actors.voice import VoiceConversation
from coval_load.codecs.dialects.websocket_voice import WebSocketVoiceFormat
from coval_load.codecs.events import AudioReceived
from coval_load.engine.doorbell import Doorbell

RATE_HZ = 16_000
WITHIN_S = 0.02
LOUD = 1000
STARTED_AT = 3.0


@attrs.frozen
class Spoken:
    """A turn: its length, what one message holds, how fast it is sent, how late each message is at most."""

    seconds: float
    message_s: float
    speed: float
    lateness_s: list
    after_s: float


turns = st.builds(
    Spoken,
    seconds=st.sampled_from([0.06, 0.2, 0.51, 1.0, 3.3]),
    message_s=st.sampled_from([0.01, 0.02, 0.033, 0.1, 0.4, 1.0]),
    speed=st.sampled_from([1.0, 1.02, 0.98, 3.0, 1000.0]),
    lateness_s=st.lists(st.sampled_from([0.0, 0.0, 0.001, 0.004, 0.007, 0.03, 0.2]), min_size=1, max_size=12),
    after_s=st.sampled_from([1.0, 1.5, 4.0]),
)


def tone(seconds, rate_hz, level=8000):
    at = np.arange(round(seconds * rate_hz))
    return (level * np.cos(2 * np.pi * 440 * at / rate_hz)).astype("<i2").tobytes()


async def hold(conversation, spoken):
    """Every turn once the one before has been heard out; returns when the agent was heard to speak."""
    quiet_at, rate_hz = trio.current_time(), conversation.form.receive_rate_hz
    for turn in spoken:
        begins_at = due = max(quiet_at, trio.current_time()) + turn.after_s
        step = 2 * round(turn.message_s * rate_hz)
        pcm = tone(-(-turn.seconds // turn.message_s) * turn.message_s, rate_hz)
        pcm += pcm[: -len(pcm) % step]  # no last message of a few samples, too short to be judged
        for number, at in enumerate(range(0, len(pcm), step)):
            due = max(due, begins_at + number * turn.message_s / turn.speed)
            await trio.sleep_until(due + turn.lateness_s[number % len(turn.lateness_s)])
            conversation.hear(AudioReceived(pcm[at : at + step]), trio.current_time())
        quiet_at = max(quiet_at, trio.current_time(), begins_at) + len(pcm) / 2 / rate_hz + 0.1
    await trio.sleep_until(quiet_at + 1)
    return [(it.onset_at, it.last_audible_at) for it in conversation._agent.listener.heard()]


def record(path, spoken, *, rate_hz, paced):
    """When the agent was heard to speak by the listener, and in the recording."""

    async def talk():
        await trio.sleep_until(STARTED_AT)
        with ThreadPoolExecutor(1) as writer:
            recording = StereoRecording(path, STARTED_AT, writer)
            simulation = SimpleNamespace(bell=Doorbell(), hearsay=SimpleNamespace(explain=str))
            form = WebSocketVoiceFormat(receive_sample_rate_hertz=rate_hz, pace_inbound_binary_audio=paced)
            conversation = VoiceConversation(simulation, form, Persona("one"), TestCase("one", ()), b"", recording)
            heard = await hold(conversation, spoken)
            recording.close(trio.current_time())
        return heard

    heard = trio.run(talk, clock=MockClock(autojump_threshold=0))
    return heard, [(start + STARTED_AT, end + STARTED_AT) for start, end in loud(read(path)[:, 1])]


def read(path):
    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2).astype(int)


def loud(samples, quiet_s=0.7):
    """Start and end in seconds of each stretch of sound."""
    at = np.flatnonzero(np.abs(samples) > LOUD)
    breaks = np.flatnonzero(np.diff(at) > quiet_s * RATE_HZ)
    return [(part[0] / RATE_HZ, (part[-1] + 1) / RATE_HZ) for part in np.split(at, breaks + 1)]


@given(
    spoken=st.lists(turns, min_size=1, max_size=4),
    rate_hz=st.sampled_from([8000, 16_000, 24_000, 48_000]),
    paced=st.booleans(),
)
def test_every_turn_of_the_agent_lies_where_it_was_heard(tmp_path_factory, spoken, rate_hz, paced):
    path = tmp_path_factory.getbasetemp() / "aligned.wav"
    heard, recorded = record(path, spoken, rate_hz=rate_hz, paced=paced)
    assert len(heard) == len(recorded)
    assert np.abs(np.array(heard) - np.array(recorded)).max() <= WITHIN_S
