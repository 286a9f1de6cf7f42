import attrs
import pytest
import trio
from trio.testing import MockClock

from coval_load.engine.keepalive import Keepalive


@attrs.define(eq=False)
class Pinged:
    """As much of a link as is needed to ping it."""

    at: list = attrs.field(factory=list)
    next_ping_at: float = 0.0
    then: object = None

    def ping(self, now):
        self.at.append(now)
        if self.then is not None:
            self.then(self)


def keep_alive(script):
    """Runs `script(keepalive)` in virtual time."""

    async def main():
        keepalive = Keepalive()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(keepalive.run)
            await script(keepalive)
            nursery.cancel_scope.cancel()

    trio.run(main, clock=MockClock(autojump_threshold=0))


def each_15_s(first, until):
    return [
        pytest.approx(first + 15 * number, abs=0.26 * (number + 1))
        for number in range(100)
        if first + 15 * number < until
    ]


def test_pinged_a_second_after_it_opened_and_each_15_seconds():
    async def script(keepalive):
        early, late = Pinged(), Pinged()
        keepalive.join(early)
        await trio.sleep(7.1)
        keepalive.join(late)
        await trio.sleep(100)
        assert early.at == each_15_s(1, 107)
        assert late.at == each_15_s(8.1, 107)
        assert 1 <= early.at[0] <= 1.25

    keep_alive(script)


def test_pinged_no_more_once_it_left():
    async def script(keepalive):
        stays, leaves = Pinged(), Pinged()
        for link in (stays, leaves):
            keepalive.join(link)
        await trio.sleep(20)
        keepalive.leave(leaves)
        keepalive.leave(leaves)
        await trio.sleep(20)
        assert (len(stays.at), len(leaves.at)) == (3, 2)

    keep_alive(script)


def test_one_that_leaves_while_it_is_pinged():
    async def script(keepalive):
        links = [Pinged(then=keepalive.leave) for _ in range(5)]
        for link in links:
            keepalive.join(link)
        await trio.sleep(40)
        assert [len(link.at) for link in links] == [1] * 5

    keep_alive(script)


def test_one_that_never_joined_may_leave():
    async def script(keepalive):
        keepalive.leave(Pinged())
        await trio.sleep(1)

    keep_alive(script)
