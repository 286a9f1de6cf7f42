"""How long is waited before a dial is tried again."""

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.engine.back_off import BackOff

TIMES_S = st.floats(0.001, 1e6)
BACK_OFFS = st.builds(BackOff, st.integers(1, 100), TIMES_S, TIMES_S)


class Highest(Random):
    """Draws the upper bound, so that the bounds are what is seen."""

    def uniform(self, a, b):
        assert a == 0
        return b


@given(BACK_OFFS, st.integers())
def test_as_many_as_there_are_attempts_and_none_above_its_bound(back_off, seed):
    waits = list(back_off.waits(Random(seed)))
    assert len(waits) == back_off.attempts
    for number, wait_s in enumerate(waits):
        assert 0 <= wait_s <= min(back_off.first_s * 2**number, back_off.most_s)


@given(BACK_OFFS)
def test_the_bound_doubles_until_it_has_reached_the_longest(back_off):
    bounds = list(back_off.waits(Highest()))
    assert bounds[0] == min(back_off.first_s, back_off.most_s)
    for earlier, later in pairwise(bounds):
        assert later == min(2 * earlier, back_off.most_s)


def test_the_bounds_of_the_defaults():
    assert list(BackOff(8).waits(Highest())) == [0.5, 1, 2, 4, 8, 16, 30, 30]


def test_waits_fill_the_whole_of_their_bound():
    """Full jitter: who was refused together comes back at any time up to the bound, at once as well as last."""
    firsts = sorted(next(BackOff(1, 10.0).waits(Random(seed))) for seed in range(2000))
    assert firsts[0] < 0.1
    assert firsts[-1] > 9.9
    assert firsts[1000] == pytest.approx(5, abs=0.5)


@given(BACK_OFFS, st.integers())
def test_the_same_seed_waits_the_same(back_off, seed):
    assert list(back_off.waits(Random(seed))) == list(back_off.waits(Random(seed)))


@given(BACK_OFFS, st.floats(0, 1e9), TIMES_S)
def test_what_the_agent_asks_for_is_the_least_but_no_more_than_the_longest(back_off, least_s, drawn_s):
    wait_s = back_off.at_least(least_s, drawn_s)
    assert wait_s <= back_off.most_s
    assert wait_s >= min(least_s, back_off.most_s)


def test_who_was_told_the_same_time_does_not_come_at_once():
    assert [BackOff(1).at_least(4.0, drawn_s) for drawn_s in (0.0, 0.3)] == [4.0, 4.3]
