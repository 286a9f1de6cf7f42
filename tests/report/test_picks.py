"""Which conversations stand on a page of a run that has more than it can show."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.report import picks as picks_module
from coval_load.report.picks import Pick, Picks, shared_out


@pytest.fixture
def small(monkeypatch):
    for name, amount in (("SHOWN", 200), ("FAILED", 80), ("RECORDED", 50)):
        monkeypatch.setattr(picks_module, f"{name}_AT_MOST", amount)
    monkeypatch.setattr(picks_module, "SLOWEST", 20)


def picked(amount, seed="seed", kind=lambda number: None, recorded=lambda number: False, linked=()):
    picks = Picks(seed)
    for number in range(amount):
        picks.add(Pick(float(-number), number), kind(number), number % 100 + number / 1e6, recorded(number))
    return picks, [pick.offset for pick in picks.chosen([Pick(float(-number), number) for number in linked])]


def kind_of(number):
    return {0: "no_response", 1: "rate_limited" if number < 500 else "no_response"}.get(number % 5)


def test_all_are_shown_while_there_is_room_in_the_order_they_began(small):
    picks, shown = picked(200, kind=lambda number: "no_response")
    assert shown == list(range(199, -1, -1))
    assert picks.left_out(200) == []


def test_of_many_those_that_tell_something_are_shown(small):
    picks, shown = picked(5000, kind=kind_of, recorded=lambda number: number % 70 == 3, linked=[2502, 7])
    assert len(shown) == len(set(shown)) == 200
    assert shown == sorted(shown, reverse=True)
    assert {2502, 7} <= set(shown)
    slowest = sorted(range(5000), key=lambda number: number % 100 + number / 1e6)[-20:]
    assert set(slowest) <= set(shown)
    kinds = [kind_of(number) for number in shown]
    assert kinds.count("rate_limited") >= 40  # of a hundred, beside 1,900 that are as many
    assert 40 <= kinds.count("no_response") <= 60
    assert sum(number % 70 == 3 for number in shown) >= 50
    assert kinds.count(None) > 20
    (sentence,) = picks.left_out(len(shown))
    assert sentence == (
        "200 conversations of 5,000 are shown: 80 of 2,000 that failed, the 20 slowest, "
        "those that percentiles lead to, 50 of 72 that were recorded or kept, "
        "and of the rest a random sample; simulations.jsonl has all"
    )


def test_failures_and_the_rest_are_spread_over_the_run(small):
    _, shown = picked(5000, kind=kind_of)
    for first in range(0, 5000, 1000):
        here = [number for number in shown if first <= number < first + 1000]
        assert sum(kind_of(number) is not None for number in here) >= 4
        assert sum(kind_of(number) is None for number in here) >= 4


def test_the_same_seed_picks_the_same(small):
    assert picked(1000)[1] == picked(1000)[1] != picked(1000, seed="another")[1]


def test_memory_does_not_grow_with_the_run(small):
    picks, _ = picked(5000, kind=kind_of, recorded=lambda number: True)
    held = [picks._everything, picks._slowest, picks._recorded.picks, picks._others.picks]
    held += [sample.picks for sample in picks._failed.values()]
    assert [len(one) for one in held] == [200, 20, 50, 200, 80, 80]


@given(st.integers(0, 100), st.dictionaries(st.text(max_size=2), st.integers(0, 60), max_size=6))
def test_room_is_shared_out_evenly(room, wanted):
    shares = shared_out(room, wanted)
    assert sum(shares.values()) == min(room, sum(wanted.values()))
    assert all(shares[name] <= wanted[name] for name in wanted)
    least = min((shares[name] for name in wanted if shares[name] < wanted[name]), default=room)
    assert all(share <= least + 1 for share in shares.values())
