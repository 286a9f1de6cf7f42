"""What holds for every answer over HTTP: nothing raises, cuts change nothing, streams say what whole answers do."""

import json
from itertools import pairwise

import pytest
from http_replies import (
    JSON,
    STREAM,
    calls_in,
    chunk,
    completion,
    function_call,
    message,
    output_text,
    read,
    response,
    response_stream_of,
    stream_of,
    text_in,
)
from hypothesis import given
from hypothesis import strategies as st

from coval_load.codecs.dialects.chat_replies.reading import open_reading
from coval_load.codecs.dialects.chat_replies.tool_call_extraction import ToolCallExtraction
from coval_load.codecs.events import (
    AgentFailed,
    ConversationEnded,
    TextChunkReceived,
    TextReceived,
    ToolCallReceived,
    UsageReceived,
    Violation,
)
from coval_load.codecs.paths import Path

OURS = (AgentFailed, ConversationEnded, TextChunkReceived, TextReceived, ToolCallReceived, UsageReceived, Violation)
EXTRACTION = ToolCallExtraction.of({"tool_calls_path": "tool_calls", "id_path": "id"})
CONTENT_TYPES = st.sampled_from([JSON, STREAM, "text/plain", ""])
PATHS = st.sampled_from([None, "", "text", "choices.0.message", "choices.0.delta.content", "delta"])
CUTS = st.lists(st.integers(0, 100_000), max_size=8)

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
ARGUMENTS = st.dictionaries(TEXTS, st.integers() | TEXTS, max_size=3).map(json.dumps)
CALLS = st.lists(st.tuples(st.sampled_from(["f", "get_weather", "g"]), ARGUMENTS), max_size=3).map(
    lambda calls: [(f"call_{number}", *call) for number, call in enumerate(calls)]
)


def cut(data, at):
    edges = [0, *sorted(place % (len(data) + 1) for place in at), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def check(events):
    """What holds for the events of any answer."""
    assert all(isinstance(event, OURS) for event in events)
    assert all(event.text for event in events if isinstance(event, TextChunkReceived))
    assert all(event.name for event in calls_in(events))
    assert sum(isinstance(event, UsageReceived) for event in events) <= 1
    assert sum(isinstance(event, ConversationEnded) for event in events) <= 1
    complaints = [event for event in events if isinstance(event, Violation | AgentFailed)]
    assert complaints in ([], events[-1:])
    assert all(0 < len(event.reason) < 1_000 for event in complaints)
    assert complaints or text_in(events) is not None or calls_in(events) or isinstance(events[-1], ConversationEnded)


@given(st.binary(max_size=300), CONTENT_TYPES, PATHS, CUTS)
def test_any_bytes_are_read(body, content_type, path, at):
    found = read(body, content_type, path=path, extraction=EXTRACTION)
    check(found)
    assert read(body, content_type, path=path, extraction=EXTRACTION, pieces=cut(body, at)) == found


KEYS = st.sampled_from(
    [
        *("choices", "message", "delta", "content", "refusal", "tool_calls", "index", "id", "function", "name"),
        *("arguments", "finish_reason", "usage", "prompt_tokens", "completion_tokens", "input_tokens"),
        *("output_tokens", "error", "code", "type", "output", "object", "response", "status", "item", "call_id"),
        *("text", "incomplete_details", "output_index"),
    ]
)
WORDS = st.sampled_from(
    [
        *("text", "message", "function_call", "output_text", "refusal", "ended", "failed", "incomplete", "response"),
        *("error", "response.completed", "response.failed", "response.incomplete", "response.output_text.delta"),
        *("response.output_text.done", "response.refusal.delta", "response.refusal.done"),
        *("response.output_item.added", "response.output_item.done"),
        *("response.function_call_arguments.delta", "response.function_call_arguments.done"),
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.floats(allow_nan=False, allow_infinity=False) | WORDS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=6),
    max_leaves=25,
)


def odd(known):
    """`known` with anything anywhere in place of what belongs there."""
    if isinstance(known, dict):
        members = st.fixed_dictionaries({}, optional={key: odd(value) for key, value in known.items()})
        return st.one_of(members, members, members, VALUES)
    if isinstance(known, list):
        items = st.tuples(*(odd(value) for value in known)).map(list)
        return st.one_of(items, items, items, VALUES)
    return st.one_of(st.just(known), st.just(known), VALUES)


SPOKEN = {"role": "assistant", "content": "Hi", "refusal": None}
CALLING = {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}]}
SHAPES = [
    {"choices": [{"message": {**SPOKEN, **CALLING}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 1}},
    {"choices": [{"delta": {**SPOKEN, **CALLING}, "finish_reason": None}], "status": "ended"},
    response(message(output_text("Hi")), function_call("c", "f", "{}"), status="failed"),
    {"type": "response.completed", "response": response(message(output_text("Hi")), status="incomplete")},
    {"type": "response.output_item.done", "output_index": 0, "item": function_call("c", "f", "{}")},
    {"type": "response.output_item.added", "output_index": 0, "item": function_call("c", "f", "")},
    {"type": "response.function_call_arguments.delta", "output_index": 0, "delta": "{}"},
    {"type": "response.output_text.delta", "delta": "Hi"},
    {"error": {"message": "Bad", "code": 429, "type": "x"}, "type": "error"},
]
ANSWERS = st.one_of(VALUES, *(odd(shape) for shape in SHAPES))


@given(ANSWERS, CONTENT_TYPES, PATHS)
def test_any_json_is_read(answer, content_type, path):
    check(read(answer, content_type, path=path, extraction=EXTRACTION))


@given(st.lists(ANSWERS, max_size=5), st.booleans(), PATHS, CUTS)
def test_any_stream_of_json_is_read(answers, done, path, at):
    body = stream_of(*(json.dumps(answer) for answer in answers), done=done)
    found = read(body, STREAM, path=path, extraction=EXTRACTION)
    check(found)
    assert read(body, STREAM, path=path, extraction=EXTRACTION, pieces=cut(body, at)) == found


@given(st.lists(TEXTS, max_size=5), CALLS, st.data())
def test_a_streamed_completion_says_what_a_whole_one_does(pieces, calls, data):
    entries = [
        {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
        for call_id, name, arguments in calls
    ]
    whole = read(completion({"role": "assistant", "content": "".join(pieces) or None, "tool_calls": entries or None}))
    deltas = [{"content": piece} for piece in pieces]
    for index, entry in enumerate(entries):
        first, *rest = cut(entry["function"]["arguments"], data.draw(CUTS))
        deltas.append(
            {"tool_calls": [{**entry, "index": index, "function": {**entry["function"], "arguments": first}}]}
        )
        deltas += [{"tool_calls": [{"index": index, "function": {"arguments": text}}]} for text in rest]
    last = chunk({}, choices=[], usage={"prompt_tokens": 19, "completion_tokens": 10})
    body = stream_of(*(chunk(delta) for delta in deltas), chunk({}, "stop"), last)
    streamed = read(body, STREAM, pieces=cut(body, data.draw(CUTS)))
    assert_alike(streamed, whole)


@given(st.lists(TEXTS, max_size=5), CALLS, st.booleans(), st.booleans(), st.data())
def test_a_streamed_response_says_what_a_whole_one_does(pieces, calls, repeats_items, repeats_response, data):
    items = [message(output_text("".join(pieces)))] if pieces else []
    items += [function_call(*call) for call in calls]
    whole = read(response(*items))
    events = [{"type": "response.output_text.delta", "output_index": 0, "delta": piece} for piece in pieces]
    for index, (call_id, name, arguments) in enumerate(calls, start=1):
        begun = function_call(call_id, name, "")
        events.append({"type": "response.output_item.added", "output_index": index, "item": begun})
        kind = "response.function_call_arguments"
        parts = cut(arguments, data.draw(CUTS))
        events += [{"type": f"{kind}.delta", "output_index": index, "delta": part} for part in parts]
        events.append({"type": f"{kind}.done", "output_index": index, "arguments": arguments})
    if repeats_items:
        events += [{"type": "response.output_item.done", "output_index": 0, "item": item} for item in items]
    kept = items if repeats_response else []
    events.append({"type": "response.completed", "response": response(*kept)})
    body = response_stream_of(*events)
    assert_alike(read(body, STREAM, pieces=cut(body, data.draw(CUTS))), whole)


def assert_alike(streamed, whole):
    assert text_in(streamed) == text_in(whole)
    assert calls_in(streamed) == calls_in(whole)
    assert [type(event) for event in streamed if isinstance(event, Violation)] == [
        type(event) for event in whole if isinstance(event, Violation)
    ]
    if text_in(whole) or calls_in(whole):
        assert set(streamed) >= {event for event in whole if isinstance(event, UsageReceived)}


MOST = 2_000
CALL = {"index": 0, "id": "c", "function": {"name": "f", "arguments": "{" * 50}}
ENDLESS = {
    "a body": (JSON, b'{"a": "' + b"x" * 100),
    "a line": (STREAM, b"data: " + b"x" * 100),
    "an event": (STREAM, b"data: " + b"x" * 100 + b"\n"),
    "arguments": (STREAM, stream_of(chunk({"tool_calls": [CALL]}), done=False)),
    "calls": (STREAM, stream_of(chunk({"tool_calls": [{"function": {"name": "f"}}]}), done=False)),
    "nameless calls": (STREAM, stream_of(chunk({"tool_calls": [{}, {}, {}]}), done=False)),
    "arguments of a response": (
        STREAM,
        response_stream_of({"type": "response.function_call_arguments.delta", "output_index": 0, "delta": "{" * 50}),
    ),
    "items": (
        STREAM,
        response_stream_of({"type": "response.output_item.done", "item": function_call("c", "f", "{}")}),
    ),
}


@pytest.mark.parametrize(("content_type", "data"), ENDLESS.values(), ids=ENDLESS)
def test_what_is_kept_is_bounded(content_type, data):
    reading = open_reading(content_type, most_buffered=MOST)
    found = [list(reading.feed(data)) for _ in range(200)]
    told = [events for events in found if events]
    assert told == [
        [Violation(f"expected an answer of at most {MOST} bytes; got a longer one; make the agent answer shorter")]
    ]
    assert list(reading.end()) == []


def test_text_that_is_streamed_has_no_bound():
    body = stream_of(*[chunk({"content": "x" * 100})] * 100, chunk({}, "stop"))
    assert len(text_in(read(body, STREAM, most_buffered=MOST))) == 10_000


@pytest.mark.parametrize("content_type", [JSON, STREAM])
def test_an_answer_of_the_largest_size_is_read(content_type):
    answer = json.dumps(completion({"content": "Hi"})).encode()
    line = b"data: " + answer
    body = line + b"\n\n" if content_type == STREAM else answer
    most = len(line) if content_type == STREAM else len(body)
    assert text_in(read(body, content_type, most_buffered=most)) == "Hi"
    assert text_in(read(body, content_type, most_buffered=most - 1)) is None


def test_the_bound_is_ten_megabytes():
    reading = open_reading(JSON, Path.parse("a"))
    assert list(reading.feed(b"x" * 10_000_000)) == []
    assert [type(event) for event in reading.feed(b"x")] == [Violation]
