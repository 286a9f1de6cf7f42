import json
from types import SimpleNamespace

import attrs
import numpy as np
import pybase64
import pytest
import trio
from trio.testing import MockClock

from coval_load.actors.clips import prepare, silence
from coval_load.actors.pacer import Pacer
from coval_load.codecs.audio.files import Clip
from coval_load.codecs.dialects.interface import Outgoing, VoiceDialect
from coval_load.codecs.dialects.websocket_voice import WebSocketVoiceFormat
from coval_load.engine.doorbell import Doorbell
from coval_load.engine.metronome import FRAME_S, Metronome

RATE_HZ = 16_000
OWN_STREAM = '{"stream":"{{stream_sid}}","data":"{{audio_data}}"}'


@attrs.define
class Link:
    """Keeps what is sent, and when."""

    sent: list = attrs.field(factory=list)
    faults: list = attrs.field(factory=list)
    then: object = None

    def send_nowait(self, payload, is_text):
        assert is_text
        self.sent.append((trio.current_time(), json.loads(payload)))
        if self.then is not None:
            self.then(len(self.sent))

    def broke(self, error):
        self.faults.append(error)

    @property
    def loud(self):
        """When each frame that is no silence was sent."""
        return [at for at, message in self.sent if any(pybase64.b64decode(message["data"]))]


def clip_of(form, seconds, silence_s=0.0):
    """Silence, a tone of half of full scale, silence."""
    quiet = np.zeros(round(silence_s * RATE_HZ), np.float32)
    tone = np.full(round(seconds * RATE_HZ), 0.5, np.float32)
    return prepare(Clip(np.concatenate([quiet, tone, quiet]), RATE_HZ), form)


def talk(script, *, template=None, send_silence=True):
    """Runs `script(pacer, link, clock, form)` in virtual time."""
    clock = MockClock(autojump_threshold=0)

    async def main():
        form = WebSocketVoiceFormat(**({"send_audio_template": template} if template else {}))
        link, metronome = Link(), Metronome(lambda late: None)
        dialect = form.open({"stream_sid": "MZ1"})
        pacer = Pacer(link, dialect, metronome, Doorbell(), silence(form), send_silence)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(metronome.run)
            pacer.start()
            await script(pacer, link, clock, form)
            pacer.stop()
            nursery.cancel_scope.cancel()

    trio.run(main, clock=clock)


@pytest.mark.parametrize("template", [None, OWN_STREAM])
@pytest.mark.parametrize("wait_s", [0.0, 0.5, 0.517])
def test_what_is_said_is_sent_when_it_was_said_to_be(template, wait_s):
    async def script(pacer, link, clock, form):
        await trio.sleep(wait_s)
        clip = clip_of(form, 0.1, silence_s=0.05)
        assert clip.are_messages is (template is None)
        before = trio.current_time()
        speech = pacer.speak(clip)
        assert before <= speech.start_at <= before + 2 * FRAME_S
        assert pacer.speaking
        assert await pacer.bell.until(lambda: not pacer.speaking, before + 10)
        assert trio.current_time() == pytest.approx(speech.end_at - FRAME_S)
        await trio.sleep(0.1)
        spoken = [at for at, _ in link.sent if speech.start_at - 1e-6 < at < speech.end_at - 1e-6]
        assert len(spoken) == len(clip.bodies) == 10
        assert spoken[0] == pytest.approx(speech.start_at)
        assert link.loud[0] <= speech.first_audible_at < link.loud[0] + FRAME_S
        assert link.loud[-1] <= speech.last_audible_at < link.loud[-1] + FRAME_S
        assert speech.first_audible_at == pytest.approx(speech.start_at + 0.05, abs=0.001)
        assert speech.last_audible_at == pytest.approx(speech.start_at + 0.15, abs=0.001)
        sent_at = [at for at, _ in link.sent]
        assert np.diff(sent_at) == pytest.approx(FRAME_S)
        assert pacer.frames_sent == len(sent_at)
        if template:
            assert {message["stream"] for _, message in link.sent} == {"MZ1"}

    talk(script, template=template)


def test_a_frame_every_20_ms_whatever_is_said():
    async def script(pacer, link, clock, form):
        await trio.sleep(1)
        for _ in range(3):
            pacer.speak(clip_of(form, 0.3))
            await trio.sleep(1)
        assert len(link.sent) == pytest.approx(200, abs=1)
        assert len(link.loud) == 45
        assert {len(pybase64.b64decode(message["data"])) for _, message in link.sent} == {640}

    talk(script)


def test_no_silence_is_sent_where_none_is_wanted():
    async def script(pacer, link, clock, form):
        await trio.sleep(0.5)
        assert link.sent == []
        speech = pacer.speak(clip_of(form, 0.1))
        await trio.sleep(1)
        assert len(link.sent) == len(link.loud) == 5
        assert link.sent[0][0] == pytest.approx(speech.start_at)
        assert pacer.frames_sent == 5

    talk(script, send_silence=False)


def test_what_is_said_anew_takes_the_place_of_what_was_said():
    async def script(pacer, link, clock, form):
        pacer.speak(clip_of(form, 10))
        await trio.sleep(0.2)
        speech = pacer.speak(clip_of(form, 0.1))
        await trio.sleep(1)
        assert link.loud[-1] == pytest.approx(speech.end_at - FRAME_S)

    talk(script)


def test_frames_that_are_left_out_do_not_shift_the_others():
    async def script(pacer, link, clock, form):
        await trio.sleep(0.1)
        speech = pacer.speak(clip_of(form, 5))
        started = len(link.sent)
        link.then = lambda number: clock.jump(3) if number == started + 10 else None
        assert await pacer.bell.until(lambda: not pacer.speaking, speech.end_at + 1)
        assert trio.current_time() == pytest.approx(speech.end_at - FRAME_S)
        assert pacer.frames_skipped == pytest.approx(100, abs=1)
        assert len(link.loud) + pacer.frames_skipped == 250
        again = pacer.speak(clip_of(form, 0.1))
        assert again.start_at == pytest.approx(speech.end_at)

    talk(script)


def test_after_it_stopped_nothing_is_sent():
    async def script(pacer, link, clock, form):
        await trio.sleep(0.1)
        pacer.stop()
        sent = len(link.sent)
        await trio.sleep(1)
        assert len(link.sent) == sent > 0
        pacer.stop()

    talk(script)


def test_a_fault_in_sending_is_the_links():
    def fail(number):
        raise ValueError("no line")

    async def script(pacer, link, clock, form):
        link.then = fail
        await trio.sleep(1)
        assert [str(error) for error in link.faults] == ["no line"]
        assert len(link.sent) == 1

    talk(script)


class Bracketing(VoiceDialect):
    """Says where something said begins and ends."""

    frames_are_text = True

    def frame(self, body):
        return body

    def turn_started(self):
        return [Outgoing(b"<", is_text=True)]

    def turn_ended(self):
        return [Outgoing(b">", is_text=True)]


def test_what_a_dialect_sends_around_speech():
    sent = []
    link = SimpleNamespace(send_nowait=lambda payload, is_text: sent.append(payload.decode()))
    pacer = Pacer(link, Bracketing(), None, Doorbell(), b"0", send_silence=True)
    clip = SimpleNamespace(bodies=(b"1", b"2"), are_messages=True, first_audible_s=0.0, last_audible_s=0.03)

    def send(frames):
        sent.clear()
        for is_sent in frames:
            (pacer.frame_due if is_sent else pacer.frame_skipped)(0.0)
        return "".join(sent)

    for _ in range(2):
        pacer.speak(clip)
        assert send([True, True]) == "<12"
        assert send([True, True]) == ">00"  # its last frame is over when the next is due
    pacer.speak(clip)
    assert send([False, True, False]) == "<2>"
