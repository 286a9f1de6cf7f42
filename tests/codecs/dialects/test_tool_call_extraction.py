"""Tool calls in answers of an agent's own shape."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.codecs.dialects.chat_replies.tool_call_extraction import ToolCallExtraction
from coval_load.codecs.events import ToolCallReceived

OWN = {"tool_calls_path": "data.actions", "id_path": "meta.id", "name_path": "do", "arguments_path": "with"}
NAMELESS = {"tool_calls_path": "calls"}
OPENAI = {
    "tool_calls_path": "choices.0.message.tool_calls",
    "id_path": "id",
    "name_path": "function.name",
    "arguments_path": "function.arguments",
}


def own(*actions):
    return {"data": {"actions": list(actions)}}


REFUND = ToolCallReceived("7", "refund", '{"amount":3}')

TABLE = [
    (OWN, own({"meta": {"id": "7"}, "do": "refund", "with": {"amount": 3}}), [REFUND]),
    (OWN, own({"meta": {"id": 7}, "do": "refund", "with": '{"amount":3}'}), [REFUND]),
    (OWN, {"data": {"actions": {"meta": {"id": 7}, "do": "refund", "with": {"amount": 3}}}}, [REFUND]),
    (
        OWN,
        own({"do": "a", "with": [1]}, {"do": "b", "with": None}, {"do": "c"}),
        [ToolCallReceived("", "a", "[1]"), ToolCallReceived("", "b", ""), ToolCallReceived("", "c", "")],
    ),
    (OWN, own({"with": {}}, {"do": ""}, {"do": 5}, {"do": None}, "refund", None, [{"do": "x"}]), []),
    (OWN, own({"meta": {"id": None}, "do": "a"}, {"meta": 5, "do": "b"}), [
        ToolCallReceived("", "a", ""), ToolCallReceived("", "b", ""),
    ]),
    (OWN, own(), []),
    (OWN, {"data": {"actions": None}}, []),
    (OWN, {"data": "actions"}, []),
    (OWN, [], []),
    (NAMELESS, {"calls": [{"id": "1", "name": "a", "arguments": {"b": 2}}]}, [ToolCallReceived("", "a", '{"b":2}')]),
    (
        OPENAI,
        {"choices": [{"message": {"tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{}"}}]}}]},
        [ToolCallReceived("c", "f", "{}")],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("config", "answer", "expected"), TABLE)
def test_examples(config, answer, expected):
    assert ToolCallExtraction.of(config).read(answer) == expected


def test_options_that_are_null_are_as_absent():
    given_null = ToolCallExtraction.of({"tool_calls_path": "calls", "id_path": None, "name_path": None})
    assert given_null == ToolCallExtraction.of(NAMELESS)


NAMES = st.sampled_from(["data", "actions", "meta", "id", "do", "with", "calls", "name"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=20,
)


@given(VALUES, st.sampled_from([OWN, NAMELESS, OPENAI, {"tool_calls_path": ""}]))
def test_it_never_raises(answer, config):
    for call in ToolCallExtraction.of(config).read(answer):
        assert call.name and isinstance(call.call_id, str) and isinstance(call.arguments, str)


def test_arguments_too_deep_to_be_written_are_none():
    deep = []
    for _ in range(5_000):
        deep = [deep]
    assert ToolCallExtraction.of(OWN).read(own({"do": "a", "with": deep})) == [ToolCallReceived("", "a", "")]
