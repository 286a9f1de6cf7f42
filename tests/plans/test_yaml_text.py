"""YAML is read strictly."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.plans.yaml_text import read_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: no\nb: on\nc: yes", {"a": "no", "b": "on", "c": "yes"}),
        ("[true, False, null, ~]", [True, False, None, None]),
        ("[010, 0x10, 0o10, -3, +4]", [10, 16, 8, -3, 4]),
        ("[1.5, 1e3, .5, -.inf]", [1.5, 1000.0, 0.5, -math.inf]),
        ("a: 2024-01-01\nb: 1:30", {"a": "2024-01-01", "b": "1:30"}),
        ("a: &x {b: 1}\nc: {<<: *x, b: 2}", {"a": {"b": 1}, "c": {"b": 2}}),
        ("a: {x: &m {<<: &b {k: 1}, k: 2}}\nc: {<<: *m}", {"a": {"x": {"k": 2}}, "c": {"k": 2}}),
        ("!!str 5", "5"),
        ("", None),
    ],
)
def test_the_core_schema(text, value):
    assert read_yaml(text) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3", r"expected each key once; got 'a' twice in one object \(line 3, column 1\)"),
        ("a: {b: 1, b: 2}", "got 'b' twice"),
        ("a: [1", "line 1, column"),
        ("a: 1\n---\nb: 2", "line 2, column 1"),
        ("? [1]\n: 2", "unhashable key"),
        ("!!python/object/apply:os.system [ls]", "could not determine a constructor"),
        ("!!timestamp x", "could not determine a constructor"),
        ("!!bool x", "expected true or false"),
        ("!!int x", "invalid literal"),
        ("a: " + "9" * 5000, "at most 100 digits"),
        ("*nowhere", "undefined alias"),
        ("&a [*a]", r"expected no alias inside of what it stands for; got \*a"),
        ("[" * 101 + "]" * 101, "at most 100 levels of nesting"),
        ("[" * 20_000, "at most 100 levels of nesting"),
        ("a: \0", "not allowed"),
    ],
)
def test_what_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        read_yaml(text)


def test_an_alias_that_expands_without_end_is_refused():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(ValueError, match="expected at most 1000000 values, aliases written out"):
        read_yaml("\n".join(lines))


@given(st.text() | st.text(alphabet="abc: -[]{}&*!<|>#?\"'\n 01.,~%@`"))
def test_no_text_makes_it_raise_anything_else(text):
    try:
        read_yaml(text)
    except ValueError as error:
        assert str(error)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(st.characters(codec="ascii", min_codepoint=32)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_json_is_yaml(value):
    assert read_yaml(json.dumps(value)) == value
