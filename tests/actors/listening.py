"""What tests of the listener do to it: sound, silence, messages at their time."""

import pytest
import trio

from coval_load.actors.listener import Listener
from coval_load.codecs.audio.onset import LoudnessMeter
from coval_load.engine.doorbell import Doorbell
from coval_load.engine.outcome import ErrorKind, SimulationFailed

RATE_HZ = 8000
SAMPLE_S = 1 / RATE_HZ
FRAME_S = 0.02
HUNG_UP = SimulationFailed(ErrorKind.CONNECTION_CLOSED, "the agent hung up")
GARBAGE = SimulationFailed(ErrorKind.INVALID_MESSAGE, "not base64")


def loud(seconds):
    return b"\x00\x20" * round(seconds * RATE_HZ)


def quiet(seconds):
    return b"\x00\x00" * round(seconds * RATE_HZ)


class CountingBell:
    def __init__(self):
        self.bell = Doorbell()
        self.waits = 0

    def ring(self):
        self.bell.ring()

    async def until(self, condition, deadline):
        self.waits += 1
        return await self.bell.until(condition, deadline)


def listen(paced=True, bell=None, **options):
    loudness = LoudnessMeter(RATE_HZ)
    return Listener(rate_hz=RATE_HZ, paced=paced, loudness=loudness, bell=bell or Doorbell(), **options)


async def at(time, act, *arguments):
    await trio.sleep_until(time)
    act(*arguments)


def hear(ears, pcm):
    ears.audio_received(pcm, trio.current_time())


async def stream(ears, start, pcm):
    """Frame by frame at real time."""
    size = 2 * round(FRAME_S * RATE_HZ)
    for number in range(-(-len(pcm) // size)):
        await trio.sleep_until(start + number * FRAME_S)
        hear(ears, pcm[number * size : (number + 1) * size])


async def replied(ears, *happenings, anchor=0.0, deadline_s=30.0, call_at=None, hearing=None):
    """The reply, and when `hear_reply` returned, while `happenings` went on."""
    async with trio.open_nursery() as nursery:
        for happening in happenings:
            nursery.start_soon(happening)
        await trio.sleep_until(anchor if call_at is None else call_at)
        reply = await (hearing or ears.hear_reply)(anchor, deadline_s)
        returned_at = trio.current_time()
        nursery.cancel_scope.cancel()
    return reply, returned_at


def close_to(seconds, within_s=1e-6):
    return pytest.approx(seconds, abs=within_s)
