"""Strict structuring: a value is of the stated type and within its limits, or it is a fault that says where."""

import enum
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.faults import Fault, Faulty
from coval_load.json_text import DEEPEST, read_json
from coval_load.limits import (
    Between,
    Duration,
    JsonObject,
    JsonText,
    Length,
    NoNull,
    OneOf,
    Pattern,
    Secret,
    Tagged,
    parse_duration,
)
from coval_load.strict import keys_of, structure


class Colour(enum.StrEnum):
    RED = "red"
    GREEN = "green"


@attrs.frozen(kw_only=True)
class Circle:
    type: Literal["circle"]
    radius: float


@attrs.frozen(kw_only=True)
class Square:
    type: Literal["square"]
    side: float


@attrs.frozen(kw_only=True)
class Thing:
    name: Annotated[str, Length(1, 5)]
    count: int = 1
    weight: float = 1.0
    good: bool = True
    rate: Annotated[int, OneOf((8000, 16000))] = 8000
    share: Annotated[float, Between(least=0, most=1)] = 0.5
    code: Annotated[str, Pattern(r"[A-Z]{2}", "two capital letters")] | None = None
    colour: Colour = Colour.RED
    wait: Annotated[float, Duration()] = 1.0
    payload: Annotated[Mapping[str, Any], JsonObject()] | None = None
    template: Annotated[str, JsonText()] | None = None
    token: Annotated[str, Length(3), Secret()] | None = None
    words: str | Sequence[str] | None = None
    shapes: Sequence[Annotated[Circle | Square, Tagged("type")]] = ()
    free: Any = None
    given: Sequence[str] = attrs.field(factory=list)

    @staticmethod
    def check(values: Mapping[str, Any]) -> Iterator[Fault]:
        if values.get("weight", 0) > 10 and values.get("good"):
            yield Fault("weight", "expected a good thing to be light")


def faults(raw, cls=Thing, path=""):
    with pytest.raises(Faulty) as caught:
        structure(cls, raw, path)
    return [str(fault) for fault in caught.value.faults]


def test_defaults_hold_where_a_key_is_absent_or_null():
    assert structure(Thing, {"name": "a", "count": None}) == Thing(name="a")


def test_all_faults_are_reported_at_once_each_under_its_path():
    raw = {"name": "toolong", "count": "8", "shapes": [{"type": "circle", "radius": 1}, {"type": "square"}]}
    assert faults(raw, path="things[2]") == [
        "things[2].name: expected 1 to 5 characters; got 7",
        'things[2].count: expected an integer; got "8"',
        "things[2].shapes[1].side: expected a number; got nothing",
    ]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("name", 5, "expected a string; got 5"),
        ("name", None, "expected a string; got null"),
        ("count", 3.9, "expected an integer; got 3.9"),
        ("count", 3.0, "expected an integer; got 3.0"),
        ("count", True, "expected an integer; got true"),
        ("count", "8", 'expected an integer; got "8"'),
        ("weight", True, "expected a number; got true"),
        ("weight", "1.5", 'expected a number; got "1.5"'),
        ("weight", math.nan, "expected a finite number; got NaN"),
        ("weight", math.inf, "expected a finite number; got Infinity"),
        ("weight", 10**400, "expected a finite number; got a huge number"),
        ("good", 1, "expected true or false; got 1"),
        ("good", "true", 'expected true or false; got "true"'),
        ("rate", 44100, "expected one of 8000, 16000; got 44100"),
        ("share", 1.5, "expected a number from 0 to 1; got 1.5"),
        ("code", "Ab", 'expected two capital letters; got "Ab"'),
        ("code", "AB\n", 'expected two capital letters; got "AB\\n"'),
        ("colour", "blue", 'expected one of red, green; got "blue"'),
        ("colour", 1, "expected one of red, green; got 1"),
        ("payload", "[1]", 'expected an object, or a string that encodes one; got "[1]"'),
        ("payload", 5, "expected an object, or a string that encodes one; got 5"),
        ("template", [1], "expected a string or an object; got a list"),
        ("token", "ab", "expected at least 3 characters; got 2"),
        ("words", 5, "expected a string or a list; got 5"),
        ("shapes", {}, "expected a list; got an object"),
        ("free", {1, 2}, "expected a JSON value (a date goes in quotes); got a set"),
        ("name", "\ud800", "expected text that can be written in UTF-8"),
    ],
)
def test_what_is_not_of_the_stated_type_is_a_fault(key, value, message):
    assert faults({"name": "a"} | {key: value}) == [f"{key}: {message}"]


def test_an_integer_is_a_number_too():
    weight = structure(Thing, {"name": "a", "weight": 3}).weight
    assert weight == 3.0
    assert isinstance(weight, float)


def test_an_unknown_key_names_its_neighbours():
    assert faults({"name": "a", "cuont": 1}) == ["cuont: unknown key; did you mean count?"]
    assert faults({"name": "a", "zzz": 1})[0].startswith("zzz: unknown key; expected one of name, count,")
    assert faults({"name": "a", 5: 1}) == ["expected every key to be a string; got the key 5"]


def test_an_unknown_key_names_those_that_end_in_it():
    @attrs.frozen(kw_only=True)
    class Prefixed:
        acme_live_instructions: str = ""
        acme_live_model: str = ""
        transcription_model: str = ""
        caller_sample_rate: int = 1
        agent_sample_rate: int = 1
        recorded_sample_rate: int = 1

    def told(key):
        return faults({key: "x"}, Prefixed)[0]

    assert told("instructions") == "instructions: unknown key; did you mean acme_live_instructions?"
    assert told("model") == "model: unknown key; did you mean acme_live_model or transcription_model?"
    assert told("rate").startswith("rate: unknown key; expected one of acme_live_instructions,")
    assert told("_").startswith("_: unknown key; expected one of acme_live_instructions,")


def test_null_is_the_default_unless_it_would_mean_something_else():
    @attrs.frozen(kw_only=True)
    class Detection:
        kind: Annotated[Literal["on", "off"], NoNull()] = "on"
        size: int = 1

    assert structure(Detection, {"size": None}) == Detection()
    assert faults({"kind": None}, Detection) == ["kind: expected one of on, off; got null"]


@pytest.mark.parametrize(("token", "got"), [("", '""'), (None, "***"), ("ab", "***"), (7, "***")])
def test_a_secret_is_hidden_unless_it_is_empty(token, got):
    @attrs.frozen(kw_only=True)
    class Locked:
        token: Annotated[str, Pattern("[a-z]{3}", "three letters"), Secret()]

    assert faults({"token": token}, Locked)[0].endswith(f"; got {got}")


def test_a_key_that_is_no_word_is_quoted_in_the_path():
    assert faults({"name": "a", "free": {"a b": {"c": math.nan}}}) == [
        'free["a b"].c: expected a finite number; got NaN'
    ]


def test_cross_field_faults_stand_beside_those_of_fields():
    assert faults({"name": "", "weight": 11}) == [
        "name: expected 1 to 5 characters; got 0",
        "weight: expected a good thing to be light",
    ]


def test_a_cross_field_check_is_not_given_what_is_wrong():
    assert faults({"name": "a", "weight": 11, "good": "yes"}) == ['good: expected true or false; got "yes"']


def test_a_fault_inside_the_matching_alternative_is_told_as_such():
    assert faults({"name": "a", "words": ["b", 5]}) == ["words[1]: expected a string; got 5"]


def test_a_tag_says_which_class_it_is():
    thing = structure(Thing, {"name": "a", "shapes": [{"type": "square", "side": 2}]})
    assert thing.shapes == (Square(type="square", side=2.0),)
    assert faults({"name": "a", "shapes": [{"type": "oval"}, {}, 5]}) == [
        'shapes[0].type: expected one of circle, square; got "oval"',
        "shapes[1].type: expected one of circle, square; got nothing",
        "shapes[2]: expected an object; got 5",
    ]


def test_a_secret_is_never_shown():
    raw = {"name": "a", "token": ["s3cr3t"]}
    assert faults(raw) == ["token: expected a string; got ***"]


def test_redact_is_applied_to_what_is_shown():
    with pytest.raises(Faulty) as caught:
        structure(Thing, {"name": "a", "count": "s3cr3t"}, redact=lambda value: "***")
    assert str(caught.value) == 'count: expected an integer; got "***"'


def test_long_values_are_cut_and_kept_on_one_line():
    (message,) = faults({"name": "a", "count": "x\n\x1b" * 100})
    assert len(message) < 500
    assert message.isprintable()


def test_an_object_may_come_as_text_that_encodes_it():
    as_object = structure(Thing, {"name": "a", "payload": {"b": [1, None]}})
    assert structure(Thing, {"name": "a", "payload": '{"b": [1, null]}'}) == as_object


def test_a_template_may_come_as_an_object():
    template = structure(Thing, {"name": "a", "template": {"ü": "{{message}}"}}).template
    assert json.loads(template) == {"ü": "{{message}}"}
    assert structure(Thing, {"name": "a", "template": "{{message}}"}).template == "{{message}}"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("300ms", 0.3), ("2s", 2.0), ("10m", 600.0), ("8h", 28800.0), ("1.5s", 1.5), ("2", None), ("-1s", None),
     ("1 s", None), ("s", None), ("1d", None), ("", None), ("9" * 400 + "s", None)],
)  # fmt: skip
def test_durations(text, seconds):
    assert parse_duration(text) == pytest.approx(seconds) if seconds else parse_duration(text) is None


@pytest.mark.parametrize(
    "value", ["0s", 0, -1, True, None, "soon", "1e9h", math.nan, math.inf, 10**400, [], "9999999h"]
)
def test_what_is_no_duration_is_a_fault(value):
    @attrs.frozen
    class Waits:
        wait: Annotated[float, Duration()]

    (message,) = faults({"wait": value}, Waits)
    assert message.startswith("wait: expected a duration above zero such as 300ms, 2s, 10m, 8h")


def test_a_number_is_a_duration_in_seconds():
    assert structure(Thing, {"name": "a", "wait": 3}).wait == 3.0


def nested(depth):
    value: Any = 1
    for _ in range(depth):
        value = {"a": value}
    return value


@pytest.mark.parametrize("depth", [DEEPEST + 1, 5000, 100_000])
def test_deep_nesting_is_a_fault_and_no_crash(depth):
    deep = nested(depth)
    assert faults({"name": "a", "free": deep}) == ["expected at most 100 levels of nesting; got more"]
    text = '{"a":' * depth + "1" + "}" * depth
    (message,) = faults({"name": "a", "payload": text})
    assert "expected at most 100 levels of nesting" in message
    while isinstance(deep, dict):  # taken apart by hand: its destructor would recurse
        deep = deep.pop("a")


def test_an_object_that_holds_itself_is_a_fault():
    ring: dict[str, Any] = {"name": "a"}
    ring["free"] = ring
    assert faults(ring) == ["expected at most 100 levels of nesting; got more"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1, "a": 2}', 'expected each key once; got "a" twice in one object'),
        ('{"a": NaN}', "expected JSON; got NaN, which JSON doesn't have"),
        ("{", "line 1, column 2"),
        ("", "line 1, column 1"),
        ('{"a": ' + "9" * 5000 + "}", "5000 digits"),
    ],
)
def test_json_is_read_strictly(text, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        read_json(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(keys_of(Thing)) | st.text(), JSON))
def test_whatever_is_written_it_is_structured_or_faulted(raw):
    try:
        thing = structure(Thing, raw)
    except Faulty as faulty:
        assert faulty.faults
    else:
        assert isinstance(thing.name, str)
        assert type(thing.count) is int
        assert type(thing.weight) is float
        assert type(thing.good) is bool


@given(JSON.filter(lambda value: value != {}))
def test_a_free_value_is_kept_as_it_is(value):
    try:
        thing = structure(Thing, {"name": "a", "free": value})
    except Faulty:
        return
    assert thing.free == value
