"""The alarm clock, and the doorbell that it rings: both in virtual time."""

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from coval_load.engine.alarm_clock import alarm_clock
from coval_load.engine.doorbell import Doorbell

TIMES = st.integers(0, 12).map(float)


def virtually(main):
    return trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


@given(st.lists(st.tuples(TIMES, TIMES), max_size=8))
def test_each_call_comes_at_its_time(asked):
    called = []

    async def main():
        begin = trio.current_time()
        for number, (when, at) in sorted(enumerate(asked), key=lambda one: one[1][0]):
            await trio.sleep_until(begin + when)
            wake = lambda number=number: called.append((number, trio.current_time() - begin))  # noqa: E731
            alarm_clock().call(wake, begin + at)
        await trio.sleep_until(begin + 20)

    virtually(main)
    assert sorted(called) == [(number, pytest.approx(max(when, at))) for number, (when, at) in enumerate(asked)]
    assert [at for _, at in called] == sorted(at for _, at in called)


@given(st.lists(st.tuples(TIMES, TIMES, st.none() | TIMES), max_size=8))
def test_what_was_dropped_in_time_is_not_called(asked):
    called = []

    async def main():
        begin, clock = trio.current_time(), alarm_clock()

        async def ask(number, when, at, dropped):
            await trio.sleep_until(begin + when)
            alarm = clock.call(lambda: called.append(number), begin + at)
            if dropped is not None:
                await trio.sleep_until(begin + max(when, dropped) + 0.5)
                clock.drop(alarm)
                clock.drop(alarm)

        async with trio.open_nursery() as nursery:
            for number, one in enumerate(asked):
                nursery.start_soon(ask, number, *one)
        await trio.sleep_until(begin + 20)
        assert not clock._due
        assert clock._dropped == 0

    virtually(main)
    in_time = [
        number for number, (when, at, dropped) in enumerate(asked) if dropped is None or at <= max(when, dropped)
    ]
    assert sorted(called) == in_time


def test_bells_that_nobody_needs_are_not_kept_until_they_would_ring():
    async def main():
        clock = alarm_clock()
        for _ in range(1000):
            bell, rung = Doorbell(), []
            async with trio.open_nursery() as nursery:
                nursery.start_soon(bell.until, lambda rung=rung: rung, trio.current_time() + 30)
                await trio.testing.wait_all_tasks_blocked()
                rung.append(True)
                bell.ring()
            assert len(clock._due) < 200
            bell.let_go()
        assert not await bell.until(lambda: False, trio.current_time() + 30)

    virtually(main)


def test_there_is_one_for_each_run():
    async def main():
        assert alarm_clock() is alarm_clock()
        return alarm_clock()

    assert virtually(main) is not virtually(main)


@given(st.lists(TIMES, max_size=4), st.lists(st.tuples(TIMES, TIMES), min_size=1, max_size=4))
def test_whoever_waits_is_woken_by_a_ring_or_the_deadline(rings, waits):
    async def main():
        bell, rung, begin = Doorbell(), [], trio.current_time()

        async def ring_at(at):
            await trio.sleep_until(begin + at)
            rung.append(at)
            bell.ring()

        async def wait(wanted, deadline):
            """For so many rings, until the deadline."""
            came = await bell.until(lambda: len(rung) >= wanted, begin + deadline + 0.5)
            times = sorted(rings)[wanted - 1 : wanted] if wanted else [0.0]
            assert came == bool(times and times[0] <= deadline)
            assert trio.current_time() - begin == pytest.approx(times[0] if came else deadline + 0.5)

        async with trio.open_nursery() as nursery:
            for at in rings:
                nursery.start_soon(ring_at, at)
            for wanted, deadline in waits:
                nursery.start_soon(wait, int(wanted), deadline)

    virtually(main)


def test_a_deadline_that_has_passed_lets_others_have_their_turn():
    async def main():
        ran = []

        async def other():
            ran.append(True)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(other)
            for _ in range(3):
                assert not await Doorbell().until(lambda: False, trio.current_time())
            assert ran

    virtually(main)


def test_an_earlier_deadline_comes_before_a_later_one_that_was_set_first():
    async def main():
        bell, begin = Doorbell(), trio.current_time()
        with trio.move_on_after(0):
            await bell.until(lambda: False, begin + 30)
        assert not await bell.until(lambda: False, begin + 1)
        assert trio.current_time() - begin == pytest.approx(1)
        assert not await bell.until(lambda: False, begin + 40)
        assert trio.current_time() - begin == pytest.approx(40)

    virtually(main)
