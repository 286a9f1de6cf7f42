"""What is discovered about an agent: asked for once, shared by who waits, asked for again after a failure."""

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from coval_load.actors.http_way import HttpWay
from coval_load.codecs.dialects.http_interface import HttpRequest
from coval_load.engine.http_answer import Answer, Headers
from coval_load.engine.outcome import ErrorKind, SimulationFailed

CARDS = tuple(HttpRequest("GET", f"https://agent.example/{name}", ()) for name in ("new.json", "old.json"))
TAKES_S = 2.0
CALLERS = 20


class Pool:
    """Answers with these statuses, one after the other, the last again and again; None: no connection."""

    def __init__(self, *statuses):
        self.statuses = list(statuses)
        self.asked = []

    async def ask(self, method, url, headers, body, *, most_bytes):
        number = len(self.asked)
        self.asked.append(url)
        await trio.sleep(TAKES_S)
        status = self.statuses[min(number, len(self.statuses) - 1)]
        if status is None:
            raise SimulationFailed(ErrorKind.CONNECTION_REFUSED, "Connection refused")
        answer = Answer(status, Headers([]), 0.0, 0.0, 0)
        answer.body = f"card {number}".encode()
        return answer


def way_over(pool, discovery=CARDS):
    return HttpWay(pool=pool, endpoint="https://agent.example/chat", discovery=discovery)


async def discover_all(way, count=CALLERS, gap_s=0.0):
    """What each of `count` callers gets, who begin `gap_s` after one another, and after how long."""
    got = {}

    async def one(number):
        await trio.sleep(number * gap_s)
        began_at = trio.current_time()
        try:
            found = await way.discover()
        except SimulationFailed as failed:
            found = failed
        got[number] = (found, trio.current_time() - began_at)

    async with trio.open_nursery() as nursery:
        for number in range(count):
            nursery.start_soon(one, number)
    return [got[number] for number in range(count)]


async def test_nothing_to_discover(autojump_clock):
    pool = Pool(200)
    assert await way_over(pool, ()).discover() is None
    assert pool.asked == []


@pytest.mark.parametrize(
    ("statuses", "found"),
    [((200,), b"card 0"), ((404, 204), b"card 1"), ((410, 405), None)],
)
async def test_it_is_asked_for_once(autojump_clock, statuses, found):
    pool = Pool(*statuses)
    way = way_over(pool)
    for _ in range(2):
        assert [answer for answer, _ in await discover_all(way)] == [found] * CALLERS
    assert len(pool.asked) == len(statuses)


@pytest.mark.parametrize(
    ("status", "kind"), [(None, "setup_failed"), (500, "setup_failed"), (403, "authentication_failed")]
)
async def test_who_waits_for_a_failure_shares_it(autojump_clock, status, kind):
    pool = Pool(status, 200)
    way = way_over(pool)
    first = await discover_all(way)
    assert len({id(failed) for failed, _ in first}) == CALLERS  # an exception is raised once only
    for failed, seconds in first:
        assert (failed.kind, seconds) == (kind, TAKES_S)
    assert len({failed.message for failed, _ in first}) == 1
    assert [found for found, _ in await discover_all(way)] == [b"card 1"] * CALLERS
    assert len(pool.asked) == 2


async def test_who_asks_may_give_up(autojump_clock):
    pool = Pool(200)
    way = way_over(pool)
    async with trio.open_nursery() as nursery:
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as impatient:
                impatient.start_soon(way.discover)
                await wait_all_tasks_blocked(0.0)
                nursery.start_soon(way.discover)
                await trio.sleep(TAKES_S / 2)
                scope.cancel()
    assert await way.discover() == b"card 1"
    assert len(pool.asked) == 2


@given(
    st.lists(st.sampled_from([200, 404, 500, None]), min_size=1, max_size=6),
    st.integers(1, 8),
    st.floats(0, 2 * TAKES_S),
)
def test_nobody_waits_for_more_than_two_rounds(statuses, count, gap_s):
    pool = Pool(*statuses)
    got = trio.run(discover_all, way_over(pool), count, gap_s, clock=MockClock(autojump_threshold=0))
    for found, seconds in got:
        assert seconds <= 2 * len(CARDS) * TAKES_S + 0.001
        assert found is None or isinstance(found, bytes | SimulationFailed)
    known = [found for found, _ in got if not isinstance(found, SimulationFailed)]
    assert len(set(known)) <= 1
