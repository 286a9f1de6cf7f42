"""A conversation's details are whole, but for what nobody could read."""

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.report.details import BYTES_AT_MOST, details
from coval_load.report.visible import visible_json

LEAF = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=5)
KEY = st.text(max_size=3)
JSON = st.recursive(LEAF, lambda inner: st.lists(inner) | st.dictionaries(KEY, inner), max_leaves=8)


def shown(**row):
    return orjson.loads(details(row))


@given(st.dictionaries(KEY, JSON))
def test_what_is_short_is_whole_and_visible(row):
    assert orjson.loads(details(row)) == visible_json(row)


@given(st.dictionaries(st.sampled_from(["transcript", "events", "error", "checks"]), JSON))
def test_any_object_is_taken(row):
    assert orjson.loads(details(row)) == visible_json(row)


def test_what_acts_is_seen_wherever_it_stands():
    row = {
        "transcript": [{"content": "\x1b[2J", "tool": {"name": "a\x07", "arguments": '{"\x1b": 1}'}}],
        "events": [{"payload": {"key\u202e": ["\x00"]}, "message_type": "\x1b"}],
        "error": {"message": "\x9b"},
        "key\x1b": 1,
    }
    text = details(row).decode()
    assert orjson.loads(text) == visible_json(row)
    assert "\\u001b" not in text
    assert "␛[2J" in text


def test_durations_are_rounded_to_microseconds():
    turn = {"start": 0.12345678, "metrics": {"response_latency": 1 / 3}}
    assert shown(transcript=[turn]) == {"transcript": [{"start": 0.123457, "metrics": {"response_latency": 0.333333}}]}
    payload = {"price": 0.123456789}
    assert shown(events=[{"at": 1 / 3, "payload": payload}])["events"] == [{"at": 0.333333, "payload": payload}]


def test_a_long_text_is_cut_and_says_so():
    (turn,) = shown(transcript=[{"content": "a" * 20_000 + "b" * 1234}])["transcript"]
    assert turn["content"] == "a" * 20_000 + "… (1,234 more characters)"
    assert shown(transcript=[{"content": "a" * 20_000}])["transcript"] == [{"content": "a" * 20_000}]


@pytest.mark.parametrize(
    "row",
    [
        {"events": [{"payload": {"long": "x" * 5000}}]},
        {"transcript": [{"tool": {"arguments": {"long": "x" * 5000}}}]},
        {"transcript": [{"tool": {"arguments": json.dumps({"long": "x" * 5000}, separators=(",", ":"))}}]},
    ],
)
def test_payloads_and_arguments_are_cut_as_json(row):
    found = shown(**row)
    cut = found["events"][0]["payload"] if "events" in row else found["transcript"][0]["tool"]["arguments"]
    assert cut == '{"long":"' + "x" * 3991 + "… (1,011 more characters)"


def test_of_very_many_turns_and_events_the_rest_is_left_out():
    found = shown(transcript=[{"content": "a"}] * 1200, events=[{"at": 1}] * 1001)
    assert (len(found["transcript"]), len(found["events"])) == (1000, 1000)
    assert found["left_out"] == {"transcript": 200, "events": 1}


def test_a_conversation_as_large_as_a_file_is_cut_to_what_one_may_read():
    row = {"transcript": [{"role": "user", "content": "a" * 20_000}] * 1000, "events": [{"payload": "b" * 4000}] * 1000}
    found = details(row)
    assert len(found) < BYTES_AT_MOST
    (turn, *others) = orjson.loads(found)["transcript"]
    assert turn == {"role": "user", "content": "a" * 500 + "… (19,500 more characters)"}
    assert len(others) == 499


def test_a_value_that_is_very_deep_is_cut():
    deep = value = []
    for _ in range(900):
        value.append([])
        value = value[0]
    assert b"\xe2\x80\xa6" in details({"error": deep, "events": [{"payload": deep}]})
