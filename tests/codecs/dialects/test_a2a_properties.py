"""What holds for whatever an A2A agent answers."""

import json
from functools import partial

import pytest
from a2a_agents import New, Old, answer, chat, read, stream
from hypothesis import given
from hypothesis import strategies as st

from coval_load.codecs.events import (
    AgentFailed,
    ConversationEnded,
    Event,
    MessageIgnored,
    ReplyPending,
    TextChunkReceived,
    TextReceived,
    Violation,
)
from coval_load.codecs.server_sent_events import MOST_BUFFERED


@pytest.mark.parametrize("content_type", ["application/json", "text/event-stream"])
def test_no_more_than_the_bound_is_kept(content_type):
    dialect = chat()
    dialect.say("Hi", "")
    reading = dialect.read(content_type)
    piece = b"data: x" * 150_000
    events = [event for _ in range(MOST_BUFFERED // len(piece) + 2) for event in reading.feed(piece)]
    assert events == [Violation(f"expected an answer of at most {MOST_BUFFERED} bytes; got more")]
    assert reading.end() == ()


EVENTS = (TextReceived, TextChunkReceived, Violation, AgentFailed, ReplyPending, MessageIgnored, ConversationEnded)
NAMES = st.one_of(
    st.sampled_from(["id", "result", "error", "code", "data", "kind", "task", "message", "status", "state", "role"]),
    st.sampled_from(["taskId", "contextId", "messageId", "statusUpdate", "artifactUpdate", "append", "history"]),
    st.sampled_from(["artifact", "artifacts", "artifactId", "parts", "text", "file", "name", "url"]),
)
WORDS = st.text(max_size=3) | st.sampled_from(
    ["task", "message", "status-update", "artifact-update", "completed", "working", "TASK_STATE_FAILED", "user"]
)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.floats() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=15,
)


@given(
    st.lists(
        st.binary(max_size=40) | JSON_VALUES.map(lambda value: json.dumps(value).encode()) | JSON_VALUES.map(answer)
    ),
    st.sampled_from(["", "application/json", "text/event-stream"]),
    st.booleans(),
)
def test_whatever_arrives_has_a_meaning(bodies, content_type, framed):
    dialect = chat()
    dialect.say("Hi", "")
    reading = dialect.read(content_type)
    events: list[Event] = []
    for body in bodies:
        events += reading.feed(b"data: " + body + b"\n\n" if framed else body)
    events += reading.end()
    assert all(isinstance(event, EVENTS) for event in events)
    assert events
    wrong = [event for event in events if isinstance(event, Violation | AgentFailed)]
    assert wrong in ([], events[-1:])
    dialect.say("And now?", "")


@st.composite
def spoilt(draw):
    """A result as an agent might write it, with something else in one place of it."""
    v = draw(st.sampled_from([Old, New]))
    whole = draw(
        st.sampled_from(
            [
                v.message("a", contextId="c"),
                v.task("completed", "a", artifacts=[v.artifact("b")], history=[v.said("c")]),
                v.update("input-required", "a"),
                v.piece("a", append=True),
                {"parts": [{"kind": "file", "file": {"name": "a"}}, {"data": {}}]},
            ]
        )
    )
    place = spoiled = json.loads(json.dumps(whole))
    while True:
        key = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if not isinstance(place[key], dict | list) or not place[key] or draw(st.booleans()):
            place[key] = draw(JSON_VALUES)
            return spoiled
        place = place[key]


@given(st.lists(spoilt(), min_size=1, max_size=4), st.booleans())
def test_whatever_is_spoilt_has_a_meaning(results, streamed):
    dialect = chat(stream=streamed)
    for number, result in enumerate(results, start=1):
        dialect.say("Hi", "")
        if streamed:
            events = read(dialect, stream(*results, request_id=number), "text/event-stream")
        else:
            events = read(dialect, answer(result, number))
        assert events
        assert all(isinstance(event, EVENTS) for event in events)
        assert all(event.text for event in events if isinstance(event, TextReceived | TextChunkReceived))


def test_json_of_any_depth_has_a_meaning():
    dialect = chat()
    dialect.say("Hi", "")
    for depth in (300, 900, 5_000):
        deep = b"[" * depth + b"]" * depth
        for where in (b'{"parts": [{"data": %s}]}', b'{"metadata": %s}', b"%s"):
            assert read(dialect, b'{"id": 1, "result": ' + where % deep + b"}")
        assert read(dialect, b'{"id": 1, "error": {"code": 1, "data": ' + deep + b"}}")


TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=1, max_size=5)


@given(TEXTS, st.sampled_from([Old, New]), st.data())
def test_a_stream_may_be_cut_anywhere(texts, v, data):
    pieces = [v.piece(text, append=place > 0) for place, text in enumerate(texts)]
    body = stream(v.task("working"), *pieces, v.update("completed", "".join(texts)))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=6)))
    dialect = chat(v.version, stream=True)
    dialect.say("Hi", "")
    whole = read(dialect, body, "text/event-stream")
    dialect = chat(v.version, stream=True)
    dialect.say("Hi", "")
    reading = dialect.read("text/event-stream")
    ends = [*cuts, len(body)]
    cut = [event for start, end in zip([0, *cuts], ends, strict=True) for event in reading.feed(body[start:end])]
    assert [*cut, *reading.end()] == whole
    assert [event.text for event in whole if isinstance(event, TextChunkReceived)] == texts


@given(TEXTS, st.sampled_from([Old, New]))
def test_what_an_agent_says_is_what_is_heard(texts, v):
    for make, joint in ((v.message, "\n"), (partial(v.task, "completed"), "\n")):
        dialect = chat(v.version)
        dialect.say("Hi", "")
        assert read(dialect, answer(make(*texts))) == [TextReceived(joint.join(texts))]
