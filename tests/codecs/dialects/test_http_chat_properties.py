"""Text over HTTP: whatever is said, called and configured, the body is the JSON of a plain model of it all."""

import json

import orjson
from http_agents import SETUP_URL, URL, VALUES, T, calling, opened, read
from hypothesis import given
from hypothesis import strategies as st

from coval_load.codecs.dialects.http_chat import HttpAgentFormat, check
from coval_load.codecs.dialects.tool_results import ToolResult
from coval_load.codecs.templates import TemplateError

HOSTILE = ('"', "\\", '","x":"', "{{messages}}", "{{", "}}", "\n", "\0", "\ud800", "\U0001f600", "\udc00\ud800")
any_text = st.text(st.characters(exclude_categories=()), max_size=20) | st.sampled_from(HOSTILE)
# What comes out of an answer in JSON holds no half characters.
plain_text = st.text(max_size=12)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | any_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3),
    max_leaves=8,
)
answered = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | plain_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)
a_call = st.tuples(plain_text, plain_text.filter(bool), plain_text)
a_round = st.tuples(plain_text, st.lists(a_call, min_size=1, max_size=2), any_text)
# A turn: what the caller says, rounds of (text, calls, results), and the agent's last text.
turns = st.lists(st.tuples(any_text, st.lists(a_round, max_size=2), any_text), max_size=4)
formats = st.sampled_from(["chat_completions", "responses"])


def as_said(value):
    match value:
        case str():
            return "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in value)
        case list():
            return [as_said(member) for member in value]
        case dict():
            return {as_said(key): as_said(member) for key, member in value.items()}
        case _:
            return value


class Model:
    """The history as anybody would write it down, encoded anew for each request."""

    def __init__(self, response_format, stamps):
        self.is_responses, self.stamps, self.messages = response_format == "responses", stamps, []

    def add(self, **message):
        self.messages.append(message | ({"timestamp": T[0]} if self.stamps else {}))

    def call(self, text, calls):
        if not self.is_responses:
            tool_calls = [
                {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}
                for id_, name, arguments in calls
            ]
            self.add(role="assistant", content=text, tool_calls=tool_calls)
            return
        if text:
            self.add(role="assistant", content=text)
        for id_, name, arguments in calls:
            self.add(type="function_call", call_id=id_, name=name, arguments=arguments)

    def give(self, calls, result):
        for id_, _, _ in calls:
            if self.is_responses:
                self.add(type="function_call_output", call_id=id_, output=as_said(result))
            else:
                self.add(role="tool", tool_call_id=id_, content=as_said(result))


def converse(chat, script, model):
    """Hold the conversation with both; gives (request, the model's messages) after each request."""
    for said, rounds, reply in script:
        model.add(role="user", content=as_said(said))
        yield chat.say(said, T[0]), list(model.messages)
        for text, calls, result in rounds:
            read(chat, calling(*calls, text=text))
            chat.heard(text, True, T[0])
            model.call(text, calls)
            model.give(calls, result)
            results = [ToolResult(id_, name, result) for id_, name, _ in calls]
            yield chat.give_results(results, T[0]), list(model.messages)
        chat.heard(reply, False, T[0])
        model.add(role="assistant", content=as_said(reply))


@given(turns, formats, st.booleans())
def test_a_standard_body_is_the_json_of_the_whole_history(script, response_format, stamps):
    agent = HttpAgentFormat(URL, response_format=response_format, strip_message_timestamps=not stamps)
    model = Model(response_format, stamps)
    for request, messages in converse(opened(agent), script, model):
        assert request.body == orjson.dumps({"messages": messages})


@given(turns, formats, any_text, st.none() | any_text.filter(bool), st.none() | st.dictionaries(any_text, json_values))
def test_wrapper_prompt_and_data_stand_around_the_history_as_they_were_given(script, format_, prompt, wrapper, data):
    agent = HttpAgentFormat(
        URL,
        openai_compatible=True,
        model="m",
        temperature=0.25,
        system_prompt=prompt,
        response_format=format_,
        custom_data={"given": {"in": data}},
        payload_wrapper=wrapper,
    )
    try:
        chat = opened(agent)
    except TemplateError:
        assert "{{" in json.dumps(data)
        return
    expected = {"model": "m", "input" if format_ == "responses" else "messages": None}
    for request, messages in converse(chat, script, Model(format_, stamps=True)):
        told = [{"role": "system", "content": as_said(prompt)}] if prompt and format_ != "responses" else []
        expected = {"model": "m", "input" if format_ == "responses" else "messages": told + messages}
        if prompt and format_ == "responses":
            expected["instructions"] = as_said(prompt)
        expected |= {"temperature": 0.25, "stream": False, "custom_data": {"given": {"in": as_said(data)}}}
        came = json.loads(request.body)
        assert came == (expected if wrapper is None else {as_said(wrapper): expected})


@given(st.dictionaries(st.sampled_from(["region", "limit"]), json_values, min_size=2), any_text, answered)
def test_no_value_is_looked_at_for_placeholders(attributes, text, found):
    agent = HttpAgentFormat(
        URL,
        initialization_endpoint=SETUP_URL,
        input_template='{"a": {{agent.region}}, "b": [{{agent.limit}}], "said": "{{latest_message}}",'
        '"all": {{messages}}, "found": {{found}}, "same": {{init_response.found}}, "data": {{custom_data}}}',
        custom_data={"region": "<{{agent.region}}>"},
        strip_message_timestamps=True,
    )
    chat = opened(agent, {"found": found}, {**VALUES, "agent": attributes})
    body = json.loads(chat.say(text, T[0]).body)
    data = body.pop("data")
    assert body == {
        "a": as_said(attributes["region"]),
        "b": [as_said(attributes["limit"])],
        "said": as_said(text),
        "all": [{"role": "user", "content": as_said(text)}],
        "found": found,
        "same": found,
    }
    if isinstance(attributes["region"], str):
        assert data == {"region": f"<{as_said(attributes['region'])}>"}
    else:
        assert json.loads(data["region"][1:-1]) == as_said(attributes["region"])


NAMES = (
    "messages",
    "latest_message",
    "sessionId",
    "custom_data",
    "custom_data.a",
    "custom_persona_data.b",
    "test_case.id",
    "test_case.items.1.a",
    "agent.nope",
    "persona.name",
    "run_id",
    "init_response",
    "init_response.a",
    "a",
    "b.c",
    "b.0",
    "nope",
)
pieces = st.sampled_from(("{", "}", '"', '"a":', ",", "[", "]", "1", " ", "x", "\\", '{"a":', "{{", "}}"))
templates = st.lists(pieces | st.sampled_from([f"{{{{{name}}}}}" for name in NAMES]), max_size=8).map("".join)
places = st.sampled_from([place.replace("NAME", name) for name in NAMES for place in ('"{{NAME}}"', "{{NAME}}")])
whole = st.lists(places, min_size=1, max_size=4).map(lambda members: f"[{', '.join(members)}]")


@given(templates | whole, st.dictionaries(st.sampled_from("ab"), answered), st.booleans(), any_text)
def test_a_template_gives_json_or_is_refused_before_the_conversation(template, answer, has_setup, text):
    agent = HttpAgentFormat(
        URL,
        initialization_endpoint=SETUP_URL if has_setup else None,
        input_template=template,
        custom_data={"a": "{{sessionId}}"},
        payload_wrapper="data",
    )
    complaints = check(agent)
    if complaints:
        ((field, message),) = complaints
        assert field == "input_template"
        assert message.startswith("invalid input template: ")
        return
    try:
        chat = opened(agent, answer if has_setup else None)
    except TemplateError as error:
        assert error.template == "input_template"
        return
    assert set(orjson.loads(chat.say(text, T[0]).body)) == {"data"}


@given(st.binary(max_size=40) | json_values.map(lambda value: json.dumps(value).encode()))
def test_no_answer_to_the_initialization_raises(answer):
    agent = HttpAgentFormat(URL, initialization_endpoint=SETUP_URL, custom_headers={"X-Session": "{{simulation_id}}"})
    chat = agent.open(VALUES)
    wrong = chat.initialized(answer)
    try:
        is_object = isinstance(orjson.loads(answer), dict)
    except orjson.JSONDecodeError:
        is_object = False
    assert (wrong is None) == is_object
    if wrong is None:
        assert orjson.loads(chat.say("Hello", T[0]).body)["messages"][0]["content"] == "Hello"
