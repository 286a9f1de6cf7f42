"""Templates: what is refused when read, and that what is rendered is JSON holding exactly what was given."""

import datetime
import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.codecs.templates import JsonTemplate, Template, TemplateError, fill_json

HOSTILE = ('"', "\\", '","x":"', "{{message}}", "}}", "\n", "\0", "\ud800", "\U0001f600", "\udc00\ud800")
any_text = st.text(st.characters(exclude_categories=()), max_size=30) | st.sampled_from(HOSTILE)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
# A template in which SAY stands for the placeholder, and where in its JSON the text is found.
PLACES = [
    ('{"text":"SAY"}', lambda said: said["text"]),
    (' { "a" : [ 1, {"b": "SAY"}, "x\\"y"] } ', lambda said: said["a"][1]["b"]),
    ('"SAY"', lambda said: said),
    ("SAY", lambda said: said),
    ('{"text": SAY}', lambda said: said["text"]),
    ('{"a":{"text":SAY}}', lambda said: said["a"]["text"]),
    ('[SAY,"\\\\",SAY]', lambda said: said[0] if said[0] == said[2] else None),
    ('{"SAY":0}', lambda said: next(iter(said))),
    ('{"esc\\"aped": "\\"SAY\\""}', lambda said: said['esc"aped'][1:-1]),
    ('{"text": "{{{SAY}"}', lambda said: said["text"][3:-1]),
    ('{"text": "{{\\"SAY}}"}', lambda said: said["text"][3:-2]),
]
SPELLINGS = ["{{message}}", "{{ message }}", "{{\tmessage }}"]


def as_said(text):
    return "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in text)


@given(st.sampled_from(PLACES), st.sampled_from(SPELLINGS), any_text)
def test_any_text_comes_out_of_any_valid_template_as_it_was(place, spelling, text):
    form, find = place
    template = Template.parse(form.replace("SAY", spelling), name="send_template", allowed=["message"])

    rendered = template.render({"message": text})

    assert find(json.loads(rendered)) == as_said(text)
    assert find(orjson.loads(rendered)) == as_said(text)
    assert orjson.dumps(as_said(text))[1:-1].join(template.around("message")) == rendered


@given(json_values)
def test_outside_of_a_string_a_value_is_its_json(value):
    template = Template.parse('{"messages": {{messages}}, "id": "{{id}}"}', name="input_template")
    said = json.loads(template.render({"messages": value, "id": "7"}))
    assert said == {"messages": value, "id": "7"}


@given(json_values.filter(lambda value: not isinstance(value, str)))
def test_inside_of_a_string_a_value_is_the_text_of_its_json(value):
    template = Template.parse('"{{agent.x}}"', name="send_template")
    assert json.loads(json.loads(template.render({"agent": {"x": value}}))) == value


@given(any_text, any_text)
def test_filling_in_two_steps_is_filling_at_once(first, second):
    template = Template.parse('{"a": "{{x}}{{y}}", "b": {{y}}, "{{ x }}": 1}', name="t")
    values = {"x": first, "y": second}
    assert template.partial({"x": first}).render({"y": second}) == template.render(values)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"text": "{{mesage}}"}', "{{mesage}}: no such name; expected one of message, agent.*"),
        ('{"text": "{{message.x}}"}', "{{message.x}}: no such name"),
        ('{"text": "{{agent}}"}', "{{agent}}: no such name"),
        ('{"text": "{{agents.x}}"}', "{{agents.x}}: no such name"),
        ('{"text": "{{}}"}', "{{}}: expected a name"),
        ('{"text": "{{ a b }}"}', "{{a b}}: expected a name"),
        ('{"text": "{{agent..x}}"}', "{{agent..x}}: expected a name"),
        ('{"text": "{{agent.}}"}', "{{agent.}}: expected a name"),
        ('{"text": hello {{message}}}', "expected text that is JSON"),
        ('{"text": 1{{message}}}', "expected text that is JSON"),
        ("{{{message}}: 1}", "expected text that is JSON"),
        ('{"text": "\\u00{{message}}"}', "expected text that is JSON"),
        ('{"text": "\\u{{message}}0000"}', "expected text that is JSON"),
        ('{"text": "\\{{message}}"}', "expected text that is JSON"),
        ('{"text": "\\ud83d{{message}}"}', "expected text that is JSON"),
        ('{"text": "{{message}}"', "expected text that is JSON"),
        ('{"text": "{{message}}",}', "expected text that is JSON"),
        ('{"text": "\ud83d"}', "expected text"),
        ("", "expected text that is JSON"),
        ("hello", "expected text that is JSON"),
    ],
)
def test_a_template_that_can_never_do_is_refused_when_read(text, problem):
    with pytest.raises(TemplateError) as caught:
        Template.parse(text, name="send_template", allowed=("message", "agent.*"))
    assert caught.value.template == "send_template"
    assert caught.value.detail.startswith(problem)
    assert str(caught.value) == f"send_template: {caught.value.detail}"


@given(st.text('{}" \\a.u0', max_size=25), any_text)
def test_what_is_taken_renders_as_json_and_what_is_not_is_a_template_error(text, value):
    try:
        template = Template.parse(text, name="t")
    except TemplateError:
        return
    values = {name.split(".")[0]: value for name in template.names if "." not in name}
    if all("." not in name for name in template.names):
        orjson.loads(template.render(values))


@pytest.mark.parametrize("values", [{}, {"agent": {}}, {"agent": {"x": {}}}, {"agent": "text"}, {"agent": None}])
def test_a_value_that_is_missing_is_an_error_that_names_both(values):
    template = Template.parse('{"a": "{{agent.x.y}}"}', name="send_template")
    with pytest.raises(TemplateError, match=r"^send_template: \{\{agent\.x\.y\}\}: no such value"):
        template.render(values)
    if values:
        with pytest.raises(TemplateError):
            template.partial(values)


def test_what_is_around_a_place_needs_all_other_places_filled():
    template = Template.parse('{"s":"{{sid}}","d":"{{audio_data}}"}', name="t")
    with pytest.raises(TemplateError):
        template.around("audio_data")
    assert b"AAAA".join(template.partial({"sid": "MZ"}).around("audio_data")) == b'{"s":"MZ","d":"AAAA"}'


@pytest.mark.parametrize(
    ("text", "is_raw"),
    [
        ("{{audio_data}}", True),
        ("{{ media_data }}", True),
        ('"{{audio_data}}"', False),
        ("{{message}}", False),
        ("[{{audio_data}}]", False),
        ("1", False),
    ],
)
def test_raw_is_the_placeholder_and_nothing_else(text, is_raw):
    assert Template.parse(text, name="t").is_raw is is_raw


def test_values_json_has_no_words_for_are_said_the_nearest_way():
    template = Template.parse("[{{v}}]", name="t")

    def say(value):
        return json.loads(template.render({"v": value}))[0]

    assert say(2**80) == 2**80
    assert say(float("nan")) is None
    assert say({1: "\ud800", None: [2**80]}) == {"1": "\ufffd", "null": [2**80]}
    assert say(["\udfff", float("inf"), datetime.date(2024, 1, 2)]) == ["\ufffd", None, "2024-01-02"]
    assert say([2**80, 1j]) == [2**80, "1j"]


def test_what_is_nested_too_deeply_is_an_error_and_no_crash():
    deep = []
    for _ in range(5000):
        deep = [deep]
    with pytest.raises(TemplateError, match="too deeply"):
        Template.parse("{{v}}", name="t").render({"v": deep})
    with pytest.raises(TemplateError, match="too deeply"):
        JsonTemplate.parse(deep, name="t")
    with pytest.raises(TemplateError, match="too deeply"):
        fill_json("{{v}}", {"v": deep})


def test_json_is_filled_at_any_depth_keys_included_and_strings_stay_strings():
    value = {"a": ["x{{ run_id }}y", {"{{run_id}}": "{{agent.age}}"}], "b": 5, "c": None, "{{": "}}"}
    filled = fill_json(value, {"run_id": "{{agent.age}}", "agent": {"age": 3}})
    assert filled == {
        "a": ["x{{agent.age}}y", {"{{agent.age}}": "3"}],
        "b": 5,
        "c": None,
        "{{": "}}",
    }


@given(json_values)
def test_json_without_placeholders_is_left_alone(value):
    try:
        filled = fill_json(value, {})
    except TemplateError:
        assert "{{" in json.dumps(value)
    else:
        assert filled == value


@given(any_text)
def test_text_put_into_json_is_that_text(text):
    assert fill_json(["{{x}}"], {"x": text}) == [text]


def test_unknown_names_in_json_are_refused_when_read():
    with pytest.raises(TemplateError, match=r"initialization_json: \{\{nope\}\}"):
        JsonTemplate.parse({"a": [{"{{nope}}": 1}]}, name="initialization_json", allowed=["run_id"])
    with pytest.raises(TemplateError, match=r"h: \{\{test_case\.x\}\}: no such value"):
        fill_json({"X-Case": "{{test_case.x}}"}, {"test_case": {}}, name="h")


def test_names_may_be_allowed_by_a_predicate():
    Template.parse("{{abc}}", name="t", allowed=str.isalpha)
    with pytest.raises(TemplateError):
        Template.parse("{{a1}}", name="t", allowed=str.isalpha)


def test_a_star_takes_every_path_whose_first_step_is_not_taken():
    allowed = ("messages", "agent.*", "*")
    for name in ("messages", "agent.x", "auth", "auth.token.0", "message"):
        Template.parse(f"{{{{{name}}}}}", name="t", allowed=allowed)
    for name in ("messages.0", "agent"):
        with pytest.raises(TemplateError, match="no such name; expected one of messages, agent"):
            Template.parse(f"{{{{{name}}}}}", name="t", allowed=allowed)


def test_json_tells_its_placeholders_by_name():
    template = JsonTemplate.parse({"{{ run_id }}": ["{{agent.x}}{{agent.x}}", {"a": "b"}, 5]}, name="t")
    assert template.names == {"run_id", "agent.x"}
