"""The Responses API, whole and streamed: what OpenAI's API and servers that speak like it really send."""

import pytest
from http_replies import STREAM, function_call, message, output_text, read, response, response_stream_of

from coval_load.codecs.events import AgentFailed, TextChunkReceived, TextReceived, ToolCallReceived, UsageReceived

USAGE = UsageReceived(36, 87)
WEATHER = ToolCallReceived("call_abc", "get_weather", '{"city":"Rome"}')
TIME = ToolCallReceived("call_def", "get_time", "{}")
REASONING = {"type": "reasoning", "id": "rs_1", "summary": []}
HELLO = message(output_text("Hello!"))
WEATHER_ITEM = function_call("call_abc", "get_weather", '{"city":"Rome"}')
TIME_ITEM = function_call("call_def", "get_time", "{}")
SERVER_ERROR = {"code": "server_error", "message": "The model failed"}


def failed(reason, cause="agent"):
    return AgentFailed(f"the agent reported an error: {reason}", cause)


WHOLE = [
    (response(HELLO), [TextReceived("Hello!"), USAGE]),
    (response(REASONING, HELLO), [TextReceived("Hello!"), USAGE]),
    (response(message(output_text("Hel"), output_text("lo!"))), [TextReceived("Hello!"), USAGE]),
    (response(message(output_text("Hel")), message(output_text("lo!"))), [TextReceived("Hello!"), USAGE]),
    (response(message({"type": "refusal", "refusal": "No."})), [TextReceived("No."), USAGE]),
    (response(message(output_text(""))), [TextReceived(""), USAGE]),
    (response(WEATHER_ITEM, TIME_ITEM), [USAGE, WEATHER, TIME]),
    (response(HELLO, TIME_ITEM), [TextReceived("Hello!"), USAGE, TIME]),
    (response(function_call("c", "f", {"a": 1}), usage=None), [ToolCallReceived("c", "f", '{"a":1}')]),
    (
        response(HELLO, status="incomplete", incomplete_details={"reason": "max_output_tokens"}),
        [TextReceived("Hello!"), USAGE],
    ),
    (
        response(REASONING, status="incomplete", incomplete_details={"reason": "max_output_tokens"}),
        [USAGE, failed("the response is incomplete: max_output_tokens")],
    ),
    (response(status="cancelled", usage=None), [failed("the response is cancelled")]),
    (response(status="failed", error=SERVER_ERROR, usage=None), [failed("The model failed (server_error)")]),
    (response(HELLO, status="failed", error=SERVER_ERROR, usage=None), [failed("The model failed (server_error)")]),
    (
        response(status="failed", error={"code": "rate_limit_exceeded", "message": "Slow down"}, usage=None),
        [failed("Slow down (rate_limit_exceeded)", "rate_limit")],
    ),
    (response(status="failed", usage=None), [failed("the response failed")]),
    ({"output": [{"type": "message", "content": [{"type": "output_text", "text": "Hi"}]}]}, [TextReceived("Hi")]),
    ({"output": [{"type": "message", "content": "Hi"}]}, [TextReceived("Hi")]),
]


@pytest.mark.parametrize(("answer", "expected"), WHOLE)
def test_whole(answer, expected):
    assert read(answer) == expected


CREATED = {"type": "response.created", "response": response(status="in_progress", usage=None)}
IN_PROGRESS = {"type": "response.in_progress", "response": response(status="in_progress", usage=None)}


def part(event_type, **more):
    return {"type": f"response.{event_type}", "item_id": "msg_1", "output_index": 0, "content_index": 0, **more}


def delta(text):
    return part("output_text.delta", delta=text, logprobs=[], obfuscation="aBc")


def completed(*output, **more):
    return {"type": "response.completed", "response": response(*output, **more)}


def item(event_type, value, index=0):
    return {"type": f"response.output_item.{event_type}", "output_index": index, "item": value}


def arguments(event_type, index=0, **more):
    event = {"type": f"response.function_call_arguments.{event_type}", "output_index": index}
    return {**event, "item_id": "fc_call_abc", **more}


def begun(call):
    return {**call, "arguments": "", "status": "in_progress"}


TEXT_DONE = part("output_text.done", text="Hello!", logprobs=[])
PART_DONE = part("content_part.done", part=output_text("Hello!"))
CHUNKS = [TextChunkReceived("Hel"), TextChunkReceived("lo!")]

STREAMED = [
    (
        [
            CREATED,
            IN_PROGRESS,
            item("added", {**message(), "status": "in_progress"}),
            part("content_part.added", part=output_text("")),
            delta("Hel"),
            delta("lo!"),
            TEXT_DONE,
            PART_DONE,
            item("done", HELLO),
            completed(HELLO),
        ],
        [*CHUNKS, USAGE],
    ),
    ([CREATED, delta("Hel"), delta("lo!"), completed()], [*CHUNKS, USAGE]),
    # without deltas, the text stands in what comes first of the rest
    ([CREATED, completed(HELLO)], [TextChunkReceived("Hello!"), USAGE]),
    ([CREATED, item("done", HELLO), completed(HELLO)], [TextChunkReceived("Hello!"), USAGE]),
    ([TEXT_DONE, PART_DONE, item("done", HELLO), completed(HELLO)], [TextChunkReceived("Hello!"), USAGE]),
    ([item("done", HELLO), item("done", HELLO, 1), completed()], [TextChunkReceived("Hello!")] * 2 + [USAGE]),
    # refusals
    (
        [
            part("refusal.delta", delta="N"),
            part("refusal.delta", delta="o."),
            part("refusal.done", refusal="No."),
            completed(message({"type": "refusal", "refusal": "No."}), usage=None),
        ],
        [TextChunkReceived("N"), TextChunkReceived("o.")],
    ),
    ([part("refusal.done", refusal="No."), completed(usage=None)], [TextChunkReceived("No.")]),
    # nothing said at all
    ([delta(""), completed(message(output_text("")), usage=None)], [TextReceived("")]),
    # function calls
    (
        [
            CREATED,
            item("added", begun(WEATHER_ITEM)),
            arguments("delta", delta='{"city"'),
            item("added", begun(TIME_ITEM), 1),
            arguments("delta", delta=':"Rome"}'),
            arguments("delta", 1, delta="{}"),
            arguments("done", arguments='{"city":"Rome"}'),
            arguments("done", 1, arguments="{}"),
            item("done", WEATHER_ITEM),
            item("done", TIME_ITEM, 1),
            completed(WEATHER_ITEM, TIME_ITEM),
        ],
        [WEATHER, TIME, USAGE],
    ),
    ([completed(WEATHER_ITEM, TIME_ITEM)], [WEATHER, TIME, USAGE]),
    ([item("done", WEATHER_ITEM), item("done", TIME_ITEM, 1), completed(usage=None)], [WEATHER, TIME]),
    (
        [
            item("added", begun(WEATHER_ITEM)),
            arguments("delta", delta='{"city":'),
            arguments("delta", delta='"Rome"}'),
            arguments("done", name="get_weather", arguments='{"city":"Rome"}'),
            completed(usage=None),
        ],
        [WEATHER],
    ),
    (
        [
            item("added", begun(WEATHER_ITEM), None),
            arguments("done", None, arguments='{"city":"Rome"}'),
            item("added", begun(TIME_ITEM), None),
            arguments("delta", None, delta="{}"),
            completed(usage=None),
        ],
        [WEATHER, TIME],
    ),
    ([delta("Hello!"), item("done", TIME_ITEM, 1), completed(usage=None)], [TextChunkReceived("Hello!"), TIME]),
    # other ends
    (
        [
            delta("Hello!"),
            {
                "type": "response.incomplete",
                "response": response(status="incomplete", incomplete_details={"reason": "max_output_tokens"}),
            },
        ],
        [TextChunkReceived("Hello!"), USAGE],
    ),
    (
        [{"type": "response.incomplete", "response": {"incomplete_details": {"reason": "content_filter"}}}],
        [failed("the response is incomplete: content_filter")],
    ),
    (
        [
            delta("Hello!"),
            {"type": "response.failed", "response": response(status="failed", error=SERVER_ERROR)},
            delta("more"),
        ],
        [TextChunkReceived("Hello!"), failed("The model failed (server_error)")],
    ),
    ([{"type": "response.failed"}], [failed("the response failed")]),
    (
        [CREATED, {"type": "error", "code": "rate_limit_exceeded", "message": "Slow down", "param": None}],
        [failed("Slow down (rate_limit_exceeded)", "rate_limit")],
    ),
    (
        [{"type": "error", "error": {"type": "server_error", "message": "The model failed"}}],
        [failed("The model failed (server_error)")],
    ),
]


@pytest.mark.parametrize(("events", "expected"), STREAMED)
def test_streamed(events, expected):
    assert read(response_stream_of(*events), STREAM) == expected


def test_a_response_object_in_a_stream():
    body = b'data: {"object": "response", "status": "completed", "output": [{"type": "message", "content": "Hi"}]}\n\n'
    assert read(body, STREAM) == [TextChunkReceived("Hi")]
    assert read(body.replace(b"completed", b"failed"), STREAM) == [
        TextChunkReceived("Hi"),
        failed("the response failed"),
    ]


@pytest.mark.parametrize("status", ["completed", "in_progress", "queued", "incomplete"])
def test_the_status_of_a_response_ends_no_conversation(status):
    assert read(response(HELLO, status=status)) == [TextReceived("Hello!"), USAGE]
