import os
from collections import Counter
from itertools import pairwise

import attrs
import pytest
import trio
from trio.testing import MockClock

from coval_load.engine.metronome import FRAME_S, Metronome

DEEP = os.environ.get("HYPOTHESIS_PROFILE") == "deep"


@attrs.define(eq=False)
class Voice:
    """Keeps when it was asked, and what else it was told."""

    due: list = attrs.field(factory=list)
    skipped: list = attrs.field(factory=list)
    faults: list = attrs.field(factory=list)
    sends: bool = True
    then: object = None

    def frame_due(self, due):
        self.due.append(due)
        if self.then is not None:
            self.then(self)
        return self.sends

    def frame_skipped(self, due):
        self.skipped.append(due)

    def broke(self, error):
        self.faults.append(error)


def keep_time(script):
    """Runs `script(metronome, clock)` in virtual time; returns how late each frame was."""
    clock = MockClock(autojump_threshold=0)
    lateness = []

    async def main():
        async with trio.open_nursery() as nursery:
            metronome = Metronome(lateness.extend)
            nursery.start_soon(metronome.run)
            await script(metronome, clock)
            nursery.cancel_scope.cancel()

    trio.run(main, clock=clock)
    return lateness


def test_frames_do_not_drift():
    """An hour of them in the deep profile; ten minutes show what is off by a millionth of a frame just as well."""
    voice = Voice()
    frames = 180_000 if DEEP else 30_000

    async def script(metronome, clock):
        first = metronome.join(voice)
        await trio.sleep_until(first + frames * FRAME_S - 0.001)
        assert len(voice.due) == frames
        for number in (0, 1, frames // 2, frames - 1):
            assert voice.due[number] == pytest.approx(first + number * FRAME_S, abs=1e-6)
        assert metronome.frames_sent == frames

    assert max(keep_time(script)) < 1e-6


@pytest.mark.parametrize("wait_s", [0.0, 0.0101, 1.33333])
def test_the_first_frame_is_due_when_it_was_said_to_be(wait_s):
    async def script(metronome, clock):
        for _ in range(25):
            await trio.sleep(wait_s)
            voice = Voice()
            now = trio.current_time()
            first = metronome.join(voice)
            assert now < first <= now + 2 * FRAME_S
            await trio.sleep_until(first + 0.0005)
            assert voice.due == [pytest.approx(first)]

    keep_time(script)


def test_the_first_frame_is_not_lost_where_the_loop_is_late():
    """Between the moment of joining and that in which the metronome wakes, the generator stands still."""
    voice = Voice()

    async def script(metronome, clock):
        await trio.sleep(1)
        first = metronome.join(voice)
        clock.jump(0.055)
        await trio.sleep_until(first + 0.1)
        assert voice.due[:2] == [pytest.approx(first), pytest.approx(first + FRAME_S)]
        assert voice.skipped == []

    assert 0.03 < max(keep_time(script)) < 0.055


def test_who_joins_a_late_metronome_is_not_asked_for_what_was_before():
    """The generator stood still for 0.1 s, and the caller wakes before the metronome does."""
    early, late = Voice(), [Voice() for _ in range(25)]

    async def script(metronome, clock):
        metronome.join(early)
        await trio.sleep(0.0501)
        clock.jump(0.1)
        firsts = [metronome.join(voice) for voice in late]
        await trio.sleep(0.1)
        assert len(early.due) >= 10
        for voice, first in zip(late, firsts, strict=True):
            assert voice.due[0] == pytest.approx(first)
            assert first > 0.15

    keep_time(script)


def test_joined_before_it_keeps_time():
    voice = Voice()

    async def main():
        metronome = Metronome(lambda late: None)
        await trio.sleep(5)
        first = metronome.join(voice)
        with trio.move_on_after(0.1):
            await metronome.run()
        assert voice.due[0] == first
        assert len(voice.due) in (4, 5)
        assert voice.skipped == []

    trio.run(main, clock=MockClock(autojump_threshold=0))


def test_speakers_are_spread_over_the_frame():
    voices = [Voice() for _ in range(45)]

    async def script(metronome, clock):
        firsts = [metronome.join(voice) for voice in voices]
        slots = Counter(round(first / 0.001) % 20 for first in firsts)
        assert len(slots) == 20
        assert max(slots.values()) - min(slots.values()) == 1
        for voice in voices[:20]:
            metronome.leave(voice)
        again = Counter(round(metronome.join(Voice()) / 0.001) % 20 for _ in range(20))
        assert max((slots + again).values()) <= 6
        await trio.sleep(1.0201)
        assert {len(voice.due) for voice in voices[20:]} <= {50, 51}
        assert {len(voice.due) for voice in voices[:20]} == {0}

    keep_time(script)


def test_some_come_and_some_go():
    early, late = Voice(), Voice()

    async def script(metronome, clock):
        metronome.join(early)
        await trio.sleep(0.11)
        metronome.join(late)
        await trio.sleep(0.1)
        assert len(late.due) == 5
        metronome.leave(early)
        metronome.leave(early)
        said = len(early.due)
        await trio.sleep(0.1)
        assert (len(early.due), len(late.due)) == (said, 10)
        gaps = [b - a for a, b in pairwise(late.due)]
        assert gaps == [pytest.approx(FRAME_S)] * len(gaps)

    keep_time(script)


def test_who_leaves_in_its_own_frame_is_asked_no_more():
    async def script(metronome, clock):
        once = Voice(then=metronome.leave)
        metronome.join(once)
        await trio.sleep(1)
        assert len(once.due) == 1

    keep_time(script)


def test_a_speaker_that_raises_is_told_and_the_others_go_on():
    def fail(voice):
        raise ValueError("hoarse")

    async def script(metronome, clock):
        hoarse, *others = [Voice(then=fail), *[Voice() for _ in range(40)]]
        for voice in (hoarse, *others):
            metronome.join(voice)
        await trio.sleep(1.0201)
        assert [str(error) for error in hoarse.faults] == ["hoarse"]
        assert len(hoarse.due) == 1
        assert {len(voice.due) for voice in others} <= {50, 51}
        assert metronome.frames_sent == sum(len(voice.due) for voice in others)

    keep_time(script)


def test_who_sends_nothing_is_not_counted():
    async def script(metronome, clock):
        metronome.join(Voice(sends=False))
        await trio.sleep(1)
        assert metronome.frames_sent == 0

    assert keep_time(script) == []


def test_a_loop_that_was_blocked_is_seen_and_made_up_for():
    voice = Voice()

    async def script(metronome, clock):
        voice.then = lambda voice: clock.jump(0.1) if len(voice.due) == 3 else None
        first = metronome.join(voice)
        await trio.sleep_until(first + 0.3)
        assert voice.due == [pytest.approx(first + number * FRAME_S) for number in range(len(voice.due))]
        assert voice.skipped == []

    lateness = keep_time(script)
    assert lateness[:2] == [pytest.approx(0, abs=1e-6)] * 2
    assert lateness[2:8] == [pytest.approx(late, abs=1e-6) for late in (0.1, 0.08, 0.06, 0.04, 0.02, 0.0)]
    assert max(lateness[8:]) < 1e-6


def test_frames_later_than_a_second_are_left_out():
    voice, other = Voice(), Voice()

    async def script(metronome, clock):
        voice.then = lambda voice: clock.jump(3.0) if len(voice.due) == 3 else None
        first = metronome.join(voice)
        metronome.join(other)
        await trio.sleep_until(first + 5)
        both = sorted(voice.due + voice.skipped)
        assert both == [pytest.approx(first + number * FRAME_S) for number in range(len(both))]
        assert len(both) in (250, 251)
        assert len(voice.skipped) == pytest.approx(100, abs=1)
        assert metronome.frames_skipped == len(voice.skipped) + len(other.skipped)

    lateness = keep_time(script)
    assert sorted(lateness)[-2] <= 1.0


def test_a_speaker_that_can_not_skip_is_told_too():
    class Stubborn(Voice):
        def frame_skipped(self, due):
            raise ValueError("never")

    stubborn, other = Stubborn(), Voice()

    async def script(metronome, clock):
        stubborn.then = lambda voice: clock.jump(3.0) if len(voice.due) == 3 else None
        metronome.join(stubborn)
        metronome.join(other)
        await trio.sleep(5)
        assert [str(error) for error in stubborn.faults] == ["never"]
        said = len(other.due)
        await trio.sleep(1)
        assert len(other.due) == said + 50

    keep_time(script)


def test_it_sleeps_while_nobody_speaks():
    """Virtual time jumps only when every task waits, and each jump is one wake-up."""
    ticks = 0

    class Counting(trio.abc.Instrument):
        def before_task_step(self, task):
            nonlocal ticks
            ticks += "Metronome.run" in task.name

    async def script(metronome, clock):
        nonlocal ticks
        voice = Voice()
        metronome.join(voice)
        await trio.sleep(0.1)
        metronome.leave(voice)
        await trio.sleep(0.1)
        trio.lowlevel.add_instrument(Counting())
        await trio.sleep(1000)
        assert ticks == 0
        metronome.join(voice)
        await trio.sleep(1)
        assert 50 <= ticks <= 55

    keep_time(script)


@attrs.define
class Reader:
    """What lends its work to a metronome that is awake anyway."""

    drained: int = 0
    lent: bool = False

    def lend(self):
        self.lent = True
        return True

    def take_back(self):
        self.lent = False

    def drain(self):
        self.drained += 1


def test_a_crowd_makes_it_read_each_millisecond():
    reader = Reader()

    async def script(metronome, clock):
        metronome.reader = reader
        voices = [Voice() for _ in range(60)]
        for voice in voices[:59]:
            metronome.join(voice)
        await trio.sleep(0.1)
        assert (reader.lent, reader.drained) == (False, 0)
        metronome.join(voices[59])
        await trio.sleep(0.1)
        assert reader.lent
        assert reader.drained == pytest.approx(100, abs=2)
        for voice in voices[:40]:
            metronome.leave(voice)
        assert not reader.lent
        drained = reader.drained
        await trio.sleep(0.1)
        assert reader.drained <= drained + 1
        assert {len(voice.due) for voice in voices[40:59]} <= {14, 15, 16}

    keep_time(script)
