import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.actors.hearsay import Hearsay
from coval_load.codecs.events import AgentComplained, AgentEventReceived, MessageIgnored
from coval_load.engine import metrics
from coval_load.engine.labels import Labels
from coval_load.engine.results import Results


def event(payload=None, kind="cart_update"):
    return AgentEventReceived(kind, "added", payload)


def test_events_are_kept_with_their_times():
    hearsay = Hearsay(Results().account(Labels()))
    hearsay.captured(event({"pizza": 1}), 12.5)
    assert hearsay.rows(10.0) == [{"at": 2.5, "message_type": "cart_update", "event": "added", "payload": {"pizza": 1}}]


def test_a_thousand_are_kept_and_the_others_counted():
    hearsay = Hearsay(Results().account(Labels()))
    for number in range(1_500):
        hearsay.captured(event(number), float(number))
    *rows, last = hearsay.rows(0.0)
    assert [row["payload"] for row in rows] == list(range(1_000))
    assert last == {"at": 1_000.0, "message_type": "", "event": None, "payload": {"left_out": 500}}


def test_a_mebibyte_is_kept():
    hearsay = Hearsay(Results().account(Labels()))
    for _ in range(5):
        hearsay.captured(event("x" * 300_000), 0.0)
    hearsay.captured(event("small"), 1.0)
    assert [len(row["payload"]) for row in hearsay.rows(0.0)] == [300_000] * 3 + [5, 1]


def test_where_even_the_first_is_too_large():
    hearsay = Hearsay(Results().account(Labels()))
    hearsay.captured(event("x" * 2_000_000), 7.5)
    assert hearsay.rows(5.0) == [{"at": 2.5, "message_type": "", "event": None, "payload": {"left_out": 1}}]


@pytest.mark.parametrize("levels", [200, 300, 1000])
def test_one_nested_as_deep_as_json_is_read(levels):
    payload = orjson.loads("[" * levels + "]" * levels)
    hearsay = Hearsay(Results().account(Labels()))
    hearsay.captured(event(payload), 0.0)
    (row,) = hearsay.rows(0.0)
    assert row["payload"] == payload


def test_nothing_came():
    hearsay = Hearsay(Results().account(Labels()))
    assert (hearsay.rows(0.0), hearsay.explain()) == ([], "")


def test_the_most_frequent_reasons_are_told():
    hearsay = Hearsay(Results().account(Labels()))
    for reason, count in (("type 'a'", 1), ("type 'b'", 5), ("type 'c'", 2), ("type 'd'", 3)):
        for _ in range(count):
            hearsay.ignored(MessageIgnored(reason))
    assert hearsay.explain() == ("11 other messages came and were ignored: type 'b' (5x); type 'd' (3x); type 'c' (2x)")
    assert hearsay.account.tallies[0].counts[metrics.MESSAGES_IGNORED] == 11


@given(st.lists(st.integers(0, 60), max_size=300))
def test_reasons_are_bounded_and_every_message_is_counted(numbers):
    hearsay = Hearsay(Results().account(Labels()))
    for number in numbers:
        hearsay.ignored(MessageIgnored(f"reason {number}"))
    assert len(hearsay._ignored) <= 20
    assert hearsay.account.tallies[0].counts[metrics.MESSAGES_IGNORED] == len(numbers)
    assert hearsay.explain().startswith(f"{len(numbers)} other" if numbers else "")


def test_what_was_ignored_before_a_reply_explains_no_later_silence():
    hearsay = Hearsay(Results().account(Labels()))
    hearsay.ignored(MessageIgnored("type 'echo'"))
    assert hearsay.explain() == "1 other message came and was ignored: type 'echo'"
    hearsay.answered()
    assert hearsay.explain() == ""
    assert hearsay.account.tallies[0].counts[metrics.MESSAGES_IGNORED] == 1


def test_a_complaint_that_is_cut_says_so():
    """A secret that the cut goes through is known by what follows it."""
    hearsay = Hearsay(Results().account(Labels()))
    hearsay.complained(AgentComplained("x" * 301), 0.0)
    hearsay.ignored(MessageIgnored("why"))
    assert "x" * 299 + "…; 1 other message" in hearsay.explain()
