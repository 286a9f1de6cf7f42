"""Our formats over HTTP keep to what third parties' are asked to."""

import json

import pytest
from a2a_agents import New, Old
from http_agents import SETUP_URL, URL, VALUES, calling
from http_replies import STREAM, chunk, completion, function_call, message, output_text, response, stream_of

from coval_load.codecs.dialects.a2a.format import A2AFormat
from coval_load.codecs.dialects.http_chat import HttpAgentFormat
from coval_load.codecs.events import (
    AgentFailed,
    ConversationEnded,
    MessageIgnored,
    ReplyPending,
    TextChunkReceived,
    TextReceived,
    ToolCallReceived,
    UsageReceived,
)
from coval_load.testing import HttpExample, check_http_dialect

HI = [TextReceived("Hi"), UsageReceived(19, 10)]
CALL = ToolCallReceived("c-1", "look_up", '{"order": 7}')


def example(answer, *events):
    return HttpExample(json.dumps(answer).encode(), events)


def streamed(*datas, events):
    return HttpExample(stream_of(*datas), events, STREAM)


COMPLETIONS = [
    example(completion({"role": "assistant", "content": "Hi"}), *HI),
    example(calling(("c-1", "look_up", '{"order": 7}')), CALL),
    example({"message": "Hi", "error": "no"}, AgentFailed("the agent reported an error: no")),
    streamed(
        chunk({"content": "H"}),
        chunk({"content": "ï"}),
        chunk({"tool_calls": [{"index": 0, "id": "c-1", "function": {"name": "look_up", "arguments": "{}"}}]}),
        chunk({}, "tool_calls"),
        events=[TextChunkReceived("Hï"), ToolCallReceived("c-1", "look_up", "{}")],
    ),
]
RESPONSES = [
    example(response(message(output_text("Hi"))), TextReceived("Hi"), UsageReceived(36, 87)),
    example(response(function_call("c-1", "look_up", '{"order": 7}')), UsageReceived(36, 87), CALL),
]


def latest(request):
    return json.loads(request.body)["messages"][-1]["content"]


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
def test_chat_completions(stream):
    format_ = HttpAgentFormat(URL, openai_compatible=True, model="m", system_prompt="Be brief", stream=stream)
    check_http_dialect(format_, VALUES, COMPLETIONS, read_text=latest, most_runs=8)


def test_the_responses_api():
    format_ = HttpAgentFormat(URL, response_format="responses", authorization={"Authorization": "Bearer x"})
    check_http_dialect(format_, VALUES, RESPONSES, read_text=latest, most_runs=8)


def test_an_api_of_its_own():
    format_ = HttpAgentFormat(
        URL,
        initialization_endpoint=SETUP_URL,
        initialization_payload={"id": "{{simulation_id}}"},
        custom_headers={"X-Session": "{{sessionId}}", "X-Made": "{{init_response.made.by}}"},
        custom_data={"account": "{{test_case.account_id}}", "region": "{{init_response.region}}"},
        input_template='{"all": {{messages}}, "last": "{{latest_message}}", "data": {{custom_data}}}',
        payload_wrapper="request",
        response_message_path="answer.text",
        tool_call_extraction_config={"tool_calls_path": "tools", "name_path": "called", "arguments_path": "with"},
    )
    check_http_dialect(
        format_,
        VALUES,
        [
            example({"answer": {"text": "Hi"}}, TextReceived("Hi")),
            example({"tools": [{"called": "look_up", "with": {"a": 1}}]}, ToolCallReceived("", "look_up", '{"a":1}')),
        ],
        initialization=b'{"sessionId": "s-1", "made": {"by": "x"}, "region": null}',
        read_text=lambda request: json.loads(request.body)["request"]["last"],
        most_runs=8,
    )


def result(of, *events):
    """The agent's answer to a request, whose id it has."""
    return HttpExample(lambda request: _answer(request, of), events)


def results(*of, events):
    return HttpExample(lambda request: b"".join(b"data: %s\n\n" % _answer(request, one) for one in of), events, STREAM)


def _answer(request, of):
    request_id = json.loads(request.body)["id"] if request.body else None
    return json.dumps({"jsonrpc": "2.0", "id": request_id, "result": of}, ensure_ascii=False).encode()


def heard(request):
    return json.loads(request.body)["params"]["message"]["parts"][0]["text"]


def progress(state):
    return MessageIgnored(f"the task is {state}: progress, not a reply")


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("v", [Old, New], ids=["0.3", "1.0"])
def test_a2a(v, stream):
    format_ = A2AFormat(
        URL,
        authorization={"Authorization": "Bearer x"},
        custom_headers={"X-Run": "{{run_id}}"},
        custom_data={"tier": "{{init_response.tier}}"},
        initialization_endpoint=SETUP_URL,
        initialization_payload={"grant_type": "client_credentials"},
        stream=stream,
    )
    card = {"supportedInterfaces": [{"url": URL, "protocolVersion": v.version}]}
    check_http_dialect(
        format_,
        VALUES,
        [
            result(v.message("Hi"), TextReceived("Hi")),
            result(v.task("working"), ReplyPending()),
            result(v.task("input-required", "Hi"), TextReceived("Hi")),
            result(v.task("canceled"), ConversationEnded("task state canceled")),
            results(
                v.task("working"),
                v.piece("H"),
                v.piece("ï", append=True),
                v.update("completed"),
                events=[progress("working"), TextChunkReceived("Hï")],
            ),
        ],
        discovered=json.dumps(card).encode(),
        initialization=b'{"access_token": "t-1", "tier": "gold"}',
        read_text=heard,
        most_runs=8,
    )
