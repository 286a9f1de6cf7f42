"""Every worker has its share, and what lost ones would have had is missed evenly, or not at all."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from coval_load.cluster.shares import Shares


def shares_of(workers, gaps=0):
    shares = Shares()
    for number in range(workers + gaps):
        shares.add(f"w{number}")
    for number in range(workers, workers + gaps):
        shares.lost(f"w{number}", leaves_gap=True)
    return shares


def test_they_take_turns_where_all_run_as_many():
    shares = shares_of(3)
    assert [shares.choose() for _ in range(7)] == ["w0", "w1", "w2", "w0", "w1", "w2", "w0"]


def test_who_runs_fewest_is_chosen():
    shares = shares_of(3)
    for _ in range(6):
        shares.choose()
    shares.ended("w1")
    assert shares.choose() == "w1"


@given(st.integers(1, 50), st.integers(0, 500))
def test_nobody_has_more_than_one_more_where_nothing_ends(workers, simulations):
    shares = shares_of(workers)
    for _ in range(simulations):
        shares.choose()
    running = shares.running.values()
    assert sum(running) == simulations
    assert max(running) - min(running) <= 1


def test_every_fourth_is_missed_where_one_of_four_was_lost():
    shares = shares_of(3, gaps=1)
    chosen = [shares.choose(may_miss=True) for _ in range(8)]
    assert chosen == ["w0", "w1", "w2", None, "w0", "w1", "w2", None]


@given(st.integers(1, 30), st.integers(0, 30), st.integers(0, 300))
def test_as_much_is_missed_as_was_lost_at_every_moment(workers, gaps, arrivals):
    shares = shares_of(workers, gaps)
    missed = 0
    for arrival in range(1, arrivals + 1):
        missed += shares.choose(may_miss=True) is None
        assert missed == arrival * gaps // (workers + gaps)


@given(st.integers(1, 30), st.integers(0, 30), st.integers(0, 100))
def test_closed_loads_never_miss(workers, gaps, arrivals):
    shares = shares_of(workers, gaps)
    assert None not in [shares.choose() for _ in range(arrivals)]


@given(st.lists(st.booleans(), max_size=200))
def test_what_may_not_miss_leaves_the_turns_of_what_may(kinds):
    shares = shares_of(3, gaps=1)
    chosen = [shares.choose(may_miss=may_miss) for may_miss in kinds]
    assert chosen.count(None) == sum(kinds) // 4


def test_who_joins_fills_a_gap():
    shares = shares_of(3, gaps=1)
    shares.add("late")
    assert shares.gaps == 0
    assert None not in [shares.choose(may_miss=True) for _ in range(20)]
    shares.add("more")
    assert shares.gaps == 0


def test_the_others_get_it_all_where_no_gap_is_left():
    shares = shares_of(3)
    shares.lost("w1", leaves_gap=False)
    shares.remove("w2")
    assert shares.gaps == 0
    assert [shares.choose(may_miss=True) for _ in range(3)] == ["w0"] * 3


def test_what_was_nearly_missed_stays_so_when_another_is_lost():
    shares = shares_of(7, gaps=1)
    assert None not in [shares.choose(may_miss=True) for _ in range(6)]
    shares.lost("w6", leaves_gap=True)  # of eight turns six are gone, so two more of a quarter are one
    assert [shares.choose(may_miss=True) is None for _ in range(5)] == [True, False, False, False, True]


@pytest.mark.parametrize("gaps", [0, 3])
def test_nobody_is_there(gaps):
    shares = shares_of(0, gaps)
    assert shares.choose() is None
    assert shares.choose(may_miss=True) is None


def test_what_ends_after_its_worker_was_lost_is_nobody_s():
    shares = shares_of(2)
    shares.choose()
    shares.lost("w0", leaves_gap=True)
    shares.lost("w0", leaves_gap=True)
    shares.ended("w0")
    assert dict(shares.running) == {"w1": 0}
    assert shares.gaps == 1


def test_nobody_runs_less_than_nothing():
    shares = shares_of(1)
    shares.ended("w0")
    assert dict(shares.running) == {"w0": 0}


def test_the_same_name_twice_is_a_fault():
    with pytest.raises(ValueError, match="got w0 again"):
        shares_of(1).add("w0")


class Going(RuleBasedStateMachine):
    """Against a list that is searched from end to end."""

    running = Bundle("running")

    def __init__(self):
        super().__init__()
        self.shares = Shares()
        self.truth = {}
        self.from_the_start = set()
        self.names = iter(range(10**6))

    @rule(target=running, count=st.integers(1, 5))
    def add(self, count):
        names = [f"w{next(self.names)}" for _ in range(count)]
        if not any(self.truth.values()):
            self.from_the_start.update(names)
        for name in names:
            self.shares.add(name)
            self.truth[name] = 0
        return multiple()

    @rule(target=running, may_miss=st.booleans())
    def choose(self, may_miss):
        chosen = self.shares.choose(may_miss=may_miss)
        if chosen is None:
            assert not self.truth or (may_miss and self.shares.gaps)
            return multiple()
        rivals = self.from_the_start & set(self.truth)  # who joined later has a head start, which wears off
        assert all(self.truth[chosen] <= self.truth[rival] for rival in rivals)
        self.truth[chosen] += 1
        return chosen

    @rule(worker=consumes(running))
    def end(self, worker):
        self.shares.ended(worker)
        if worker in self.truth:
            self.truth[worker] -= 1

    @rule(random=st.randoms(use_true_random=False), leaves_gap=st.booleans())
    def lose(self, random: Random, leaves_gap):
        if self.truth:
            lost = random.choice(sorted(self.truth))
            del self.truth[lost]
            self.shares.lost(lost, leaves_gap=leaves_gap)

    @invariant()
    def counts_agree(self):
        assert dict(self.shares.running) == self.truth


TestGoing = Going.TestCase


@given(st.integers(3, 30), st.integers(2, 20))
def test_who_joins_late_gets_about_twice_its_share_until_it_has_as_many(workers, busy):
    shares = shares_of(workers)
    going = [shares.choose() for _ in range(workers * busy)]
    shares.add("late")
    at_first = Counter()
    for turn in range(4 * workers * busy):
        going.append(shares.choose())
        shares.ended(going.pop(0))
        if turn < workers * busy // 2:
            at_first[going[-1]] += 1
    assert at_first["late"] <= 2 * (sum(at_first.values()) // (workers + 1)) + 2
    assert max(shares.running.values()) - min(shares.running.values()) <= 2


@given(st.integers(2, 20), st.randoms(use_true_random=False))
def test_none_is_left_out_while_simulations_come_and_go(workers, random):
    shares = shares_of(workers)
    open_now, chosen = [], Counter()
    for _ in range(workers * 20):
        worker = shares.choose()
        chosen[worker] += 1
        open_now.append(worker)
        if len(open_now) > workers:
            shares.ended(open_now.pop(random.randrange(len(open_now))))
    assert len(chosen) == workers
    assert max(shares.running.values()) <= 3


@given(st.integers(0, 10), st.integers(0, 10))
def test_what_is_missed_can_be_asked_before_a_worker_is_chosen(workers, gaps):
    asked, chosen = shares_of(workers, gaps), shares_of(workers, gaps)
    for _ in range(50):
        missed = asked.misses()
        assert missed == ((chosen.choose(may_miss=True) is None) and bool(gaps))
        if not missed:
            asked.choose()
    assert asked.running == chosen.running
