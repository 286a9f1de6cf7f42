import math

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from coval_load.engine.virtual_time import StuckError, VirtualClock, run_in_virtual_time

YEAR_S = 365 * 24 * 3600.0


def test_the_clock_jumps_to_what_is_due():
    async def main(clock):
        await trio.sleep(YEAR_S)
        assert trio.current_time() == clock.current_time() == YEAR_S
        with trio.move_on_after(5) as scope:
            await trio.sleep_forever()
        assert scope.cancelled_caught
        return trio.current_time()

    assert run_in_virtual_time(main) == YEAR_S + 5


def test_time_stands_still_while_a_task_can_run():
    async def main(_):
        for _ in range(100):
            await trio.lowlevel.checkpoint()
        return trio.current_time()

    assert run_in_virtual_time(main) == 0.0


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1000)), min_size=1, max_size=20))
def test_both_ways_to_sleep_wake_when_they_are_due_and_in_order(sleeps):
    async def main(clock):
        woken = []

        async def one(cheaply, seconds):
            await (clock.sleep if cheaply else trio.sleep)(seconds)
            woken.append((seconds, trio.current_time()))

        async with trio.open_nursery() as nursery:
            for cheaply, seconds in sleeps:
                nursery.start_soon(one, cheaply, seconds)
        return woken

    woken = run_in_virtual_time(main)
    assert len(woken) == len(sleeps)
    assert [at for _, at in woken] == sorted(seconds for _, seconds in sleeps)
    assert all(seconds == at for seconds, at in woken)


def test_a_sleeper_is_cancelled_by_a_deadline_before_it():
    async def main(clock):
        with trio.move_on_after(3) as scope:
            await clock.sleep(10)
        assert scope.cancelled_caught
        assert trio.current_time() == 3
        await clock.sleep(1)
        assert trio.current_time() == 4  # and what it waited for is forgotten
        await clock.sleep(20)
        return trio.current_time()

    assert run_in_virtual_time(main) == 24


def test_a_deadline_after_a_sleeper_is_left_alone():
    async def main(clock):
        with trio.move_on_after(10) as scope:
            await clock.sleep(3)
        return scope.cancelled_caught, trio.current_time()

    assert run_in_virtual_time(main) == (False, 3.0)


def test_waiting_for_what_never_comes_is_an_error():
    async def main(_):
        try:
            await trio.Event().wait()
        finally:
            cleaned.append(trio.current_time())

    cleaned = []
    with pytest.raises(StuckError, match="expected something to be due"):
        run_in_virtual_time(main)
    assert cleaned == [0.0]


def test_the_clock_does_not_jump_to_the_end_of_time():
    async def main(clock):
        await clock.sleep(2)
        with trio.CancelScope(deadline=math.inf):
            await trio.sleep_forever()

    clock = VirtualClock()
    with pytest.raises(StuckError):
        trio.run(clock.run, main, clock=clock)
    assert clock.current_time() == 2.0


def test_where_cancelling_does_not_help_it_is_an_error_too():
    clock = VirtualClock()
    with pytest.raises(StuckError):
        for _ in range(1000):
            assert clock.deadline_to_sleep_time(math.inf) == 0.0


def test_it_may_wait_for_its_own_threads():
    async def main():
        await trio.sleep(60)
        return await trio.to_thread.run_sync(lambda: "done")

    assert trio.run(main, clock=VirtualClock(waits_for_threads=True)) == "done"
