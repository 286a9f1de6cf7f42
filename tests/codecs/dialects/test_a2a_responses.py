"""JSON-RPC errors of A2A agents, and answers that are no responses."""

import json

import pytest
from a2a_agents import New, Old, answer, both, chat, read

from coval_load.codecs.events import (
    AgentFailed,
    TextReceived,
    Violation,
)

ERRORS = {
    -32700: "parse error",
    -32600: "invalid request",
    -32601: "method not found",
    -32602: "invalid params",
    -32603: "internal error",
    -32001: "task not found",
    -32002: "task not cancelable",
    -32003: "push notifications not supported",
    -32004: "unsupported operation",
    -32005: "content type not supported",
    -32006: "invalid agent response",
    -32007: "extended agent card not configured",
    -32008: "extension required",
    -32009: "version not supported",
    -32050: "server error of the agent's own",
    17: "error of the agent's own",
}


@both
@pytest.mark.parametrize("code", ERRORS)
@pytest.mark.parametrize("request_id", [1, None])
@pytest.mark.parametrize("is_stream", [False, True])
def test_errors_are_told_apart(v, code, request_id, is_stream):
    dialect = chat(v.version, stream=is_stream)
    dialect.say("Hi", "")
    body = json.dumps({"jsonrpc": "2.0", "id": request_id, "error": {"code": code, "message": "so it is"}}).encode()
    for content_type, whole in (("application/json", body), ("text/event-stream", b"data: " + body + b"\n\n")):
        [event] = read(dialect, whole, content_type)
        assert isinstance(event, AgentFailed)
        assert event.cause == "agent"
        assert event.reason.startswith(f"JSON-RPC error {code} ({ERRORS[code]}): 'so it is'")


@pytest.mark.parametrize(
    ("v", "options", "code", "within_task", "advice"),
    [
        (Old, {}, -32601, False, 'if the agent speaks 1.0, set a2a_version to "1.0"'),
        (New, {}, -32601, False, 'if the agent speaks 0.3, set a2a_version to "0.3"'),
        (New, {"stream": True}, -32601, False, 'set a2a_version to "0.3", or stream to false if it streams nothing'),
        (New, {}, -32009, False, 'A2A 1.0 was spoken: set a2a_version to "0.3"'),
        (Old, {}, -32004, True, "add the state it ended in to new_task_states, so that a new one is begun"),
        (Old, {"stream": True}, -32004, False, "set stream to false"),
        (Old, {}, -32001, True, "add the state it ended in to new_task_states"),
        (Old, {}, -32008, False, "send the extensions that it asks for as A2A-Extensions in custom_headers"),
    ],
)
def test_advice(v, options, code, within_task, advice):
    dialect = chat(v.version, **options)
    dialect.say("Hi", "")
    if within_task:
        read(dialect, answer(v.task("input-required", "?")))
        dialect.say("Hi", "")
    [event] = read(dialect, json.dumps({"id": None, "error": {"code": code}}).encode())
    assert event.reason.endswith(advice)
    assert not event.reason.endswith("()")


def test_data_of_an_error_is_shown_and_a_strange_code_too():
    dialect = chat()
    dialect.say("Hi", "")
    body = {"id": 1, "error": {"code": "E1", "message": 3, "data": {"field": "parts"}}}
    assert read(dialect, json.dumps(body).encode()) == [
        AgentFailed("""JSON-RPC error E1 (expected a whole number as code): '{"field":"parts"}'""")
    ]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<html>", "Invalid JSON response from endpoint: "),
        (b"", "Invalid JSON response from endpoint: "),
        (b"[]", "expected a JSON-RPC response, an object; got an array"),
        (b'{"id": 1}', "expected result or error in a JSON-RPC response; got neither"),
        (b'{"id": 1, "error": "no"}', "expected an object as error of a JSON-RPC response; got a string"),
        (
            b'{"id": 2, "result": {}}',
            "expected the id of the request, 1, in its answer (JSON-RPC 2.0, section 5); got 2",
        ),
        (b'{"id": "1", "result": {}}', "expected the id of the request, 1, in its answer"),
        (b'{"id": true, "result": {}}', "expected the id of the request, 1, in its answer"),
        (b'{"id": null, "result": {}}', "expected the id of the request, 1, in its answer"),
        (b'{"result": {}}', "expected the id of the request, 1, in its answer (JSON-RPC 2.0, section 5); got none"),
        (b'{"id": 9, "error": {"code": -32603}}', "expected the id of the request, 1, in its answer"),
    ],
)
def test_what_is_no_response(body, reason):
    dialect = chat()
    dialect.say("Hi", "")
    [event] = read(dialect, body)
    assert isinstance(event, Violation)
    assert event.reason.startswith(reason)
    if body:
        assert read(dialect, b"data: " + body + b"\n\n", "text/event-stream") == [event]


def test_a_null_error_beside_a_result_is_none():
    dialect = chat()
    dialect.say("Hi", "")
    assert read(dialect, answer(Old.message("Hello"), error=None)) == [TextReceived("Hello")]
