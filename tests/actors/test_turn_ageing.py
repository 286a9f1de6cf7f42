"""The first quarter of long conversations against the last."""

from hypothesis import given
from hypothesis import strategies as st

from coval_load.actors.transcript import Entry
from coval_load.actors.turn_ageing import record_ageing
from coval_load.engine import metrics
from coval_load.engine.labels import Labels
from coval_load.engine.results import Results


def recorded(entries):
    results = Results()
    record_ageing(entries, results.account(Labels()))
    return results


def replies(latencies):
    entries = []
    for number, latency in enumerate(latencies):
        entries.append(Entry("user", "hello", number))
        measured = {} if latency is None else {"response_latency": latency, "turn_time": 9.0}
        entries.append(Entry("assistant", "hi", number + 0.5, metrics=measured))
    return entries


def test_quarters_of_eight_turns_are_two_each():
    results = recorded(replies([0.1, 0.2, 3, 3, 3, 3, 0.7, 0.8]))
    first = results.summary()["metrics"][metrics.FIRST_TURNS_LATENCY]
    last = results.summary()["metrics"][metrics.LAST_TURNS_LATENCY]
    assert (first["count"], first["min"], first["max"]) == (2, 0.1, 0.2)
    assert (last["count"], last["min"], last["max"]) == (2, 0.7, 0.8)


def test_turns_without_a_latency_do_not_count():
    assert not recorded(replies([0.1, None] * 7)).samples(metrics.FIRST_TURNS_LATENCY)
    assert recorded(replies([0.1, None] * 8)).samples(metrics.FIRST_TURNS_LATENCY) == 2


def test_turns_are_taken_in_the_order_in_which_they_began():
    results = recorded(reversed(replies([0.1] * 4 + [0.9] * 4)))
    assert results.summary()["metrics"][metrics.FIRST_TURNS_LATENCY]["max"] == 0.1


@given(st.lists(st.floats(0, 30), max_size=60))
def test_both_quarters_are_as_long_and_never_meet(latencies):
    results = recorded(replies(latencies))
    expected = len(latencies) // 4 if len(latencies) >= 8 else 0
    assert results.samples(metrics.FIRST_TURNS_LATENCY) == expected
    assert results.samples(metrics.LAST_TURNS_LATENCY) == expected
    assert results.samples(metrics.RESPONSE_LATENCY) == 0
