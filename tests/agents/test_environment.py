"""`${NAME}` takes an environment variable."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.agents.environment import expand

ENVIRON = {"TOKEN": 's3"cr\\et', "EMPTY": "", "HOST": "a.example", "NESTED": "${TOKEN}"}


def test_variables_are_filled_in_at_any_depth():
    expanded = expand({"a": ["x-${HOST}-${EMPTY}", 5], "b": {"c": "${HOST}${HOST}"}}, ENVIRON)
    assert expanded.value == {"a": ["x-a.example-", 5], "b": {"c": "a.examplea.example"}}
    assert expanded.secrets == {"a.example"}
    assert set(expanded.places) == {("a", 0), ("b", "c")}
    assert expanded.faults == ()


def test_a_variable_that_is_not_set_is_a_fault():
    expanded = expand({"a": [{"b c": "${NOPE} ${NEITHER}"}]}, ENVIRON)
    assert [str(fault) for fault in expanded.faults] == [
        'a[0]["b c"]: expected the environment variable NOPE to be set; it is not',
        'a[0]["b c"]: expected the environment variable NEITHER to be set; it is not',
    ]


@pytest.mark.parametrize("text", ["${", "${}", "${a b}", "${1A}", "x ${TOKEN"])
def test_a_reference_without_a_name_is_a_fault(text):
    (fault,) = expand([text], ENVIRON).faults
    assert str(fault) == "[0]: expected ${NAME}; write $${ for a plain ${"


def test_two_dollars_stand_for_one():
    expanded = expand(["$${TOKEN} $5 {TOKEN}"], ENVIRON)
    assert expanded.value == ["${TOKEN} $5 {TOKEN}"]
    assert not expanded.secrets


def test_a_value_is_not_scanned_again():
    assert expand(["${NESTED}"], ENVIRON).value == ["${TOKEN}"]


def test_a_value_does_not_break_out_of_encoded_json():
    text = '{"key": "${TOKEN}", "list": [1]}'
    assert json.loads(expand([text], ENVIRON).value[0]) == {"key": ENVIRON["TOKEN"], "list": [1]}
    template = '{"key": "${TOKEN}", "messages": {{messages}}}'
    assert expand([template], ENVIRON).value == ['{"key": "s3\\"cr\\\\et", "messages": {{messages}}}']


def test_what_only_looks_like_json_is_plain_text():
    assert expand(["[sighs] ${TOKEN}"], ENVIRON).value == ["[sighs] " + ENVIRON["TOKEN"]]


def test_numbers_stay_numbers():
    assert expand({1: [2.5, None, True]}, ENVIRON).value == {1: [2.5, None, True]}


@given(st.dictionaries(st.text(), st.text()), st.text())
def test_any_value_survives_encoded_json(document, secret):
    filled = json.dumps(document | {"key": "KEY"}).replace("${", "$${").replace('"KEY"', '"${KEY}"', 1)
    if filled.count("${KEY}") != 1 or "KEY" in json.dumps(document):
        return
    assert json.loads(expand([filled], {"KEY": secret}).value[0]) == document | {"key": secret}


@given(st.text(alphabet='${}NAME[]" :'))
def test_no_text_makes_it_raise(text):
    expand({"a": text}, {"NAME": "value"})
