"""When an answer is due, and the server-sent events it may be made of."""

import trio
from http_callers import HTTP_CHAT, events_in
from hypothesis import given
from hypothesis import strategies as st
from reference_callers import options_for
from trio.testing import MockClock

from coval_load.reference.http_line import Request
from coval_load.reference.http_turn import HttpTurn, encode_event

JSON = st.recursive(st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(), st.lists, max_leaves=5)


def delays(*arguments):
    """How long after it was read each of a few requests is answered."""
    options, _ = options_for(HTTP_CHAT, *arguments)

    async def wait(number):
        request = Request("POST", "/chat", {}, b"", trio.current_time())
        await trio.sleep(0.01)
        await HttpTurn(None, request, number, None, options, None, None, 1).wait()
        return trio.current_time() - request.read_at

    async def wait_for_each():
        return [round(await wait(number), 6) for number in range(4)]

    return trio.run(wait_for_each, clock=MockClock(autojump_threshold=0))


def test_the_delay_counts_from_the_requests_last_byte():
    assert delays("--delay=2s") == [2.0] * 4


def test_a_seed_spreads_delays_in_its_own_way():
    spread = delays("--delay=2s", "--spread=1s", "--seed=5")
    assert spread == delays("--delay=2s", "--spread=1s", "--seed=5")
    assert spread != delays("--delay=2s", "--spread=1s", "--seed=6")
    assert len(set(spread)) == 4
    assert all(1 <= delay <= 3 for delay in spread)


@given(st.dictionaries(st.text(min_size=1).filter(lambda key: key != "type"), JSON))
def test_an_event_is_one_block(event):
    encoded = encode_event(event).decode()
    assert encoded.count("\n") == 2
    assert events_in(encoded) == [event]
