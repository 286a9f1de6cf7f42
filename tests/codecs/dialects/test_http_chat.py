"""Text over HTTP, what is asked: the body of each documented protocol and pattern, and the headers that go with it."""

import json

import attrs
import pytest
from http_agents import SETUP_URL, URL, VALUES, T, calling, opened, read

from coval_load.codecs.dialects.http_chat import HttpAgentFormat
from coval_load.codecs.dialects.tool_results import ToolResult
from coval_load.codecs.events import TextReceived, ToolCallReceived
from coval_load.codecs.templates import TemplateError

STANDARD = HttpAgentFormat(URL)
MODEL = HttpAgentFormat(
    URL,
    openai_compatible=True,
    strip_message_timestamps=True,
    model="gpt-4o",
    temperature=1.0,
    system_prompt="Be brief.",
)


def user(text, at):
    return {"role": "user", "content": text, "timestamp": T[at]}


def assistant(text, at):
    return {"role": "assistant", "content": text, "timestamp": T[at]}


def second_body(agent, answer=None):
    """What is sent with the caller's second message."""
    chat = opened(agent, answer)
    chat.say("Hello", T[0])
    chat.heard("Hi, who are you?", False, T[1])
    return json.loads(chat.say('I am "Anna"\n{{sessionId}}', T[2]).body)


SPOKEN = [user("Hello", 0), assistant("Hi, who are you?", 1), user('I am "Anna"\n{{sessionId}}', 2)]
BARE = [{key: value for key, value in message.items() if key != "timestamp"} for message in SPOKEN]
INSTRUCTED = [{"role": "system", "content": "Be brief."}, *BARE]
CUSTOM = {"plan": "gold", "{{agent.region}}": ["{{test_case.account_id}}", 5, None]}
FILLED = {"plan": "gold", "eu": ["42", 5, None]}

BODIES = [
    (STANDARD, {"messages": SPOKEN}),
    (attrs.evolve(STANDARD, strip_message_timestamps=True), {"messages": BARE}),
    (attrs.evolve(STANDARD, stream=True), {"messages": SPOKEN, "stream": True}),
    (
        attrs.evolve(STANDARD, custom_data=CUSTOM, custom_persona_data={"mood": "{{persona.name}} {{sessionId}}"}),
        {"messages": SPOKEN, "custom_data": FILLED, "custom_persona_data": {"mood": "anna sim-1"}},
    ),
    (attrs.evolve(STANDARD, custom_data={}), {"messages": SPOKEN, "custom_data": {}}),
    (attrs.evolve(STANDARD, response_format="responses"), {"messages": SPOKEN}),
    # What a model alone needs is sent to no other agent.
    (attrs.evolve(STANDARD, model="m", system_prompt="s", temperature=0.5, max_tokens=3), {"messages": SPOKEN}),
    (MODEL, {"model": "gpt-4o", "messages": INSTRUCTED, "temperature": 1.0, "stream": False}),
    (
        attrs.evolve(MODEL, max_tokens=300, temperature=0.0, stream=True, custom_data=CUSTOM),
        {
            "model": "gpt-4o",
            "messages": INSTRUCTED,
            "temperature": 0.0,
            "max_tokens": 300,
            "stream": True,
            "stream_options": {"include_usage": True},
            "custom_data": FILLED,
        },
    ),
    (
        attrs.evolve(MODEL, system_prompt=None, strip_message_timestamps=False),
        {"model": "gpt-4o", "messages": SPOKEN, "temperature": 1.0, "stream": False},
    ),
    (
        attrs.evolve(MODEL, response_format="responses", max_tokens=300, stream=True),
        {
            "model": "gpt-4o",
            "input": BARE,
            "instructions": "Be brief.",
            "temperature": 1.0,
            "max_output_tokens": 300,
            "stream": True,
        },
    ),
    (
        attrs.evolve(MODEL, response_format="responses", system_prompt=""),
        {"model": "gpt-4o", "input": BARE, "temperature": 1.0, "stream": False},
    ),
    # The prompt of a model is lost in no template.
    (attrs.evolve(MODEL, response_format="responses", input_template="{{messages}}"), INSTRUCTED),
    # A key that looks like a placeholder is a key.
    (attrs.evolve(STANDARD, payload_wrapper='{{run_id}} "'), {'{{run_id}} "': {"messages": SPOKEN}}),
]


@pytest.mark.parametrize(("agent", "body"), BODIES)
def test_the_body_of_a_request(agent, body):
    came = second_body(agent)
    assert came == body
    if isinstance(body, dict):
        assert list(came) == list(body)


SESSION = {
    "sessionId": "abc",
    "conversationId": 17,
    "auth": {"token": "t0ken", "scopes": ["read", "write"]},
    "messages": "of the answer",
    "agent": {"region": "of the answer"},
}

PATTERNS = {
    "1: OpenAI-compatible API": (
        attrs.evolve(STANDARD, authorization={"Authorization": "Bearer sk-1"}, strip_message_timestamps=True),
        None,
        {"Authorization": "Bearer sk-1"},
        {"messages": BARE},
    ),
    "2: API with session initialization": (
        attrs.evolve(
            STANDARD,
            initialization_endpoint=SETUP_URL,
            initialization_payload={"user": "{{persona.user_id}}"},
            custom_headers={"X-Session-ID": "{{sessionId}}", "X-Token": "Token {{init_response.auth.token}}"},
            custom_data={"session": "{{sessionId}}", "n": "{{init_response.conversationId}}"},
        ),
        SESSION,
        {"X-Session-ID": "abc", "X-Token": "Token t0ken"},
        {"messages": SPOKEN, "custom_data": {"session": "abc", "n": "17"}},
    ),
    "3: custom API format with template": (
        attrs.evolve(
            STANDARD,
            input_template='{"input": "{{latest_message}}", "session": "{{sessionId}}", "history": {{messages}}, '
            '"customer": {{custom_data}}, "plan": "{{custom_data.plan}}", "id": "{{simulation_output_id}}"}',
            custom_data={"plan": "gold"},
        ),
        None,
        {},
        {
            "input": 'I am "Anna"\n{{sessionId}}',
            "session": "sim-1",
            "history": SPOKEN,
            "customer": {"plan": "gold"},
            "plan": "gold",
            "id": "sim-1",
        },
    ),
    "4: API with payload wrapper": (
        attrs.evolve(STANDARD, payload_wrapper="data", custom_data={"plan": "gold"}),
        None,
        {},
        {"data": {"messages": SPOKEN, "custom_data": {"plan": "gold"}}},
    ),
    "5: complex custom format": (
        attrs.evolve(
            STANDARD,
            initialization_endpoint=SETUP_URL,
            input_template="""{
                "conversation": {"id": {{init_response.conversationId}}, "scopes": {{auth.scopes}}},
                "first": "{{auth.scopes.0}}",
                "said": {{latest_message}}, "text": "{{messages}}",
                "case": {"items": {{test_case.items}}, "account": "{{test_case.account_id}}"},
                "quote": "{{test_case.quote}}",
                "region": "{{agent.region}}", "limit": {{agent.limit}}, "custom": {{custom_data}},
                "tenant": "{{custom_persona_data.tenant}}", "bare": {{conversationId}}, "whole": {{init_response}}
            }""",
            custom_persona_data={"tenant": "{{init_response.conversationId}}/{{run_id}}"},
            payload_wrapper="request",
            strip_message_timestamps=True,
        ),
        SESSION,
        {},
        {
            "request": {
                "conversation": {"id": 17, "scopes": ["read", "write"]},
                "first": "read",
                "said": 'I am "Anna"\n{{sessionId}}',
                "text": json.dumps(BARE, separators=(",", ":")),
                "case": {"items": [1, {"a": None}], "account": "42"},
                "quote": 'say "hi"\\',
                "region": "eu",
                "limit": 7,
                "custom": {},
                "tenant": "17/run-1",
                "bare": 17,
                "whole": SESSION,
            }
        },
    ),
}


@pytest.mark.parametrize(("agent", "answer", "headers", "body"), PATTERNS.values(), ids=PATTERNS)
def test_the_documented_patterns(agent, answer, headers, body):
    chat = opened(agent, answer)
    chat.say("Hello", T[0])
    chat.heard("Hi, who are you?", False, T[1])
    request = chat.say('I am "Anna"\n{{sessionId}}', T[2])

    assert (request.method, request.url) == ("POST", URL)
    assert dict(request.headers) == {"Content-Type": "application/json", "Accept": "application/json", **headers}
    assert json.loads(request.body) == body


def test_headers_go_out_once_and_the_users_own_are_preferred():
    agent = HttpAgentFormat(
        URL,
        authorization={"Authorization": "Bearer secret"},
        custom_headers={"content-type": "application/json; charset=utf-8", "X-Region": "{{agent.region}}"},
        stream=True,
    )
    request = opened(agent).say("Hello", T[0])
    assert sorted(request.headers) == [
        ("Accept", "application/json, text/event-stream"),
        ("Authorization", "Bearer secret"),
        ("X-Region", "eu"),
        ("content-type", "application/json; charset=utf-8"),
    ]


CALLS = [("call_1", "look_up", '{"id": 5}'), ("call_2", "wait", "{}")]
RESULTS = [ToolResult("call_1", "look_up", '{"found": true}'), ToolResult("call_2", "wait", "")]


def after_results(agent, text):
    chat = opened(agent)
    chat.say("Hello", T[0])
    read(chat, calling(*CALLS, text=text))
    chat.heard(text or "", True, T[1])
    first = chat.give_results(RESULTS, T[2])
    assert chat.ask_again() == first
    chat.heard("Found it.", False, T[3])
    return json.loads(first.body), json.loads(chat.say("Thanks", T[4]).body)


@pytest.mark.parametrize("text", [None, "One moment."])
def test_results_of_tools_in_chat_completions(text):
    called = [
        {"id": "call_1", "type": "function", "function": {"name": "look_up", "arguments": '{"id": 5}'}},
        {"id": "call_2", "type": "function", "function": {"name": "wait", "arguments": "{}"}},
    ]
    given = [
        user("Hello", 0),
        {"role": "assistant", "content": text or "", "tool_calls": called, "timestamp": T[1]},
        {"role": "tool", "tool_call_id": "call_1", "content": '{"found": true}', "timestamp": T[2]},
        {"role": "tool", "tool_call_id": "call_2", "content": "", "timestamp": T[2]},
    ]
    first, last = after_results(STANDARD, text)
    assert first == {"messages": given}
    assert last == {"messages": [*given, assistant("Found it.", 3), user("Thanks", 4)]}


@pytest.mark.parametrize("text", [None, "One moment."])
@pytest.mark.parametrize(("agent", "key"), [(STANDARD, "messages"), (MODEL, "input")])
def test_results_of_tools_in_responses(agent, key, text):
    given = [
        {"role": "user", "content": "Hello"},
        *([{"role": "assistant", "content": text}] if text else []),
        {"type": "function_call", "call_id": "call_1", "name": "look_up", "arguments": '{"id": 5}'},
        {"type": "function_call", "call_id": "call_2", "name": "wait", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_1", "output": '{"found": true}'},
        {"type": "function_call_output", "call_id": "call_2", "output": ""},
    ]
    agent = attrs.evolve(agent, response_format="responses", strip_message_timestamps=True)
    first, last = after_results(agent, text)
    assert first[key] == given
    assert last[key][len(given) :] == [
        {"role": "assistant", "content": "Found it."},
        {"role": "user", "content": "Thanks"},
    ]


def test_calls_without_results_are_left_out_since_servers_refuse_them():
    chat = opened(STANDARD)
    chat.say("Hello", T[0])
    read(chat, calling(*CALLS, text="One moment."))
    chat.heard("One moment.", False, T[1])
    assert json.loads(chat.say("Well?", T[2]).body)["messages"] == [
        user("Hello", 0),
        assistant("One moment.", 1),
        user("Well?", 2),
    ]


@attrs.frozen
class Paths:
    tool_calls_path: str = "actions"
    id_path: str | None = None
    name_path: str = "do"
    arguments_path: str = "with"


@pytest.mark.parametrize(("config", "call_id"), [(Paths(), ""), (attrs.asdict(Paths(id_path="nr")), "7")])
def test_answers_of_the_agents_own_shape_are_read_where_the_options_say(config, call_id):
    agent = attrs.evolve(STANDARD, response_message_path="data.0.say", tool_call_extraction_config=config)
    chat = opened(agent)
    chat.say("Hello", T[0])
    answer = {"data": [{"say": "One moment."}], "actions": [{"nr": 7, "do": "look_up", "with": {"id": 5}}]}
    call = ToolCallReceived(call_id, "look_up", '{"id":5}')
    assert read(chat, answer) == [TextReceived("One moment."), call]
    chat.heard("One moment.", True, T[1])
    (_, called) = json.loads(chat.give_results([], T[2]).body)["messages"]
    assert called["tool_calls"] == [
        {"id": call_id, "type": "function", "function": {"name": "look_up", "arguments": '{"id":5}'}}
    ]


def test_only_the_calls_of_the_last_answer_are_kept():
    chat = opened(STANDARD)
    chat.say("Hello", T[0])
    read(chat, calling(CALLS[0]))
    read(chat, calling(CALLS[1]))
    chat.heard("", True, T[1])
    (_, called) = json.loads(chat.give_results([], T[2]).body)["messages"]
    assert [call["id"] for call in called["tool_calls"]] == ["call_2"]


def test_the_latest_message_is_the_callers_also_after_results():
    template = '["{{latest_message}}", {{ latest_message }}, {{messages}}]'
    chat = opened(attrs.evolve(STANDARD, input_template=template))
    chat.say("Hello", T[0])
    read(chat, calling(*CALLS))
    chat.heard("", True, T[1])
    assert json.loads(chat.give_results(RESULTS, T[2]).body)[:2] == ["Hello", "Hello"]
    assert json.loads(chat.say("Bye", T[3]).body)[:2] == ["Bye", "Bye"]


def test_results_need_a_template_that_sends_the_history():
    chat = opened(attrs.evolve(STANDARD, input_template='["{{latest_message}}"]'))
    chat.say("Hello", T[0])
    read(chat, calling(*CALLS))
    chat.heard("", True, T[1])
    with pytest.raises(TemplateError, match="results of tools are sent in the history"):
        chat.give_results(RESULTS, T[2])


def test_two_simulations_share_nothing():
    agent = attrs.evolve(STANDARD, custom_data={"account": "{{test_case.account_id}}"})
    first, second = opened(agent), opened(agent, values={**VALUES, "test_case": {"account_id": "43"}})
    first.say("Hello", T[0])
    assert json.loads(second.say("Hi", T[1]).body) == {"messages": [user("Hi", 1)], "custom_data": {"account": "43"}}
    assert json.loads(first.ask_again().body) == {"messages": [user("Hello", 0)], "custom_data": {"account": "42"}}


def test_no_secret_is_in_a_repr():
    agent = HttpAgentFormat(
        URL,
        authorization={"Authorization": "Bearer s3cret"},
        custom_headers={"X-Key": "s3cret"},
        custom_data={"key": "s3cret"},
        custom_persona_data={"key": "s3cret"},
        initialization_endpoint=SETUP_URL,
        initialization_payload={"key": "s3cret"},
        input_template='{"key": "s3cret", "messages": {{messages}}}',
    )
    chat = opened(agent, {"token": "s3cret"})
    shown = [agent, agent.payload, agent.headers, agent.initialization, chat]
    shown += [chat.initialization(), chat.say("Hello", T[0]), chat.read("application/json")]
    assert "s3cret" not in repr(shown)
