"""Requests to A2A agents: what is sent turn by turn, in both versions, and what loading refuses."""

import json
import uuid

import pytest
from a2a_agents import ENDPOINT, Old, answer, both, chat, read, stream
from hypothesis import given
from hypothesis import strategies as st

from coval_load.codecs.dialects.a2a.format import A2AFormat, check
from coval_load.codecs.events import ReplyPending, TextReceived
from coval_load.codecs.templates import TemplateError
from coval_load.reference.a2a_wording import Wording

VALUES = {
    "run_id": "run-1",
    "simulation_output_id": "sim-1",
    "simulation_id": "sim-1",
    "agent": {"team": "blue"},
    "test_case": {"account_id": "42"},
    "persona": {"name": "Ann"},
    "run_metadata": {},
}
TOKEN = "https://auth.example/token"
CREDENTIALS = {"grant_type": "client_credentials", "client_secret": "s3cret"}


def said(request):
    return json.loads(request.body)["params"]["message"]


def test_the_first_message_of_0_3():
    request = chat("0.3").say("Hi", "2026-01-01T00:00:00Z")
    assert (request.method, request.url) == ("POST", ENDPOINT)
    assert request.headers == (("Content-Type", "application/json"), ("Accept", "application/json"))
    message_id = said(request)["messageId"]
    assert uuid.UUID(message_id).version == 5
    assert json.loads(request.body) == {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "message/send",
        "params": {
            "message": {
                "kind": "message",
                "messageId": message_id,
                "role": "user",
                "parts": [{"kind": "text", "text": "Hi"}],
            },
            "configuration": {"acceptedOutputModes": ["text/plain"], "blocking": True},
        },
    }


def test_the_first_message_of_1_0():
    request = chat("1.0").say("Hi", "")
    assert ("A2A-Version", "1.0") in request.headers
    assert json.loads(request.body) == {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "SendMessage",
        "params": {
            "message": {
                "messageId": said(request)["messageId"],
                "role": "ROLE_USER",
                "parts": [{"text": "Hi"}],
            },
            "configuration": {"acceptedOutputModes": ["text/plain"]},
        },
    }


@both
def test_a_stream_is_asked_for_by_method_and_header(v):
    request = chat(v.version, stream=True).say("Hi", "")
    assert json.loads(request.body)["method"] == {"0.3": "message/stream", "1.0": "SendStreamingMessage"}[v.version]
    assert ("Accept", "text/event-stream") in request.headers


def test_ids_are_repeatable_and_told_apart_by_simulation_and_turn():
    def ids(simulation):
        dialect = A2AFormat(ENDPOINT, a2a_version="0.3").open({"simulation_output_id": simulation})
        return [said(dialect.say("Hi", ""))["messageId"] for _ in range(3)]

    assert ids("sim-1") == ids("sim-1")
    assert len({*ids("sim-1"), *ids("sim-2")}) == 6


def turns(dialect, *results, content_type="application/json"):
    """What of ids each next message has after each of the results."""
    for number, result in enumerate(results, start=1):
        dialect.say("Hi", "")
        body = answer(result, number) if content_type == "application/json" else stream(result, request_id=number)
        read(dialect, body, content_type)
        dialect.heard("…", False, "")
    message = said(dialect.say("Hi", ""))
    return message.get("contextId"), message.get("taskId")


@both
@pytest.mark.parametrize("content_type", ["application/json", "text/event-stream"])
def test_which_ids_go_with_the_next_message(v, content_type):
    def after(*results, **options):
        return turns(chat(v.version, **options), *results, content_type=content_type)

    assert after(v.task("input-required", "?")) == ("c-1", "t-1")
    assert after(v.task("completed", "ok")) == ("c-1", None)
    assert after(v.task("completed", "ok"), new_task_states=()) == ("c-1", "t-1")
    assert after(v.task("input-required", "?"), new_task_states=("TASK_STATE_INPUT_REQUIRED",)) == ("c-1", None)
    assert after(v.message("ok")) == (None, None)
    assert after(v.message("ok", contextId="c-2")) == ("c-2", None)
    assert after(v.task("input-required", "?"), v.message("ok")) == ("c-1", "t-1")
    assert after(v.task("completed", "?"), v.message("ok", contextId="c-2", taskId="t-2")) == ("c-2", None)
    assert after({"parts": [{"text": "ok"}], "contextId": 7, "taskId": ""}) == (None, None)


@both
def test_a_pending_reply_is_asked_for_by_the_tasks_id(v):
    dialect = chat(v.version)
    dialect.say("Hi", "")
    assert read(dialect, answer(v.task("submitted"))) == [ReplyPending()]
    request = dialect.ask_again()
    assert json.loads(request.body) == {
        "jsonrpc": "2.0",
        "id": 2,
        "method": {"0.3": "tasks/get", "1.0": "GetTask"}[v.version],
        "params": {"id": "t-1"},
    }
    assert ("Accept", "application/json") in request.headers
    assert read(dialect, answer(v.task("working"), 2)) == [ReplyPending()]
    dialect.ask_again()
    # 1.0 answers GetTask with the task as it is, not wrapped.
    bare = v.task("input-required", "Which?")
    assert read(dialect, answer(bare.get("task", bare), 3)) == [TextReceived("Which?")]
    assert said(dialect.say("That", ""))["taskId"] == "t-1"


def test_an_answer_that_is_read_twice_is_read_afresh():
    dialect = chat()
    dialect.say("Hi", "")
    body = answer(Old.task("completed", artifacts=[Old.artifact("Hello")]))
    assert read(dialect, body) == read(dialect, body) == [TextReceived("Hello")]


def test_headers_and_metadata_are_filled_and_overrule_in_order():
    agent = A2AFormat(
        ENDPOINT,
        a2a_version="1.0",
        authorization={"Authorization": "Basic abc"},
        custom_headers={
            "X-Sim": "{{simulation_output_id}}",
            "a2a-version": "1.0.1",
            "X-User": "{{init_response.user}}",
        },
        custom_data={"who": "{{persona.name}} of {{agent.team}}", "user": ["{{init_response.user}}", 1]},
        initialization_endpoint=TOKEN,
        initialization_payload=CREDENTIALS,
    )
    dialect = agent.open(VALUES)
    asked = dialect.initialization()
    assert ("Authorization", "Basic abc") in asked.headers
    assert dialect.initialized(b'{"access_token": "t0k", "user": 7}') is None
    request = dialect.say("Hi", "")
    assert request.headers == (
        ("Content-Type", "application/json"),
        ("Accept", "application/json"),
        ("a2a-version", "1.0.1"),
        ("Authorization", "Bearer t0k"),
        ("X-Sim", "sim-1"),
        ("X-User", "7"),
    )
    assert json.loads(request.body)["params"]["metadata"] == {"who": "Ann of blue", "user": ["7", 1]}
    read(dialect, answer(Old.task("working")))
    assert ("Authorization", "Bearer t0k") in dialect.ask_again().headers


def test_what_the_initialization_lacks_is_an_error():
    agent = A2AFormat(
        ENDPOINT, a2a_version="1.0", custom_headers={"X": "{{init_response.id}}"}, initialization_endpoint=TOKEN
    )
    with pytest.raises(TemplateError, match="no such value in the answer of initialization_endpoint"):
        agent.open(VALUES).initialized(b"{}")


@pytest.mark.parametrize(
    "options",
    [
        {"custom_headers": {"X": "{{test_case.no}}"}},
        {"custom_data": {"x": "{{test_case.no}} {{init_response.a}}"}},
        {"initialization_payload": {"x": "{{test_case.no}}"}},
    ],
)
def test_values_that_are_missing_are_found_when_it_is_opened(options):
    agent = A2AFormat(ENDPOINT, a2a_version="1.0", initialization_endpoint=TOKEN, **options)
    assert check(agent) == []
    with pytest.raises(TemplateError, match=r"test_case\.no"):
        agent.open(VALUES)


def test_no_initialization():
    dialect = A2AFormat(ENDPOINT, a2a_version="0.3", custom_headers={"X": "{{sessionId}}"}).open(VALUES)
    assert dialect.initialization() is None
    assert dialect.initialized(None) is None
    assert ("X", "sim-1") in dialect.say("Hi", "").headers


def test_tool_results_have_no_place():
    with pytest.raises(NotImplementedError):
        chat().give_results([], "")


def test_secrets_are_not_shown():
    agent = A2AFormat(
        ENDPOINT,
        authorization={"Authorization": "Bearer s3cret"},
        custom_headers={"X": "s3cret"},
        custom_data={"x": "s3cret"},
        initialization_endpoint=TOKEN,
        initialization_payload=CREDENTIALS,
    )
    dialect = agent.open(VALUES)
    dialect.initialized(b'{"access_token": "s3cret"}')
    for shown in (agent, dialect.initialization(), dialect.say("Hi", ""), *agent.discovery()):
        assert "s3cret" not in repr(shown)


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({}, []),
        ({"custom_data": {}, "initialization_endpoint": TOKEN, "initialization_payload": {"a": "{{persona.b}}"}}, []),
        ({"terminal_states": ("completed", "TASK_STATE_FAILED"), "new_task_states": ("input-required",)}, []),
        ({"terminal_states": ("over",)}, [("terminal_states", "got 'over'")]),
        ({"new_task_states": ("TASK_STATE_OVER",)}, [("new_task_states", "got 'TASK_STATE_OVER'")]),
        ({"custom_headers": {"X": "{{messages}}"}}, [("custom_headers.X", "{{messages}}: no such name")]),
        ({"custom_data": {"x": "{{messages}}"}}, [("custom_data", "{{messages}}: no such name")]),
        (
            {"custom_data": "text"},
            [("custom_data", "expected an object, as it is sent as params.metadata; got a string")],
        ),
        (
            {"initialization_endpoint": TOKEN, "initialization_payload": {"a": "{{sessionId}}"}},
            [("initialization_payload", "{{sessionId}}: no such name")],
        ),
        (
            {"initialization_endpoint": TOKEN, "initialization_payload": [1]},
            [("initialization_payload", "expected an object, whose keys are the form's; got an array")],
        ),
        ({"initialization_payload": {}}, [("initialization_payload", "set it, or remove this")]),
        (
            {"custom_headers": {"X": "{{init_response.a}}"}, "custom_data": {"x": "{{init_response.b}}"}},
            [
                ("custom_headers.X", "{{init_response.a}}: there is no answer to take it from; set init"),
                ("custom_data", "{{init_response.b}}: there is no answer to take it from; set init"),
            ],
        ),
    ],
)
def test_check(options, found):
    complaints = check(A2AFormat(ENDPOINT, **options))
    assert [field for field, _ in complaints] == [field for field, _ in found]
    for (_, message), (_, part) in zip(complaints, found, strict=True):
        assert part in message


@given(st.text(), st.sampled_from(["0.3", "1.0"]), st.dictionaries(st.text(), st.text(), max_size=3))
def test_an_agent_reads_what_was_said(text, version, metadata):
    plain = {name: value.replace("{{", "") for name, value in metadata.items() if "{{" not in name}
    dialect = chat(version, custom_data=plain)
    body = json.loads(dialect.say(text, "").body)
    incoming = Wording(version).read_message(body["params"])
    assert incoming.text == text
    assert incoming.metadata == plain
    assert Wording(version).methods[body["method"]] == "send"
