"""Which result a tool call gets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.actors.persona import TestCase, ToolAnswer

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def case(*answers):
    return TestCase("a", (), tool_results=answers)


@pytest.mark.parametrize(
    ("wanted", "given", "fits"),
    [
        (None, {"a": 1}, True),
        (None, "not {json", True),
        (None, None, True),
        ({}, {"a": 1}, True),
        ({}, [], False),
        ({}, "{}", False),
        ({}, None, False),
        ({"a": 1}, {"a": 1, "b": 2}, True),
        ({"a": 1}, {"a": 1.0}, True),
        ({"a": 1}, {"a": True}, False),
        ({"a": False}, {"a": 0}, False),
        ({"a": None}, {}, False),
        ({"a": None}, {"a": None}, True),
        ({"a": {"b": 1}}, {"a": {"b": 1, "c": 2}}, True),
        ({"a": {"b": 1}}, {"a": {"c": 2}}, False),
        ({"a": {"b": 1}}, {"a": 1}, False),
        ({"a": [{"b": 1}]}, {"a": [{"b": 1, "c": 2}]}, True),
        ({"a": [1]}, {"a": [1, 2]}, False),
        ({"a": [1, 2]}, {"a": [2, 1]}, False),
        ({"a": "1"}, {"a": 1}, False),
    ],
)
def test_which_calls_an_answer_fits(wanted, given, fits):
    answer = ToolAnswer("look_up", wanted, "found")
    assert case(answer).result_for("look_up", given) is (answer if fits else None)
    assert case(answer).result_for("look_down", given) is None


def test_the_first_that_fits_answers():
    special, general = ToolAnswer("t", {"id": 7}, None), ToolAnswer("t", None, 0)
    assert case(special, general).result_for("t", {"id": 7}) is special
    assert case(special, general).result_for("t", {"id": 8}) is general
    assert case(general, special).result_for("t", {"id": 7}) is general
    assert case().result_for("t", {}) is None


@given(st.dictionaries(st.text(), JSON, max_size=3), st.dictionaries(st.text(), JSON, max_size=3))
def test_more_arguments_than_wanted_do_no_harm(wanted, more):
    answer = ToolAnswer("t", wanted, None)
    assert answer.fits("t", wanted)
    assert answer.fits("t", more | wanted)
    assert not any(answer.fits("t", {key: value for key, value in wanted.items() if key != gone}) for gone in wanted)


@given(JSON, JSON)
def test_no_arguments_make_it_raise(wanted, given):
    assert isinstance(ToolAnswer("t", {"a": wanted}, None).fits("t", {"a": given}), bool)
