"""Chat Completions, whole and streamed: what OpenAI's API and servers that speak like it really send."""

import pytest
from http_replies import chunk, completion, read, read_stream

from coval_load.codecs.events import (
    AgentFailed,
    TextChunkReceived,
    TextReceived,
    ToolCallReceived,
    UsageReceived,
)

USAGE = UsageReceived(19, 10)
WEATHER = ToolCallReceived("call_abc", "get_weather", '{"city": "Rome"}')
TIME = ToolCallReceived("call_def", "get_time", "{}")


def call(call_id, name, arguments):
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def of(content=None, **more):
    return {"role": "assistant", "content": content, "refusal": None, "annotations": [], **more}


SHORT = {"choices": [{"message": {"role": "assistant", "content": "Hi"}}]}
WHOLE = [
    (completion(of("Hello!")), [TextReceived("Hello!"), USAGE]),
    (completion(of("")), [TextReceived(""), USAGE]),
    (completion(of(None, refusal="I can't.")), [TextReceived("I can't."), USAGE]),
    (
        completion(of([{"type": "text", "text": "Hel"}, {"type": "image_url"}, {"type": "text", "text": "lo"}])),
        [TextReceived("Hello"), USAGE],
    ),
    (completion(of([{"type": "refusal", "refusal": "No."}])), [TextReceived("No."), USAGE]),
    (
        completion(
            of(
                None,
                tool_calls=[call("call_abc", "get_weather", '{"city": "Rome"}'), call("call_def", "get_time", "{}")],
            ),
            "tool_calls",
        ),
        [USAGE, WEATHER, TIME],
    ),
    (
        completion(of("Let me see.", tool_calls=[call("call_def", "get_time", "{}")]), "tool_calls"),
        [TextReceived("Let me see."), USAGE, TIME],
    ),
    (completion(of("", tool_calls=[call("call_def", "get_time", "{}")])), [USAGE, TIME]),
    # arguments as an object, ids that are missing or numbers, the same call twice
    (completion(of(None, tool_calls=[call(7, "f", {"a": 1})]), usage=None), [ToolCallReceived("7", "f", '{"a":1}')]),
    (completion(of(None, tool_calls=[{"function": {"name": "f"}}]), usage=None), [ToolCallReceived("", "f", "")]),
    (completion(of(None, tool_calls=[call("call_def", "get_time", "{}")] * 2), usage=None), [TIME, TIME]),
    # the least that the documents show
    (SHORT, [TextReceived("Hi")]),
    ({**SHORT, "usage": {"prompt_tokens": 3}}, [TextReceived("Hi"), UsageReceived(3, None)]),
    ({**SHORT, "usage": {"prompt_tokens": True, "completion_tokens": -1}}, [TextReceived("Hi")]),
    ({**SHORT, "error": {"message": "passed over, as there is text"}}, [TextReceived("Hi")]),
]


@pytest.mark.parametrize(("answer", "expected"), WHOLE)
def test_whole(answer, expected):
    assert read(answer) == expected


FIRST = chunk({"role": "assistant", "content": "", "refusal": None})
STOP = chunk({}, "stop")
USED = chunk({}, choices=[], usage={"prompt_tokens": 19, "completion_tokens": 10, "total_tokens": 29})
AZURE = chunk(
    {}, choices=[], prompt_filter_results=[{"prompt_index": 0, "content_filter_results": {}}], id="", model=""
)

STREAMED = [
    (
        [FIRST, chunk({"content": "Hel"}), chunk({"content": "lo"}), STOP, USED],
        [TextChunkReceived("Hel"), TextChunkReceived("lo"), USAGE],
    ),
    ([AZURE, FIRST, chunk({"content": "Hi"}), STOP], [TextChunkReceived("Hi")]),
    (
        [FIRST, chunk({"refusal": "I can"}), chunk({"refusal": "'t."}), STOP],
        [TextChunkReceived("I can"), TextChunkReceived("'t.")],
    ),
    ([FIRST, STOP], [TextReceived("")]),
    ([chunk({"content": [{"type": "text", "text": "Hi"}]}, "stop")], [TextChunkReceived("Hi")]),
    # the usage told over and over: the last counts
    (
        [chunk({"content": "a"}, usage={"prompt_tokens": 19, "completion_tokens": 1}), chunk({}, "stop"), USED],
        [TextChunkReceived("a"), USAGE],
    ),
    ([USED, chunk({"content": "a"}), STOP], [TextChunkReceived("a"), USAGE]),
    # one whole answer in a stream, and one that repeats it
    ([completion(of("Hello!"))], [TextChunkReceived("Hello!"), USAGE]),
    ([{"choices": [{"delta": {}, "message": of("Hi"), "finish_reason": "stop"}]}], [TextChunkReceived("Hi")]),
    ([chunk({"content": "Hello!"}), completion(of("Hello!"))], [TextChunkReceived("Hello!"), USAGE]),
]


@pytest.mark.parametrize(("chunks", "expected"), STREAMED)
def test_streamed(chunks, expected):
    assert read_stream(*chunks) == expected


@pytest.mark.parametrize(("chunks", "expected"), STREAMED)
def test_a_finish_reason_is_end_enough(chunks, expected):
    assert read_stream(*chunks, done=False) == expected


def test_what_follows_done_is_passed_over():
    assert read_stream(chunk({"content": "a"}), "[DONE]", "{", chunk({"content": "b"})) == [TextChunkReceived("a")]


def test_done_is_end_enough():
    assert read_stream(chunk({"content": "a"})) == [TextChunkReceived("a")]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            {"message": "The server had an error", "type": "server_error", "param": None, "code": None},
            AgentFailed("the agent reported an error: The server had an error (server_error)"),
        ),
        (
            {"message": "Slow down", "type": "tokens", "code": "rate_limit_exceeded"},
            AgentFailed("the agent reported an error: Slow down (rate_limit_exceeded, tokens)", "rate_limit"),
        ),
        (
            {"message": "Provider returned error", "code": 429},
            AgentFailed("the agent reported an error: Provider returned error (429)", "rate_limit"),
        ),
        (
            {"message": "Incorrect API key provided: sk-***", "code": "invalid_api_key"},
            AgentFailed(
                "the agent reported an error: Incorrect API key provided: sk-*** (invalid_api_key)", "authentication"
            ),
        ),
        (
            {"message": "You are not authorized"},
            AgentFailed("the agent reported an error: You are not authorized", "authentication"),
        ),
        ({"code": 500}, AgentFailed("the agent reported an error: without a message (500)")),
        ("Too many requests", AgentFailed("the agent reported an error: Too many requests", "rate_limit")),
        ({"message": {"en": "bad"}}, AgentFailed('the agent reported an error: {"en":"bad"}')),
        (["bad\n"], AgentFailed('the agent reported an error: ["bad\\n"]')),
    ],
)
def test_errors(error, expected):
    assert read({"error": error}) == [expected]
    assert read_stream(FIRST, chunk({"content": "Hel"}), {"error": error}, chunk({"content": "lo"})) == [
        TextChunkReceived("Hel"),
        expected,
    ]


@pytest.mark.parametrize("error", [None, False, "", {}])
def test_an_empty_error_is_none(error):
    assert read(completion(of(""), error=error)) == [TextReceived(""), USAGE]


def test_an_error_that_only_is_so():
    assert read({"error": True, "message": "Out of order"}) == [
        AgentFailed("the agent reported an error: Out of order")
    ]


def test_long_errors_are_cut():
    (event,) = read({"error": {"message": "x" * 1000 + "\n"}})
    assert len(event.reason) < 400 and event.reason.endswith("x…")
