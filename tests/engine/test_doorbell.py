"""The doorbell, and the deadlines of stages."""

import pytest
import trio

from coval_load.engine.deadlines import within
from coval_load.engine.doorbell import Doorbell


async def ring_at(bell, *times, change=None):
    for number, at in enumerate(times):
        await trio.sleep_until(at)
        if change is not None:
            change(number)
        bell.ring()


async def test_who_waits_looks_again_at_each_ring(autojump_clock, nursery):
    bell, rings = Doorbell(), []
    start = trio.current_time()
    nursery.start_soon(ring_at, bell, start + 1, start + 2, start + 3)
    assert await bell.until(lambda: rings.append(trio.current_time() - start) or len(rings) >= 3)
    assert rings[:3] == [pytest.approx(at) for at in (0, 1, 2)]


async def test_what_holds_already_needs_no_ring(autojump_clock):
    assert await Doorbell().until(lambda: True, deadline=-1)


async def test_the_deadline(autojump_clock):
    start = trio.current_time()
    assert not await Doorbell().until(lambda: False, start + 5)
    assert trio.current_time() == pytest.approx(start + 5)
    assert not await Doorbell().until(lambda: False, start)


async def test_what_came_true_without_a_ring_holds_at_the_deadline(autojump_clock):
    start = trio.current_time()
    assert await Doorbell().until(lambda: trio.current_time() > start, start + 5)


async def test_all_who_wait_hear_it(autojump_clock):
    bell, heard, state = Doorbell(), [], {}

    async def wait(name):
        assert await bell.until(lambda: state.get(name))
        heard.append(name)

    async with trio.open_nursery() as nursery:
        for name in "abc":
            nursery.start_soon(wait, name)
        await trio.testing.wait_all_tasks_blocked()
        state.update(a=True, b=True)
        bell.ring()
        await trio.testing.wait_all_tasks_blocked()
        assert sorted(heard) == ["a", "b"]
        state.update(c=True)
        bell.ring()


async def test_a_cancelled_wait_is_no_deadline(autojump_clock):
    with trio.move_on_after(1) as scope:
        await Doorbell().until(lambda: False, trio.current_time() + 100)
    assert scope.cancelled_caught


def test_a_ring_that_nobody_hears():
    Doorbell().ring()


async def test_within(autojump_clock):
    with pytest.raises(LookupError, match="5 s"), within(5, lambda: LookupError("5 s")):
        await trio.sleep(6)
    with within(5, lambda: LookupError("5 s")):
        await trio.sleep(4)
    with pytest.raises(KeyError), within(5, lambda: LookupError("5 s")):
        raise KeyError("its own")


async def test_within_leaves_the_cancellation_of_others_alone(autojump_clock):
    with trio.move_on_after(1) as scope, within(5, lambda: LookupError("5 s")):
        await trio.sleep_forever()
    assert scope.cancelled_caught
