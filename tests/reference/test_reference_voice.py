"""How the voice agent takes its turns, in virtual time, on a line that is two lists."""

import base64
import json

import numpy as np
import pytest
import trio
import trio_websocket
from reference_callers import KeptStamps, options_for, tone

from coval_load.reference.line import Line
from coval_load.reference.voice import VoiceAgent

FRAME_S = 0.02


class Wire:
    """Stands for a WebSocket connection: what arrives is fed in, what is sent is kept with its time."""

    def __init__(self):
        self.feed, self._fed = trio.open_memory_channel(float("inf"))
        self.sent = []

    async def get_message(self):
        try:
            return await self._fed.receive()
        except trio.EndOfChannel:
            raise trio_websocket.ConnectionClosed(trio_websocket.CloseReason(1000, None)) from None

    async def send_message(self, message):
        await trio.lowlevel.checkpoint()
        self.sent.append((trio.current_time(), message))

    def say(self, message):
        self.feed.send_nowait(json.dumps(message))

    def sound(self, pcm):
        self.say({"type": "audio_chunk", "data": base64.b64encode(pcm).decode()})

    async def stream(self, pcm):
        """Sends audio as a caller does, a frame every 20 ms."""
        step = 2 * round(16_000 * FRAME_S)
        for at in range(0, len(pcm), step):
            self.sound(pcm[at : at + step])
            await trio.sleep(FRAME_S)

    def audio(self):
        """When each audio message left, and what was in it."""
        return [(at, m) for at, m in self.sent if isinstance(m, bytes) or "audio_chunk" in m]


class Scene:
    """An agent with these arguments on a wire; `start` is when it began."""

    def __init__(self, *arguments):
        self.options, _ = options_for(*arguments)
        self.wire = Wire()
        self.stamps = KeptStamps()
        self.start = trio.current_time()

    async def play(self, script):
        """Runs `script(wire)` against the agent, then hangs up."""
        line = Line(self.wire, None, None, 0, self.stamps, frozenset(), self.options.seed)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(VoiceAgent(self.options).converse, line)
            await script(self.wire)
            self.wire.feed.close()

    def since_start(self, what):
        return [pytest.approx(at - self.start, abs=1e-6) for at in self.stamps.times(what)]


SILENCE = bytes(len(tone(0.5)))


async def one_turn(wire):
    await wire.stream(tone(0.5) + SILENCE * 2)
    await trio.sleep(10)


async def test_the_answer_comes_after_the_delay(autojump_clock):
    scene = Scene("--delay=600ms", "--end-silence=300ms")
    await scene.play(one_turn)
    (began,), (ended,), (replied,) = map(scene.stamps.times, ("heard_start", "heard_end", "reply_start"))
    assert began - scene.start == pytest.approx(0, abs=0.001)
    assert ended - scene.start == pytest.approx(0.5, abs=0.001)
    assert replied - ended == pytest.approx(0.6)
    assert scene.wire.audio()[0][0] == replied
    assert scene.stamps.story() == [
        ("ready", 0),
        ("heard_start", 1),
        ("heard_end", 1),
        ("reply_start", 1),
        ("reply_end", 1),
        ("closed", 1),
    ]


async def test_a_pause_within_a_turn_does_not_end_it(autojump_clock):
    async def pause(wire):
        await wire.stream(tone(0.3) + SILENCE[: 2 * 16_000 * 28 // 100] + tone(0.3) + SILENCE)
        await trio.sleep(5)

    scene = Scene("--end-silence=300ms")
    await scene.play(pause)
    assert len(scene.stamps.times("heard_end")) == 1
    assert scene.stamps.times("heard_end")[0] - scene.start == pytest.approx(0.88, abs=0.001)


async def test_a_caller_that_sends_no_silence_is_answered_too(autojump_clock):
    async def sound_only(wire):
        wire.sound(tone(0.4))
        await trio.sleep(5)

    scene = Scene("--delay=500ms")
    await scene.play(sound_only)
    assert scene.stamps.times("reply_start")[0] - scene.start == pytest.approx(0.9, abs=0.001)


@pytest.mark.parametrize(
    ("mode", "lasts_s"), [("burst", 0), ("fast", 1.9 / 4), ("paced", 1.98)], ids=["burst", "fast", "paced"]
)
async def test_how_fast_a_reply_is_sent(autojump_clock, mode, lasts_s):
    scene = Scene(f"--mode={mode}", "--speed=4", "--reply-seconds=2")
    await scene.play(one_turn)
    times = [at for at, _ in scene.wire.audio()]
    assert times[-1] - times[0] == pytest.approx(lasts_s)
    assert np.diff(times) == pytest.approx(lasts_s / (len(times) - 1))
    assert scene.stamps.times("reply_end") == [times[-1]]


@pytest.mark.parametrize("yields", [True, False])
async def test_a_caller_speaks_over_the_agent(autojump_clock, yields):
    async def interrupt(wire):
        await wire.stream(tone(0.5))
        await trio.sleep(0.6 + 1)
        await wire.stream(tone(0.2))
        await trio.sleep(20)

    scene = Scene("--mode=paced", "--reply-seconds=3", "--yields" if yields else "--ignores-barge-in")
    await scene.play(interrupt)
    (heard,) = scene.stamps.times("barge_in_heard")
    ended, again = scene.stamps.times("reply_end")
    assert heard - scene.start == pytest.approx(2.1, abs=0.001)
    assert (ended - heard < FRAME_S) == yields
    said = [stamp["audio_s"] for stamp in scene.stamps.all if stamp["what"] == "reply_end"]
    assert said == pytest.approx([1.0 if yields else 3.0, 3.0], abs=0.03)
    assert again > ended


async def test_a_burst_is_spoken_over_while_it_still_plays(autojump_clock):
    async def interrupt(wire):
        await wire.stream(tone(0.5))
        await trio.sleep(0.6 + 1)
        await wire.stream(tone(0.2))
        await trio.sleep(0.6 + 5)
        await wire.stream(tone(0.2))

    scene = Scene("--mode=burst", "--reply-seconds=3")
    await scene.play(interrupt)
    assert len(scene.stamps.times("barge_in_heard")) == 1
    assert len(scene.stamps.times("heard_start")) == 3


async def test_a_caller_goes_on_before_the_answer(autojump_clock):
    async def hesitate(wire):
        await wire.stream(tone(0.2) + SILENCE[: 2 * 16_000 * 4 // 10] + tone(0.2))
        await trio.sleep(5)

    scene = Scene("--delay=1s", "--end-silence=300ms")
    await scene.play(hesitate)
    assert [s["turn"] for s in scene.stamps.all if s["what"] == "reply_start"] == [2]
    assert scene.since_start("reply_start") == [0.8 + 1]


async def test_the_spread_is_the_same_for_the_same_seed(autojump_clock):
    latencies = []
    for seed in (1, 1, 2):
        scene = Scene("--delay=600ms", "--spread=200ms", f"--seed={seed}")
        await scene.play(one_turn)
        latencies.append(scene.stamps.times("reply_start")[0] - scene.stamps.times("heard_end")[0])
    assert latencies[0] == pytest.approx(latencies[1]) != pytest.approx(latencies[2])
    assert all(0.4 <= latency <= 0.8 for latency in latencies)


async def test_leading_silence_comes_before_the_first_sound(autojump_clock):
    scene = Scene("--leading-silence=250ms", "--mode=paced", "--reply-seconds=0.5")
    await scene.play(one_turn)
    assert scene.stamps.times("reply_start") == [scene.wire.audio()[12][0]]
    pcm = b"".join(base64.b64decode(json.loads(m)["data"]) for _, m in scene.wire.audio())
    samples = np.frombuffer(pcm, "<i2")
    assert np.flatnonzero(samples)[0] == 0.25 * 24_000
    assert len(samples) == 0.75 * 24_000


async def test_a_greeting_comes_before_all_turns(autojump_clock):
    async def wait(wire):
        await trio.sleep(1)

    scene = Scene("--greeting")
    await scene.play(wait)
    assert scene.stamps.story() == [("ready", 0), ("reply_start", 0), ("reply_end", 0), ("closed", 0)]


async def test_both_speak_first(autojump_clock):
    scene = Scene("--greeting")
    await scene.play(one_turn)
    assert [s["turn"] for s in scene.stamps.all if s["what"] == "reply_start"] == [0, 1]


async def test_digits_and_images_are_answered_like_a_turn(autojump_clock):
    async def press(wire):
        wire.say({"type": "dtmf", "digit": "1"})
        await trio.sleep(0.2)
        wire.say({"type": "dtmf", "digit": "#"})
        await trio.sleep(5)
        wire.say({"type": "media", "name": "menu.png", "mime_type": "image/png", "data": "AAAA"})
        await trio.sleep(5)

    scene = Scene("--delay=600ms", "--end-silence=300ms")
    await scene.play(press)
    assert scene.since_start("reply_start") == [0.2 + 0.6, 5.2 + 0.6]
    assert [s["kind"] for s in scene.stamps.all if s["what"] == "message_in"] == ["dtmf", "dtmf", "media"]


async def test_events_come_once_a_turn(autojump_clock):
    scene = Scene("--events")
    await scene.play(one_turn)
    kinds = [json.loads(message)["type"] for _, message in scene.wire.sent]
    assert kinds.count("cart_update") == 1


async def test_echo(autojump_clock):
    async def echoed(wire):
        wire.say({"type": "start"})
        wire.sound(tone(0.02))
        wire.feed.send_nowait(tone(0.02))
        await trio.sleep(1)

    scene = Scene("--echo")
    await scene.play(echoed)
    said, raw = (message for _, message in scene.wire.audio())
    assert base64.b64decode(json.loads(said)["data"]) == raw == tone(0.02)


async def test_what_can_not_be_read_is_stamped_and_borne(autojump_clock):
    async def babble(wire):
        wire.feed.send_nowait("{")
        wire.say({"type": "audio_chunk", "data": "***"})
        wire.say({"type": "audio_chunk"})
        wire.say([1])
        wire.feed.send_nowait(b"\x01")
        await one_turn(wire)

    scene = Scene()
    await scene.play(babble)
    assert len(scene.stamps.times("unreadable")) == 3
    assert len(scene.stamps.times("reply_start")) == 1


async def test_binary_audio_both_ways(autojump_clock):
    async def speak(wire):
        wire.feed.send_nowait(tone(0.3))
        await trio.sleep(5)

    scene = Scene("--binary", "--reply-seconds=1")
    await scene.play(speak)
    assert sum(len(message) for _, message in scene.wire.audio()) == 2 * 24_000
    assert all(isinstance(message, bytes) for _, message in scene.wire.audio())
