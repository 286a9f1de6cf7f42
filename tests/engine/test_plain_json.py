import math
import uuid
from datetime import UTC, datetime

import attrs
import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.engine.plain_json import dump_json

leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters()),
    st.binary(),
    st.just(object()),
    st.just(1j),
)
values = st.recursive(
    leaves,
    lambda members: st.one_of(
        st.lists(members),
        st.dictionaries(st.one_of(st.text(st.characters()), st.integers(), st.binary(), st.none()), members),
        st.tuples(members, members),
    ),
)


@given(values)
def test_anything_comes_out_as_one_line_of_json(value):
    line = dump_json(value)
    orjson.loads(line)
    assert b"\n" not in line


@given(st.recursive(st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1)), st.lists))
def test_what_is_json_already_is_left_as_it_is(value):
    assert orjson.loads(dump_json([value, object()]))[0] == value


@attrs.frozen
class Answer:
    text: str
    key: str = attrs.field(repr=False)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (math.nan, None),
        (math.inf, None),
        ("a\ud800b", "a\ufffdb"),
        ("pair \ud83c\udf55", "pair 🍕"),
        (b"\x00pizza\xff", "\x00pizza\\xff"),
        (bytearray(b"x"), "x"),
        (2**64, "0x10000000000000000"),
        (-(2**63) - 1, "-0x8000000000000001"),
        (np.float64(0.5), 0.5),
        (np.int64(5), 5),
        ({1: "a", None: "b", b"c": "d"}, {"1": "a", "null": "b", "c": "d"}),
        ({"set": {1}}, {"set": [1]}),
        (object(), "<object>"),
        (Answer("hello", "sk-secret"), {"text": "hello"}),
        ([uuid.UUID(int=1), object()], ["00000000-0000-0000-0000-000000000001", "<object>"]),
        ([datetime(2026, 1, 2, tzinfo=UTC), b""], ["2026-01-02T00:00:00+00:00", ""]),
    ],
)
def test_what_json_has_no_word_for(value, expected):
    assert orjson.loads(dump_json(value)) == expected


def test_a_container_in_itself_ends():
    loop: list[object] = [1]
    loop.append(loop)
    assert orjson.loads(dump_json(loop)) == [1, "…"]


def test_what_is_too_deep_ends():
    deep: list[object] = []
    for _ in range(5000):
        deep = [deep]
    written = dump_json(deep)
    assert written.startswith(b"[" * 100)
    assert "…".encode() in written


def test_indented_for_people():
    assert dump_json({"a": [1]}, indented=True) == b'{\n  "a": [\n    1\n  ]\n}\n'
