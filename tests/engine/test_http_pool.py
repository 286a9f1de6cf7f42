"""Which connection a request gets, and when one is opened, kept or closed."""

import socket
from contextlib import asynccontextmanager
from functools import partial
from random import Random

import attrs
import pytest
import trio
from http_end import PATIENCE_S, answer

from coval_load.engine.http_pool import HttpPool, Recycling, open_pool
from coval_load.engine.outcome import SimulationFailed
from coval_load.engine.reactor import open_reactor

URL = "https://agent.example/chat"


@attrs.define
class Sockets:
    """Opens pairs of sockets in place of connections; `theirs` are the agent's ends."""

    asked: list = attrs.field(factory=list)
    theirs: list = attrs.field(factory=list)
    takes_s: float = 0.0

    async def open(self, host, port, secure, *, what="", tls_hint=""):
        await trio.sleep(self.takes_s)
        self.asked.append((host, port, secure))
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        self.theirs.append(theirs)
        return ours


@pytest.fixture
def sockets():
    sockets = Sockets()
    yield sockets
    for theirs in sockets.theirs:
        theirs.close()


@pytest.fixture
async def pool(sockets):
    async with open_reactor() as reactor, open_pool(reactor, sockets) as pool:
        yield pool


# Idle ones


async def test_the_one_used_last_is_used_again(pool, sockets):
    one, two = await pool.connect(URL), await pool.connect(URL)
    assert one is not two
    pool.release(one)
    pool.release(two)
    assert await pool.connect(URL + "/other?a=b") is two
    assert await pool.connect("https://AGENT.example:443") is one
    assert await pool.connect(URL) not in (one, two)
    assert sockets.asked == [("agent.example", 443, True)] * 3


async def test_a_fresh_one_where_asked_for(pool):
    kept = await pool.connect(URL)
    pool.release(kept)
    fresh = await pool.connect(URL, fresh=True)
    assert fresh is not kept
    assert await pool.connect(URL) is kept


@pytest.mark.parametrize("url", ["http://agent.example/", "https://agent.example:8443/", "https://b.agent.example/"])
async def test_none_of_another_origin(pool, sockets, url):
    pool.release(await pool.connect(URL))
    await pool.connect(url)
    assert len(set(sockets.asked)) == 2


async def test_whether_it_is_new_and_how_long_that_took(sockets, autojump_clock):
    told, sockets.takes_s = [], 0.25
    async with open_reactor() as reactor, open_pool(reactor, sockets, told.append) as pool:
        connection = await pool.connect(URL)
        assert (connection.is_new, connection.connect_s) == (True, 0.25)
        pool.release(connection)
        again = await pool.connect(URL)
        assert again is connection
        assert (again.is_new, again.connect_s) == (False, None)
    assert told == [0.25]


async def test_idle_ones_are_kept_for_a_while(pool, autojump_clock):
    early, late = await pool.connect(URL), await pool.connect(URL)
    pool.release(early)
    await trio.sleep(3.0)
    pool.release(late)
    await trio.sleep(1.5)
    assert await pool.connect(URL) is late
    assert not early.is_open
    pool.release(late)
    await trio.sleep(3.9)
    assert await pool.connect(URL) is late
    pool.release(late)
    await trio.sleep(4.1)
    assert await pool.connect(URL) is not late
    assert not late.is_open


async def test_one_that_was_closed_leaves_the_pool_at_once(pool, sockets):
    kept, ended = await pool.connect(URL), await pool.connect(URL)
    pool.release(kept)
    pool.release(ended)
    sockets.theirs[1].close()
    with trio.fail_after(PATIENCE_S):
        while ended.is_open:
            await trio.lowlevel.checkpoint()
    assert await pool.connect(URL) is kept


async def test_one_that_is_closed_or_in_use_is_not_kept(pool):
    closed = await pool.connect(URL)
    closed.close()
    pool.release(closed)
    busy = await pool.connect(URL)
    with pytest.RaisesGroup(SimulationFailed):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(busy.exchange, "GET", URL, (), None)
            await trio.testing.wait_all_tasks_blocked()
            pool.release(busy)
            assert not busy.is_open
    assert await pool.connect(URL) not in (closed, busy)


async def test_in_the_end_all_are_closed(sockets):
    async with open_reactor() as reactor:
        pool = HttpPool(reactor, sockets)
        idle, taken = await pool.connect(URL), await pool.connect(URL)
        pool.release(idle)
        pool.close()
        pool.release(taken)
        pool.close()
    assert not idle.is_open
    assert not taken.is_open


# Age


@asynccontextmanager
async def recycling(sockets, most_age_s, seed=0):
    recycled = []
    bound = Recycling(most_age_s, Random(seed), lambda: recycled.append(trio.current_time()))
    async with open_reactor() as reactor, open_pool(reactor, sockets, recycling=bound) as pool:
        yield pool, recycled


async def test_one_that_is_too_old_is_closed_where_it_would_be_used_again(sockets, autojump_clock):
    async with recycling(sockets, 10.0) as (pool, recycled):
        connection = await pool.connect(URL)
        for _ in range(3):
            pool.release(connection)
            await trio.sleep(2.9)
            assert await pool.connect(URL) is connection
        pool.release(connection)
        await trio.sleep(2.4)
        assert (connection.is_open, recycled) == (True, [])
        assert await pool.connect(URL) is not connection
        assert not connection.is_open
        assert len(recycled) == 1


async def test_the_next_one_that_is_young_enough_is_used(sockets, autojump_clock):
    async with recycling(sockets, 3.0) as (pool, recycled):
        old = await pool.connect(URL)
        await trio.sleep(2.0)
        young = await pool.connect(URL)
        await trio.sleep(1.5)
        pool.release(young)
        pool.release(old)
        assert await pool.connect(URL) is young
        assert (old.is_open, len(recycled)) == (False, 1)


async def test_one_that_grows_too_old_in_an_exchange_goes_on(sockets, autojump_clock):
    async with recycling(sockets, 1.0) as (pool, recycled):
        connection = await pool.connect(URL)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(connection.exchange, "GET", URL, (), None))
            await trio.sleep(5.0)
            assert connection.is_open
            sockets.theirs[0].sendall(answer(b"whole"))
        pool.release(connection)
        assert (connection.is_open, recycled) == (True, [])
        assert pool.idle(URL) is None
        assert (connection.is_open, len(recycled)) == (False, 1)


async def test_one_idle_for_too_long_is_not_counted(sockets, autojump_clock):
    async with recycling(sockets, 1.0) as (pool, recycled):
        connection = await pool.connect(URL)
        pool.release(connection)
        await trio.sleep(5.0)
        assert pool.idle(URL) is None
        assert (connection.is_open, recycled) == (False, [])


async def test_those_opened_together_do_not_all_go_together(sockets, autojump_clock):
    async with recycling(sockets, 3.0) as (pool, recycled):
        together = [await pool.connect(URL) for _ in range(50)]
        left = []
        for seconds in (2.69, 0.31, 0.31):
            await trio.sleep(seconds)
            for connection in together:
                pool.release(connection)
            together = []
            while (connection := pool.idle(URL)) is not None:
                together.append(connection)
            left.append(len(together))
        assert left[0] == 50
        assert 10 < left[1] < 40
        assert left[2] == 0
        assert len(recycled) == 50


async def test_without_a_bound_age_does_not_matter(pool, autojump_clock):
    connection = await pool.connect(URL)
    for _ in range(100):
        pool.release(connection)
        await trio.sleep(3.9)
        assert await pool.connect(URL) is connection
