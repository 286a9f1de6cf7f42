"""Whose handshake is computed next."""

import trio
from trio.testing import wait_all_tasks_blocked

from coval_load.engine.handshake_turn import HandshakeTurn


async def test_one_that_goes_on_comes_before_those_that_begin_each_in_order():
    turn, had = HandshakeTurn(), []

    async def wait(name, goes_on):
        await turn.take(goes_on=goes_on)
        had.append(name)
        turn.give_back()

    await turn.take(goes_on=False)
    async with trio.open_nursery() as nursery:
        for name, goes_on in (("begins", False), ("begins later", False), ("goes on", True), ("goes on later", True)):
            nursery.start_soon(wait, name, goes_on)
            await wait_all_tasks_blocked()
        assert had == []
        turn.give_back()
    assert had == ["goes on", "goes on later", "begins", "begins later"]


class Rounds(trio.abc.Instrument):
    """Counts the rounds of the event loop."""

    count = 0

    def before_io_wait(self, timeout: float) -> None:
        self.count += 1


async def test_one_in_each_round_of_the_event_loop():
    turn, rounds, computed_in = HandshakeTurn(), Rounds(), []

    async def compute():
        await turn.take(goes_on=False)
        computed_in.append(rounds.count)
        turn.give_back()

    trio.lowlevel.add_instrument(rounds)
    async with trio.open_nursery() as handshakes:
        for _ in range(5):
            handshakes.start_soon(compute)
    trio.lowlevel.remove_instrument(rounds)
    assert len(set(computed_in)) == len(computed_in) == 5


async def test_who_is_cancelled_while_waiting_does_not_keep_it():
    turn = HandshakeTurn()
    await turn.take(goes_on=False)
    with trio.move_on_after(0) as scope:
        await turn.take(goes_on=True)
    assert scope.cancelled_caught
    turn.give_back()
    with trio.fail_after(1):
        await turn.take(goes_on=False)
    turn.give_back()
    with trio.CancelScope() as scope:
        scope.cancel()
        await turn.take(goes_on=False)
    with trio.fail_after(1):
        await turn.take(goes_on=False)
