"""What each check lets pass, what it says otherwise, and that none of them ever raises."""

import attrs
import pytest
from conversations import PIZZA, called, came, conversations, json_values, said, talk, turns
from hypothesis import given
from hypothesis import strategies as st

from coval_load.actors.checks.events import EventFits, is_same
from coval_load.actors.checks.latency import MEASURED, LatencyUnder
from coval_load.actors.checks.replies import SEARCHED, ShorterThan, contains, equals, matches
from coval_load.actors.checks.tools import ToolCalled
from coval_load.codecs.paths import Path

PASSING = [
    contains("c", "ORDER 1207"),
    contains("c", "order", turn=1),
    contains("c", "straße", ignore_case=True, negate=True),
    contains("c", "ORDER", ignore_case=False, negate=True),
    contains("c", "pizza", turn=1, negate=True),
    contains("c", "welcome", turn=0),
    matches("m", "order [0-9]+"),
    matches("m", "^anything", ignore_case=True, turn=-2),
    matches("m", "^anything", negate=True),
    equals("e", "Goodbye."),
    equals("e", "goodbye.", ignore_case=True, turn=-1),
    equals("e", "goodbye.", negate=True),
    equals("e", "Goodbye", negate=True),
    EventFits("v", "hello"),
    EventFits("v", "cart_update", Path.parse("items.0.size"), "large"),
    EventFits("v", "cart_update", Path.parse("items.0.size")),
    EventFits("v", "cart_update", Path.parse("items.0.count"), 1.0),
    EventFits("v", "cart_update", Path.parse("items.0.count"), True, negate=True),
    EventFits("v", "cart_update", Path.parse("items.0"), {"count": 1, "size": "large"}),
    EventFits("v", "cart_update", Path.parse("items.0"), {"size": "large"}, negate=True),
    EventFits("v", "cart_update", Path.parse("items"), [], turn=2),
    EventFits("v", "cart_update", Path.parse("items.0"), turn=2, negate=True),
    ToolCalled("t", "price"),
    ToolCalled("t", "price", {"size": "large"}, turn=1),
    ToolCalled("t", "price", {"size": "small"}, negate=True),
    ToolCalled("t", "pay", negate=True),
    ToolCalled("t", "price", turn=2, negate=True),
    ShorterThan("s", 24, "characters"),
    ShorterThan("s", 6, "words"),
    ShorterThan("s", 2, "words", turn=2),
    LatencyUnder("l", 2.01),
    LatencyUnder("l", 1.01, turn=2),
    LatencyUnder("l", 0.51, "ttft"),
]

FAILING = [
    (
        contains("c", "burger", turn=2),
        'expected a reply to the caller\'s turn 2 that contains "burger"; got " Goodbye.\\n"',
    ),
    (contains("c", "burger", turn=3), 'expected a reply to the caller\'s turn 3 that contains "burger"; got none'),
    (
        contains("c", "burger"),
        'expected a reply that contains "burger"; got "Welcome to Pizza Point.", "Your order 1207 is in.", '
        '"Anything else?" and 1 more',
    ),
    (
        contains("c", "pizza", negate=True),
        'expected no reply that contains "pizza"; got "Welcome to Pizza Point."',
    ),
    (matches("m", "^Hi", turn=0), 'expected a reply before the caller\'s first turn that matches "^Hi"; got '),
    (equals("e", "Bye", turn=-1), 'expected a reply to the caller\'s last turn that is "Bye"; got '),
    (equals("e", "Bye", turn=-2), 'expected a reply to the caller\'s turn 2 from the end that is "Bye"; got '),
    (
        EventFits("v", "cart_update", Path.parse("items.0.size"), "small"),
        'expected an event cart_update with "small" at items.0.size; got "large", one without it',
    ),
    (
        EventFits("v", "cart", turn=1),
        'expected an event cart after the caller\'s turn 1; got events of other types: "cart_update"',
    ),
    (EventFits("v", "cart", turn=3), "expected an event cart after the caller's turn 3; got none"),
    (EventFits("v", "hello", negate=True), "expected no event hello; got an object"),
    (
        ToolCalled("t", "price", {"size": "small"}),
        'expected a call of the tool price with "{\\"size\\":\\"small\\"}"; got "price" with '
        '"{\\"size\\": \\"large\\", \\"number\\": 1}"',
    ),
    (ToolCalled("t", "price", turn=2), "expected a call of the tool price after the caller's turn 2; got none"),
    (
        ShorterThan("s", 23, "characters"),
        'expected every reply to have fewer than 23 characters; got 23: "Welcome to Pizza Point."',
    ),
    (ShorterThan("s", 5, "words", turn=1), 'got 5: "Your order 1207 is in."'),
    (ShorterThan("s", 5, "words", turn=9), "to have fewer than 5 words; got none"),
    (LatencyUnder("l", 2.0), "expected response_latency of every reply to be under 2 s; got 2.000 s"),
    (LatencyUnder("l", 9, "turn_time"), "expected turn_time of every reply to be under 9 s; got none"),
    (LatencyUnder("l", 9, turn=0), "of every reply before the caller's first turn to be under 9 s; got none"),
]


@pytest.mark.parametrize("check", PASSING, ids=str)
def test_what_passes(check):
    assert check.judge(PIZZA) is None


@pytest.mark.parametrize(("check", "message"), FAILING, ids=lambda value: value if isinstance(value, str) else "")
def test_what_fails(check, message):
    assert message in check.judge(PIZZA)


def test_folding_takes_more_than_lower_case():
    assert contains("c", "STRASSE").judge(talk(said("assistant", "In der Straße", 0))) is None


def test_arguments_that_are_no_json_are_no_arguments():
    assert ToolCalled("t", "f").judge(talk(called("f", "{", 0))) is None
    assert ToolCalled("t", "f", {}).judge(talk(called("f", "{", 0))) is not None


def test_a_pattern_is_searched_in_so_much_and_no_more():
    said_at_length = talk(said("assistant", "-" * (SEARCHED - 1) + "xy", 0))
    assert matches("m", "x").judge(said_at_length) is None
    assert matches("m", "y").judge(said_at_length) is not None


def test_no_number_is_not_under_the_limit():
    conversation = talk(said("assistant", "Hi", 0, metrics={"response_latency": float("nan")}))
    assert LatencyUnder("l", 1).judge(conversation) is not None


def test_messages_stay_on_one_line_and_short():
    message = contains("c", "x").judge(talk(*(said("assistant", "\u202e\x1b[31m\n" * 5_000, at) for at in range(50))))
    assert len(message) < 2_000
    assert message.isprintable()


VALUES = json_values.filter(lambda value: value is not None)
ANY_OF = st.one_of(
    st.builds(contains, st.just("c"), st.text(min_size=1), ignore_case=st.booleans(), turn=turns),
    st.builds(equals, st.just("e"), st.text(min_size=1), ignore_case=st.booleans(), turn=turns),
    st.builds(matches, st.just("m"), st.sampled_from(["a+", "^$", "p.*a", r"\s", "[^a]b?"]), turn=turns),
    st.builds(EventFits, st.just("v"), st.just("e"), st.text(max_size=5).map(Path.parse), json_values, turn=turns),
    st.builds(ToolCalled, st.just("t"), st.just("t"), st.none() | st.dictionaries(st.text(), json_values), turn=turns),
)
ALL_OF = st.one_of(
    st.builds(ShorterThan, st.just("s"), st.integers(1, 50), st.sampled_from(["characters", "words"]), turns),
    st.builds(LatencyUnder, st.just("l"), st.floats(0.001, 9), st.sampled_from(MEASURED), turns),
)


@given(conversations(), ANY_OF)
def test_no_conversation_is_too_odd_and_negate_flips(conversation, check):
    message, flipped = check.judge(conversation), attrs.evolve(check, negate=True).judge(conversation)
    assert (message is None) is not (flipped is None)
    assert (message or flipped).isprintable()


@given(conversations(), ALL_OF)
def test_every_reply_has_to_fit(conversation, check):
    message = check.judge(conversation)
    assert message is None or message.isprintable()
    fits = [check.judge(talk(row)) is None for row in conversation.replies(check.turn) if is_measured(check, row)]
    alone = attrs.evolve(check, turn=None)
    assert (alone.judge(talk(*conversation.replies(check.turn))) is None) == (message is None)
    if check.turn is None:
        assert (message is None) == (bool(fits) and all(fits))


def is_measured(check, row):
    return row["content"] is not None if isinstance(check, ShorterThan) else check.metric in row.get("metrics", {})


@given(json_values)
def test_json_is_the_same_as_itself(value):
    if "nan" not in repr(value):
        assert is_same(value, value)
    assert not is_same([value], value)
    assert not is_same(came(0, "e", value), [value])
