"""A reply put together from any events an answer may be read as."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.actors.http_reply import Reply
from coval_load.codecs.events import (
    AgentEventReceived,
    AgentFailed,
    ConversationEnded,
    MessageIgnored,
    ReadyReceived,
    ReplyPending,
    TextChunkReceived,
    TextReceived,
    ToolCallReceived,
    UsageReceived,
    Violation,
)
from coval_load.engine.outcome import ErrorKind, SimulationFailed

WORDS = st.text(max_size=5)
CALLS = st.builds(ToolCallReceived, WORDS, WORDS, WORDS)
HARMLESS = st.one_of(
    st.builds(TextChunkReceived, st.text(min_size=1, max_size=5)),
    st.builds(TextReceived, WORDS),
    CALLS,
    st.builds(UsageReceived, st.none() | st.integers(0), st.none() | st.integers(0)),
    st.builds(ConversationEnded, WORDS),
    st.just(ReplyPending()),
    st.builds(MessageIgnored, WORDS),
    st.just(AgentEventReceived("type", None, {})),
    st.just(ReadyReceived(None)),
)
STEPS = st.lists(st.tuples(HARMLESS, st.floats(0, 10)), max_size=30)
FAILURES = {
    "agent": ErrorKind.AGENT_ERROR,
    "rate_limit": ErrorKind.RATE_LIMITED,
    "authentication": ErrorKind.AUTHENTICATION_FAILED,
}


def taken(steps):
    reply, at = Reply(100.0), 100.0
    for event, seconds in steps:
        at += seconds
        reply.take(event, at)
    return reply


@given(STEPS)
def test_any_events(steps):
    reply, events = taken(steps), [event for event, _ in steps]
    texts = [event.text for event in events if isinstance(event, TextReceived | TextChunkReceived)]
    assert reply.text == ("".join(texts) if texts else None)
    assert (reply.first_at is None) == (reply.last_at is None) == (not texts)
    if texts:
        assert reply.sent_at <= reply.first_at <= reply.last_at
    assert reply.is_streamed == any(isinstance(event, TextChunkReceived) for event in events)
    assert reply.is_pending == (ReplyPending() in events)
    assert reply.tool_calls == [event for event in events if isinstance(event, ToolCallReceived)]
    assert (reply.ended is not None) == any(isinstance(event, ConversationEnded) for event in events)
    assert all(gap >= 0 for gap in reply.gaps_s)
    assert len(reply.gaps_s) <= max(len(texts) - 1, 0)


@given(st.lists(st.floats(0, 10), min_size=1, max_size=20))
def test_the_gaps_of_a_stream_are_all_of_its_time(seconds):
    reply = taken((TextChunkReceived("x"), each) for each in seconds)
    arrivals = list(itertools.accumulate(seconds, initial=100.0))[1:]
    assert (reply.first_at, reply.last_at) == (arrivals[0], arrivals[-1])
    assert sum(reply.gaps_s) == pytest.approx(arrivals[-1] - arrivals[0])


@given(STEPS, st.sampled_from([*FAILURES, "violation"]))
def test_a_failure_is_raised_whatever_came_before(steps, cause):
    reply = taken(steps)
    event = Violation("nonsense") if cause == "violation" else AgentFailed("nonsense", cause)
    with pytest.raises(SimulationFailed, match="nonsense") as caught:
        reply.take(event, 2000.0)
    assert caught.value.kind is FAILURES.get(cause, ErrorKind.INVALID_MESSAGE)
