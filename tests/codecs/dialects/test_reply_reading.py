"""Answers over HTTP of any shape: where the text stands, how a conversation ends, and what can't be read."""

import pytest
from http_replies import (
    STREAM,
    chunk,
    completion,
    function_call,
    message,
    output_text,
    read,
    read_stream,
    response,
    stream_of,
)

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

ENDED = ConversationEnded("status: ended")
REFUND = ToolCallReceived("", "refund", '{"amount":3}')
ACTIONS = ToolCallExtraction.of({"tool_calls_path": "actions", "name_path": "do", "arguments_path": "with"})
ACTION = {"do": "refund", "with": {"amount": 3}}
CONTENT = "choices.0.message.content"
HELLO = completion({"role": "assistant", "content": "Hello!"})


def said(text):
    return {"choices": [{"message": {"content": text}}]}


def missing(path, why, where="the text stands"):
    return Violation(
        f"Could not extract message from path '{path}' in response: {why}; set response_message_path to where {where}"
    )


def broken_off(characters):
    return Violation(
        f"the stream broke off after {characters} characters: expected a finish_reason, [DONE] or "
        "response.completed at its end, and got none; look for a timeout between the agent and here"
    )


WITH_A_PATH = [
    ("data.response.text", {"data": {"response": {"text": "Hi"}}}, [TextReceived("Hi")]),
    ("data.results.0.output.text", {"data": {"results": [{"output": {"text": "Hi"}}]}}, [TextReceived("Hi")]),
    ("choices.0.message", said("Hi"), [TextReceived("Hi")]),
    (CONTENT, said([{"type": "text", "text": "Hi"}]), [TextReceived("Hi")]),
    ("reply", {"reply": ""}, [TextReceived("")]),
    ("", "Hi", [TextReceived("Hi")]),
    ("0", ["Hi"], [TextReceived("Hi")]),
    # in preference to the usual places, and nowhere else
    ("reply", {"reply": "Hi", **said("not this")}, [TextReceived("Hi")]),
    ("reply", said("not this"), [missing("reply", "at the top there is no 'reply' but 'choices'")]),
    # all else is read by its shape
    (
        "reply",
        {"reply": "Hi", **completion({"tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{}"}}]})},
        [TextReceived("Hi"), UsageReceived(19, 10), ToolCallReceived("c", "f", "{}")],
    ),
    (
        "output.0.content.0.text",
        response(message(output_text("Hi")), function_call("c", "f", "{}")),
        [TextReceived("Hi"), UsageReceived(36, 87), ToolCallReceived("c", "f", "{}")],
    ),
    ("reply", {"reply": "Bye", "status": "ended"}, [TextReceived("Bye"), ENDED]),
    ("reply", {"error": {"message": "Bad"}}, [AgentFailed("the agent reported an error: Bad")]),
    ("reply", {"reply": "Hi", "error": {"message": "Bad"}}, [TextReceived("Hi")]),
]


@pytest.mark.parametrize(("path", "answer", "expected"), WITH_A_PATH)
def test_with_a_path(path, answer, expected):
    assert read(answer, path=path) == expected


ENDS = [
    ({**said("Bye"), "status": "ended"}, [TextReceived("Bye"), ENDED]),
    ({**said(None), "status": "ended"}, [ENDED]),
    ({**said(""), "status": "ended"}, [ENDED]),
    ({"status": "ended"}, [ENDED]),
    ({**said("Hi"), "status": "active"}, [TextReceived("Hi")]),
    ({**said("Hi"), "status": "ENDED"}, [TextReceived("Hi")]),
    ({**said("Hi"), "status": {"ended": True}}, [TextReceived("Hi")]),
    ({**said("Hi"), "data": {"status": "ended"}}, [TextReceived("Hi")]),
    (response(message(output_text("Bye")), status="ended", usage=None), [TextReceived("Bye"), ENDED]),
    ({"status": "ended", "error": {"message": "Bad"}}, [AgentFailed("the agent reported an error: Bad")]),
]


@pytest.mark.parametrize(("answer", "expected"), ENDS)
def test_the_end_of_a_conversation(answer, expected):
    assert read(answer) == expected


def test_extracted_tool_calls():
    usual = completion({"content": "", "tool_calls": [{"id": "c", "function": {"name": "f"}}]}, usage=None)
    assert read({**usual, "actions": [ACTION]}, extraction=ACTIONS) == [REFUND]
    assert read({**usual, "actions": []}, extraction=ACTIONS) == [ToolCallReceived("c", "f", "")]
    assert read({"reply": "Done.", "actions": ACTION}, path="reply", extraction=ACTIONS) == [
        TextReceived("Done."),
        REFUND,
    ]


NAMELESS = completion({"content": None, "tool_calls": [{"function": {"name": ""}}, 5]}, usage=None)
UNREADABLE = [
    ({"choices": []}, None, "at 'choices' there is an empty array"),
    ({"choices": None}, None, "at 'choices' there is null"),
    ({"choices": [None]}, None, "at 'choices.0' there is null"),
    ({"choices": [{"text": "x", "index": 0}]}, None, "at 'choices.0' there is no 'message' but 'text', 'index'"),
    (said(None), None, "got null there, expected a string"),
    (said(5), None, "got a number there, expected a string"),
    (said([]), None, "got an empty array there, expected a string"),
    (said({}), None, "got an empty object there, expected a string"),
    ({}, None, "at the top there is an empty object"),
    ([], None, "at the top there is an empty array"),
    ([1, 2], None, "at the top there is an array of 2, which has no 'choices'"),
    ("Hello", None, "at the top there is a string"),
    ("", None, "at the top there is an empty string"),
    ({"reply": "Hi"}, None, "at the top there is no 'choices' but 'reply'"),
    (
        dict.fromkeys("abcdefghij"),
        None,
        "at the top there is no 'choices' but 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', …",
    ),
    ({"data": {"text": ["a"]}}, "data.text.1", "at 'data.text' there is an array of 1, which has no '1'"),
    ({"data": {"text": True}}, "data.text", "got a boolean there, expected a string"),
    ({"message": {"role": "assistant"}}, "message", "got an object there, expected a string"),
    (5, "", "got a number there, expected a string"),
    (NAMELESS, None, "got null there, expected a string"),
]


@pytest.mark.parametrize(("answer", "path", "why"), UNREADABLE)
def test_no_text(answer, path, why):
    assert read(answer, path=path) == [missing(CONTENT if path is None else path, why)]


def test_a_long_path_is_cut():
    (event,) = read({"a": 1}, path="x." * 100_000)
    assert len(event.reason) < 600


NOT_JSON = [
    (
        b"<html>oops</html>",
        "text/html; charset=utf-8",
        "got '<html>oops</html>' as 'text/html'; return JSON with Content-Type: application/json",
    ),
    (
        b'{"choices": [{"mess',
        "application/json",
        'got \'{"choices": [{"mess\'; return JSON with Content-Type: application/json',
    ),
    (b"", "application/json", "expected JSON; got an empty body; return JSON with Content-Type: application/json"),
    (
        b" \n",
        "",
        "expected JSON; got an empty body without a Content-Type; return JSON with Content-Type: application/json",
    ),
    (
        b"data: {}\n\n",
        "application/json",
        "got 'data: {}\\n\\n'; return Content-Type: text/event-stream if this is a stream",
    ),
]


@pytest.mark.parametrize(("body", "content_type", "why"), NOT_JSON)
def test_no_json(body, content_type, why):
    (event,) = read(body, content_type)
    assert event.reason.startswith("Invalid JSON response from endpoint: ")
    assert event.reason.endswith(why)


@pytest.mark.parametrize("body", [b"\xff\xfe", b'{"a": "\xff"}', b"[" * 5_000, b"1" * 5_000, b"{} {}", b"\x00" * 999])
def test_what_json_is_not(body):
    (event,) = read(body)
    assert event.reason.startswith("Invalid JSON response from endpoint: ")
    assert len(event.reason) < 400


@pytest.mark.parametrize("content_type", ["text/plain", "text/html", "", "Application/JSON; charset=UTF-8", "a/b+json"])
def test_json_of_whatever_content_type(content_type):
    assert read(HELLO, content_type) == read(HELLO)


def test_a_byte_order_mark_is_passed_over():
    assert read(b'\xef\xbb\xbf{"reply": "Hi"}', path="reply") == [TextReceived("Hi")]


OWN_STREAMS = [
    (["Hel", "lo"], [TextChunkReceived("Hel"), TextChunkReceived("lo")]),
    (["Hel", "", "lo"], [TextChunkReceived("Hel"), TextChunkReceived("lo")]),
    ([""], [TextReceived("")]),
]


@pytest.mark.parametrize("done", [True, False])
@pytest.mark.parametrize(("pieces", "expected"), OWN_STREAMS)
def test_a_stream_of_its_own_shape_needs_no_end(pieces, expected, done):
    data = [{"delta": {"text": piece}} for piece in pieces]
    assert read_stream(*data, done=done, path="delta.text") == expected


def test_a_stream_of_its_own_shape_has_all_else_too():
    data = [{"t": "Hel"}, {"actions": [ACTION]}, {"t": "lo", "status": "ended"}, {"usage": {"input_tokens": 3}}]
    found = [TextChunkReceived("Hel"), REFUND, TextChunkReceived("lo"), ENDED]
    assert read_stream(*data, done=False, path="t", extraction=ACTIONS) == found
    counted = [{"t": "a"}, {"usage": {"prompt_tokens": 3, "completion_tokens": 1}}]
    assert read_stream(*counted, done=False, path="t") == [TextChunkReceived("a"), UsageReceived(3, 1)]


def test_text_is_taken_from_the_path_or_from_the_usual_places_but_not_from_both():
    usual = [chunk({"content": "Hel"}), chunk({"content": "lo"}, "stop")]
    # Some options describe the whole answer of a server that streams.
    assert read_stream(*usual, path=CONTENT) == [TextChunkReceived("Hel"), TextChunkReceived("lo")]
    assert read_stream(*usual, {"t": "Hello"}, path="t") == [TextChunkReceived("Hel"), TextChunkReceived("lo")]
    assert read_stream({"t": "Hello"}, *usual, path="t") == [TextChunkReceived("Hello")]
    assert read_stream(usual[0], path="choices.0.delta.content", done=False) == [TextChunkReceived("Hel")]


def test_extracted_tool_calls_in_a_stream():
    assert read_stream({"actions": [ACTION]}, {"actions": ACTION}, done=False, extraction=ACTIONS) == [REFUND] * 2
    usual = chunk({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}]})
    assert read_stream({**usual, "actions": [ACTION]}, extraction=ACTIONS) == [REFUND]
    assert read_stream(usual, extraction=ACTIONS) == [ToolCallReceived("c", "f", "{}")]


STREAM_ENDS = [
    ([chunk({"content": "Bye"}), {"status": "ended"}], [TextChunkReceived("Bye"), ENDED]),
    ([{"status": "ended"}], [ENDED]),
    ([{"status": "ended"}, {"status": "ended"}], [ENDED]),
    ([chunk({"content": ""}), {"status": "ended"}], [ENDED]),
    ([chunk({"content": "Bye"}, "stop", status="ended")], [TextChunkReceived("Bye"), ENDED]),
]


@pytest.mark.parametrize(("data", "expected"), STREAM_ENDS)
def test_the_end_of_a_conversation_in_a_stream(data, expected):
    assert read_stream(*data, done=False) == expected


CALL = {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{"}}]}
DELTA = {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "Hello"}
ITEM = {"type": "response.output_item.done", "output_index": 0, "item": function_call("c", "f", "{}")}

BROKEN = [
    ([chunk({"content": "Hel"}), chunk({"content": "lo"})], [TextChunkReceived("Hel"), TextChunkReceived("lo")], 5),
    ([chunk({"content": ""})], [], 0),
    ([chunk({"content": None, **CALL})], [], 0),
    ([DELTA], [TextChunkReceived("Hello")], 5),
    ([ITEM], [], 0),
]


@pytest.mark.parametrize(("data", "before", "characters"), BROKEN)
def test_a_stream_that_breaks_off(data, before, characters):
    assert read_stream(*data, done=False) == [*before, broken_off(characters)]


def test_half_a_call_in_a_known_format_is_broken_off_whatever_the_path():
    data = [chunk({"content": "Hi"}), chunk(CALL)]
    assert read_stream(*data, done=False, path="choices.0.delta.content") == [TextChunkReceived("Hi"), broken_off(2)]


WHERE = "each piece of the text stands"
SILENT = [
    ([], True, None, "the stream had no data"),
    ([], False, None, "the stream had no data"),
    ([{}], True, None, "no event of the stream had any text, in the last one at the top there is an empty object"),
    (
        [{"text": "Hi"}],
        False,
        None,
        "no event of the stream had any text, in the last one at the top there is no 'choices' but 'text'",
    ),
    (
        [chunk({"role": "assistant"}), chunk({}, "stop")],
        True,
        None,
        "no event of the stream had any text, in the last one at 'choices.0.delta' there is an empty object",
    ),
    (
        [{"text": "Hi"}],
        True,
        "delta.text",
        "no event of the stream had any text, in the last one at the top there is no 'delta' but 'text'",
    ),
]


@pytest.mark.parametrize(("data", "done", "path", "why"), SILENT)
def test_a_stream_without_text(data, done, path, why):
    assert read_stream(*data, done=done, path=path) == [missing(path or CONTENT, why, WHERE)]


def test_what_in_a_stream_is_no_json():
    whole = stream_of(chunk({"content": "Hi"}), chunk({"content": " there"}), done=False)
    *before, event = read(whole[:-20], STREAM)
    assert before == [TextChunkReceived("Hi")]
    assert event.reason.startswith("Invalid JSON response from endpoint: ")
    assert event.reason.endswith("; send JSON as the data of each event")
    (event,) = read(b"data: hello\n\ndata: there\n\n", STREAM)
    assert event.reason.startswith("Invalid JSON response from endpoint: ")
    assert event.reason.endswith("; got 'hello'; send JSON as the data of each event")


def test_an_event_named_error():
    assert read(b"event: error\ndata: Too many requests\n\n", STREAM) == [
        AgentFailed("the agent reported an error: Too many requests", "rate_limit")
    ]
    assert read(b'event: error\ndata: {"message": "Bad", "code": 17}\n\n', STREAM) == [
        AgentFailed("the agent reported an error: Bad (17)")
    ]
    assert read(b'event: error\ndata: {"type": "error", "error": {"type": "overloaded_error"}}\n\n', STREAM) == [
        AgentFailed("the agent reported an error: without a message (overloaded_error)")
    ]


def test_events_without_data_are_passed_over():
    body = b": ping\n\ndata:\n\nevent: done\ndata: \n\n" + stream_of(chunk({"content": "Hi"}))
    assert read(body, STREAM) == [TextChunkReceived("Hi")]


def test_text_comes_as_soon_as_it_is_there():
    reading = open_reading("Text/Event-Stream")
    first = stream_of(chunk({"content": "Hi"}), done=False)
    assert list(reading.feed(first[:-1])) == []
    assert list(reading.feed(first[-1:])) == [TextChunkReceived("Hi")]
    assert list(reading.feed(stream_of())) == []
    assert list(reading.end()) == []
