"""Which entries belong to which turn of the caller, and what a result's row has."""

import json

import pytest
from conversations import PIZZA, conversations, said, talk, turns
from hypothesis import given
from hypothesis import strategies as st

from coval_load.actors.checks.interface import CheckResult, Conversation


@pytest.mark.parametrize(
    ("turn", "texts", "calls", "events"),
    [
        (None, 4, 1, 3),
        (0, 1, 0, 1),
        (1, 2, 1, 1),
        (2, 1, 0, 1),
        (-1, 1, 0, 1),
        (-2, 2, 1, 1),
        (-3, 0, 0, 0),
        (3, 0, 0, 0),
    ],
)
def test_what_belongs_to_a_turn(turn, texts, calls, events):
    assert len(PIZZA.texts(turn)) == len(PIZZA.replies(turn)) == texts
    assert len(PIZZA.tool_calls(turn)) == calls
    assert len(PIZZA.events_after(turn)) == events


def test_replies_are_what_the_agent_said():
    assert PIZZA.turns == 2
    assert PIZZA.texts(1) == ["Your order 1207 is in.", "Anything else?"]
    assert [row["role"] for row in PIZZA.entries(1)] == ["assistant", "tool", "assistant", "assistant"]


def test_a_voice_agents_words_are_not_known():
    conversation = talk(said("user", "Hi", 0), said("assistant", None, 1))
    assert (len(conversation.replies()), conversation.texts()) == (1, [])


def test_what_a_voice_agent_wrote_is_a_reply_too():
    conversation = talk(said("user", "Hi", 0), said("assistant", "Hello", 1) | {"type": "text"})
    assert conversation.texts() == ["Hello"]


def test_a_reply_that_was_interrupted_belongs_to_the_turn_before():
    conversation = talk(said("user", "a", 0), said("assistant", "long", 1), said("user", "b", 2))
    assert (conversation.texts(1), conversation.texts(2)) == (["long"], [])


def test_only_one_turn():
    only = PIZZA.only(2)
    assert [row["content"] for row in only.transcript] == ["No", " Goodbye.\n"]
    assert (only.turns, len(only.events), only.attributes) == (1, 1, {"size": "large"})
    assert PIZZA.only(0).texts() == PIZZA.only(0).texts(0) == ["Welcome to Pizza Point."]
    assert PIZZA.only(-3).transcript == PIZZA.only(-3).events == []


def test_of_a_row_of_the_results():
    row = json.loads(json.dumps({"agent": "a", "transcript": list(PIZZA.transcript), "outcome": "completed"}))
    again = Conversation.of_row(row, {"n": 1})
    assert (again.agent, again.texts(), again.attributes, again.events) == ("a", PIZZA.texts(), {"n": 1}, ())


@given(conversations())
def test_the_turns_share_out_all_there_is(conversation):
    numbers = range(conversation.turns + 1)
    assert [row for number in numbers for row in conversation.entries(number)] == conversation.entries()
    assert sum(len(conversation.events_after(number)) for number in numbers) == len(conversation.events)
    for number in numbers[1:]:
        assert conversation.entries(number) == conversation.entries(number - conversation.turns - 1)


@given(conversations(), turns)
def test_one_turn_has_what_belongs_to_it(conversation, turn):
    if turn is not None:
        assert conversation.only(turn).entries() == conversation.entries(turn)


@given(st.text(), st.booleans())
def test_a_result_has_a_message_where_it_failed(name, passed):
    row = CheckResult(name, passed, None if passed else "why").row()
    assert row == {"name": name, "passed": passed} | ({} if passed else {"message": "why"})
