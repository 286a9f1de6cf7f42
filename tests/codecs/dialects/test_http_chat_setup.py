"""Text over HTTP, before the conversation: what loading refuses, the initialization, and what its answer may lack."""

import json

import pytest
from http_agents import SETUP_URL, URL, VALUES, T, opened

from coval_load.codecs.dialects.http_chat import HttpAgentFormat, check
from coval_load.codecs.templates import TemplateError


def agent(**options):
    return HttpAgentFormat(URL, **options)


def with_setup(**options):
    return agent(initialization_endpoint=SETUP_URL, **options)


GOOD = [
    agent(),
    agent(initialization_payload={}),
    agent(input_template='{"m": {{messages}}, "l": "{{latest_message}}", "c": {{custom_data}}}'),
    agent(input_template='{"c": "{{custom_data.plan}}"}', custom_data={"plan": "{{sessionId}}"}),
    agent(custom_headers={"X-Id": "{{sessionId}} {{persona.user_id}}"}),
    with_setup(input_template='{"a": {{any.nested.path}}, "b": {{one}}, "c": {{init_response}}}'),
    with_setup(custom_headers={"X-Id": "{{init_response.id}}"}, custom_data={"id": "{{init_response.id}}"}),
]

BAD = [
    (
        agent(input_template='{"text": hello {{latest_message}}}'),
        "input_template",
        ["invalid input template: expected text that is JSON", "quote a placeholder only where its value is text"],
    ),
    (agent(input_template='{"a": "{{messages}}"'), "input_template", ["invalid input template: expected text that is"]),
    (
        agent(input_template='{"a": "{{conversation_id}}"}'),
        "input_template",
        ["invalid input template: {{conversation_id}}: no such name; expected one of latest_message, messages, "],
    ),
    (agent(input_template='"{{init_response.id}}"'), "input_template", ["{{init_response.id}}: no such name"]),
    (agent(input_template='"{{agent}}"'), "input_template", ["{{agent}}: no such name"]),
    (with_setup(input_template='"{{messages.0.content}}"'), "input_template", ["{{messages.0.content}}: no such name"]),
    (with_setup(input_template='"{{persona}}"'), "input_template", ["{{persona}}: no such name"]),
    (agent(initialization_payload={"a": 1}), "initialization_payload", ["sent nowhere: set initialization_endpoint"]),
    (
        with_setup(initialization_payload={"a": "{{sessionId}}"}),
        "initialization_payload",
        ["{{sessionId}}: no such name"],
    ),
    (agent(custom_data={"a": "{{messages}}"}), "custom_data", ["{{messages}}: no such name"]),
    (agent(custom_persona_data={"{{x}}": 1}), "custom_persona_data", ["{{x}}: no such name"]),
    (agent(custom_headers={"X-Id": "{{latest_message}}"}), "custom_headers.X-Id", ["{{latest_message}}: no such name"]),
    (
        agent(custom_headers={"X-Id": "{{init_response.id}}"}),
        "custom_headers.X-Id",
        ["{{init_response.id}}: expected an initialization_endpoint, whose answer fills it; set one"],
    ),
    (agent(custom_data=["{{init_response.id}}"]), "custom_data", ["{{init_response.id}}: expected an initialization"]),
]


@pytest.mark.parametrize("good", GOOD)
def test_what_loading_takes(good):
    assert check(good) == []


@pytest.mark.parametrize(("bad", "field", "said"), BAD)
def test_what_loading_refuses(bad, field, said):
    ((where, message),) = check(bad)
    assert where == field
    for part in said:
        assert part in message


def test_loading_tells_of_everything_at_once():
    bad = agent(
        input_template="{",
        custom_headers={"X-Id": "{{init_response.id}}"},
        custom_data={"a": "{{x}}"},
        custom_persona_data={"a": "{{init_response.a}}"},
        initialization_payload={"a": "{{y}}"},
    )
    assert sorted({field for field, _ in check(bad)}) == [
        "custom_data",
        "custom_headers.X-Id",
        "custom_persona_data",
        "initialization_payload",
        "input_template",
    ]


def test_the_initialization_request():
    payload = {"user": "{{persona.user_id}}", "id": "{{simulation_output_id}}", "n": 5, "deep": [{"{{run_id}}": None}]}
    opening = with_setup(
        initialization_payload=payload,
        authorization={"X-API-Key": "k"},
        custom_headers={"X-Session": "{{sessionId}}", "X-Fixed": "1"},
        payload_wrapper="data",
        stream=True,
    )
    request = opening.open(VALUES).initialization()
    assert (request.method, request.url) == ("POST", SETUP_URL)
    assert json.loads(request.body) == {"user": "user-9", "id": "sim-1", "n": 5, "deep": [{"run-1": None}]}
    assert dict(request.headers) == {
        "Content-Type": "application/json",
        "Accept": "application/json",
        "X-API-Key": "k",
    }


def test_without_a_payload_an_empty_object_is_sent_and_without_an_endpoint_nothing():
    assert with_setup().open(VALUES).initialization().body == b"{}"
    assert with_setup(initialization_payload={}).open(VALUES).initialization().body == b"{}"
    chat = agent(initialization_payload={"a": 1}).open(VALUES)
    assert chat.initialization() is None
    assert chat.initialized(None) is None
    assert agent().discovery() == ()


@pytest.mark.parametrize(
    ("answer", "came"),
    [
        (b"", "an empty answer"),
        (None, "an empty answer"),
        (b"<html>s3cret</html>", "no JSON: "),
        (b'{"a": ', "no JSON: "),
        (b"\xff\xfe", "no JSON: "),
        (b"[1]", "an array"),
        (b'"s3cret"', "a string"),
        (b"null", "null"),
        (b"7", "a number"),
    ],
)
def test_an_answer_that_is_no_object_is_told_and_not_shown(answer, came):
    wrong = with_setup().open(VALUES).initialized(answer)
    start = f"Invalid JSON response from endpoint {SETUP_URL}: expected a JSON object; got {came}"
    assert wrong.startswith(start)
    assert "s3cret" not in wrong


@pytest.mark.parametrize(
    ("answer", "session_id"),
    [
        ({"sessionId": "abc"}, "abc"),
        ({"sessionId": 17}, "17"),
        ({"sessionId": ""}, "sim-1"),
        ({"sessionId": None}, "sim-1"),
        ({"sessionId": {"a": 1}}, "sim-1"),
        ({"session": {"sessionId": "abc"}}, "sim-1"),
        ({}, "sim-1"),
    ],
)
def test_the_session_id_is_that_of_the_answer_or_else_the_simulations(answer, session_id):
    chat = opened(with_setup(input_template='"{{sessionId}}"', custom_headers={"X-Session": "{{sessionId}}"}), answer)
    request = chat.say("Hello", T[0])
    assert json.loads(request.body) == session_id
    assert ("X-Session", session_id) in request.headers


LACKING = [
    ({"input_template": '"{{init_response.auth.token}}"'}, "input_template", "init_response.auth.token"),
    ({"input_template": '"{{auth.token}}"'}, "input_template", "auth.token"),
    ({"input_template": "[{{other}}]"}, "input_template", "other"),
    (
        {"custom_headers": {"X-Token": "{{init_response.auth.token}}"}},
        "custom_headers.X-Token",
        "init_response.auth.token",
    ),
    ({"custom_data": ["{{init_response.other}}"]}, "custom_data", "init_response.other"),
    ({"custom_persona_data": ["{{init_response.x}}"]}, "custom_persona_data", "init_response.x"),
]


@pytest.mark.parametrize(("options", "template", "placeholder"), LACKING)
def test_what_the_answer_lacks_is_told_before_the_conversation(options, template, placeholder):
    chat = with_setup(**options).open(VALUES)
    with pytest.raises(TemplateError, match="no such value in the answer of initialization_endpoint") as caught:
        chat.initialized(b'{"auth": {"id": 5}}')
    assert (caught.value.template, caught.value.placeholder) == (template, placeholder)


MISSING = [
    ({"input_template": '"{{test_case.nope}}"'}, "input_template", "test_case.nope"),
    ({"input_template": '"{{custom_data.nope}}"', "custom_data": {"a": 1}}, "input_template", "custom_data.nope"),
    ({"input_template": '"{{custom_data.nope}}"'}, "input_template", "custom_data.nope"),
    ({"custom_data": {"a": "{{agent.nope}}"}}, "custom_data", "agent.nope"),
    ({"custom_data": ["{{sessionId}} {{agent.nope}}"]}, "custom_data", "agent.nope"),
    ({"custom_persona_data": {"a": "{{persona.nope.x}}"}}, "custom_persona_data", "persona.nope.x"),
    ({"custom_headers": {"X-A": "{{agent.nope}}"}}, "custom_headers.X-A", "agent.nope"),
    ({"custom_headers": {"X-A": "{{agent.limit}}"}}, "custom_headers.X-A", "agent.limit"),
]


@pytest.mark.parametrize(("options", "template", "placeholder"), MISSING)
@pytest.mark.parametrize("make", [agent, with_setup])
def test_what_the_simulation_lacks_is_told_when_it_is_opened(make, options, template, placeholder):
    with pytest.raises(TemplateError) as caught:
        make(**options).open(VALUES)
    assert (caught.value.template, caught.value.placeholder) == (template, placeholder)


@pytest.mark.parametrize("make", [agent, with_setup])
def test_a_persona_is_asked_for_like_everything_else(make):
    nobody = {name: value for name, value in VALUES.items() if name != "persona"}
    with pytest.raises(
        TemplateError, match=r"^input_template: \{\{persona\.name\}\}: no such value in this simulation"
    ):
        make(input_template='"{{persona.name}}"').open(nobody)


def test_a_payload_of_the_initialization_needs_its_values_too():
    with pytest.raises(TemplateError, match=r"^initialization_payload: \{\{persona\.nope\}\}: no such value"):
        with_setup(initialization_payload={"a": "{{persona.nope}}"}).open(VALUES)


def test_custom_data_that_waits_for_the_answer_is_asked_for_only_then():
    options = {"input_template": '"{{custom_data.id}}"', "custom_data": {"id": "{{init_response.id}}"}}
    assert json.loads(opened(with_setup(**options), {"id": 5}).say("Hello", T[0]).body) == "5"
    chat = with_setup(input_template='"{{custom_data.nope}}"', custom_data={"id": "{{sessionId}}"}).open(VALUES)
    with pytest.raises(TemplateError, match=r"\{\{custom_data\.nope\}\}"):
        chat.initialized(b"{}")


def test_custom_data_that_a_template_does_not_ask_for_is_ignored():
    ignored = with_setup(input_template="{{messages}}", custom_data={"id": "{{init_response.id}}"})
    assert opened(ignored, {}).say("Hello", T[0]).body.startswith(b"[{")
