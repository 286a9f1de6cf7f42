"""An input template given as an object says what its text would."""

import datetime
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.agents.options.input_template import InputTemplate
from coval_load.codecs.templates import Template
from coval_load.limits import Wrong

VALUES = {
    "messages": [{"role": "user", "content": 'a "quoted" {{sessionId}}'}],
    "latest_message": 'a "quoted"\n\\ message {{messages}}',
    "sessionId": "s-1",
    "custom_data": {"n": 1.5, "none": None, "yes": True, "list": []},
}
NAMES = ["messages", "latest_message", "sessionId", "custom_data.n", "custom_data.none", "custom_data.yes"]
PLACEHOLDER = re.compile(r'\{\{([^{}"\\]*)\}\}')


def read(raw):
    return InputTemplate().read(raw)


def rendered(text):
    return json.loads(Template.parse(text, name="input_template").render(VALUES))


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({}, "{}"),
        ({"messages": "{{messages}}"}, '{"messages": {{messages}}}'),
        ({"m": "{{ messages }}"}, '{"m": {{ messages }}}'),
        ({"m": "{{messages}} "}, '{"m": "{{messages}} "}'),
        ({"m": "{{a}}{{b}}"}, '{"m": "{{a}}{{b}}"}'),
        ({"{{a}}": "b"}, '{"{{a}}": "b"}'),
        ({"a": [1, True, None, "ä\n", ["{{x.y}}"]]}, '{"a": [1, true, null, "ä\\n", [{{x.y}}]]}'),
        ({"a": "say {{\tx\n}}"}, '{"a": "say {{x}}"}'),
        ({"a": '{{"x"}}'}, '{"a": "{{\\"x\\"}}"}'),
    ],
)
def test_the_text_of_an_object(given, text):
    assert read(given) == text


@pytest.mark.parametrize("text", ["", "[", '{"messages": {{messages}}}', '{"messages": "{{messages}}"}'])
def test_text_is_left_as_it_was_written(text):
    assert read(text) == text


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (5, "JSON text with placeholders, or an object"),
        (["{{messages}}"], "JSON text with placeholders, or an object"),
        ({"a": datetime.date(2024, 1, 1)}, "an object of JSON values only"),
        ({5: 1}, "an object of JSON values only"),
        ({"a": float("nan")}, "an object of JSON values only"),
    ],
)
def test_what_is_none(given, expected):
    assert read(given) == Wrong(expected, given)


def filled(value):
    """What an object is to become, said another way: placeholders filled in parsed JSON."""
    if isinstance(value, dict):
        return {filled_text(key): filled(child) for key, child in value.items()}
    if isinstance(value, list):
        return [filled(child) for child in value]
    if isinstance(value, str):
        whole = PLACEHOLDER.fullmatch(value)
        return found(whole[1]) if whole else filled_text(value)
    return value


def filled_text(text):
    return PLACEHOLDER.sub(lambda match: as_text(found(match[1])), text)


def found(name):
    value = VALUES
    for step in name.strip().split("."):
        value = value[step]
    return value


def as_text(value):
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="{}"))
STRINGS = st.lists(
    st.one_of(
        TEXT,
        st.sampled_from(NAMES).map("{{{{{}}}}}".format),
        st.sampled_from(NAMES).map("{{{{ {}\n}}}}".format),
    ),
    max_size=3,
).map("".join)
SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
OBJECTS = st.dictionaries(
    STRINGS,
    st.recursive(
        SCALARS | STRINGS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
        max_leaves=8,
    ),
    max_size=4,
)


@given(OBJECTS)
def test_an_object_is_filled_as_its_placeholders_say(given):
    assert rendered(read(given)) == filled(given)


@given(OBJECTS)
def test_the_text_of_an_object_is_a_template_of_its_own(given):
    text = read(given)
    assert read(text) == text
    assert rendered(read(text)) == rendered(text)
