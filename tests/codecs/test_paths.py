"""Paths into JSON: what they find, and that nothing makes them raise."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.codecs.paths import NOT_THERE, Path

DOCUMENT = {"a": {"b": [{"c": 1}, None, [7]]}, "": {"": 2}, "0": "zero", "²": "two", "n": None}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("a.b.0.c", 1),
        ("a.b.2.0", 7),
        ("a.b.1", None),
        ("n", None),
        ("0", "zero"),
        ("²", "two"),
        ("", DOCUMENT),
        (".", 2),
        ("a.b.3", NOT_THERE),
        ("a.b.-1", NOT_THERE),
        ("a.b.00", NOT_THERE),
        ("a.b.01", NOT_THERE),
        ("a.b.+1", NOT_THERE),
        ("a.b.²", NOT_THERE),
        ("a.b.١", NOT_THERE),
        ("a.b.1_0", NOT_THERE),
        ("a.b." + "9" * 5000, NOT_THERE),
        ("a.b.", NOT_THERE),
        ("a..b", NOT_THERE),
        ("a.b.0.c.d", NOT_THERE),
        ("n.x", NOT_THERE),
        ("missing.x", NOT_THERE),
    ],
)
def test_a_path_finds_what_lies_there_and_else_nothing(path, found):
    assert Path.parse(path).find(DOCUMENT) is found or Path.parse(path).find(DOCUMENT) == found


def test_not_there_is_no_value_of_json():
    assert not NOT_THERE
    assert Path.parse("n").find(DOCUMENT) is not NOT_THERE


@given(json_values, st.text(max_size=12))
def test_no_path_into_any_document_raises(document, text):
    Path.parse(text).find(document)


@given(st.text(max_size=12))
def test_a_path_is_written_as_it_was_read(text):
    assert str(Path.parse(text)) == text


@given(json_values, st.data())
def test_every_place_in_a_document_has_a_path(document, data):
    steps, place = [], document
    while place and isinstance(place, dict | list):
        if isinstance(place, dict):
            step = data.draw(st.sampled_from(sorted(place)))
            place = place[step]
        else:
            step = data.draw(st.integers(0, len(place) - 1))
            place = place[step]
        steps.append(str(step))
    assert Path(tuple(steps)).find(document) is place
