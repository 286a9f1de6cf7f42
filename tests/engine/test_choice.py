"""Which test case a simulation takes: in order, shuffled pass by pass, or drawn by weight."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.engine.choice import MOST_SHUFFLED, InOrder, Shuffled, Weighted, choose

ITERATIONS = st.lists(st.integers(1, 5), min_size=1, max_size=12).map(tuple)
WEIGHTS = st.lists(st.floats(0, 1e6, exclude_min=True), min_size=1, max_size=12).map(tuple)
SEEDS = st.integers(0, 2**63 - 1) | st.text()
SHARES = st.integers(0, 200)


def dealt(choice, shares):
    return [choice.case(share) for share in shares]


def a_pass(choice, number):
    return dealt(choice, range(number * choice.pass_length, (number + 1) * choice.pass_length))


@given(ITERATIONS)
def test_in_order_takes_each_case_so_often_in_a_row(iterations):
    expected = [case for case, times in enumerate(iterations) for _ in range(times)]
    choice = InOrder(iterations)
    assert choice.pass_length == len(expected)
    assert a_pass(choice, 0) == expected
    assert a_pass(choice, 1_000) == expected


def test_iterations_are_not_written_out():
    choice = InOrder((1_000_000,) * 100_000)
    assert choice.pass_length == 10**11
    assert dealt(choice, (999_999, 1_000_000, 10**11 - 1, 10**11)) == [0, 1, 99_999, 0]


@given(ITERATIONS, SEEDS, st.integers(0, 50))
def test_each_shuffled_pass_has_each_case_so_often(iterations, seed, number):
    choice = Shuffled(iterations, seed)
    assert choice.pass_length == sum(iterations)
    assert Counter(a_pass(choice, number)) == Counter(dict(enumerate(iterations)))


def test_shuffled_passes_differ_from_each_other_and_between_seeds():
    passes = {tuple(a_pass(Shuffled((1,) * 10, seed), number)) for seed in (1, 2, "1/2") for number in range(10)}
    assert len(passes) == 30


def test_every_order_is_as_likely():
    choice = Shuffled((1, 1, 1), 7)
    seen = Counter(tuple(a_pass(choice, number)) for number in range(6_000))
    # Chi-square with five degrees of freedom: above 20.5 in one of a thousand seeds.
    assert len(seen) == 6
    assert sum((times - 1_000) ** 2 / 1_000 for times in seen.values()) < 20.5


def test_weighted_draws_as_often_as_the_weights_say():
    weights = (1.0, 2.0, 0.5, 6.5)
    seen = Counter(dealt(Weighted(weights, 7), range(40_000)))
    expected = {case: weight * 4_000 for case, weight in enumerate(weights)}
    # Chi-square with three degrees of freedom: above 16.3 in one of a thousand seeds.
    assert sum((seen[case] - times) ** 2 / times for case, times in expected.items()) < 16.3


def test_draws_that_follow_each_other_do_not_hang_together():
    draws = dealt(Weighted((1.0, 1.0), 7), range(20_000))
    pairs = Counter(pairwise(draws))
    assert all(abs(times - 5_000) < 250 for times in pairs.values())
    other = dealt(Weighted((1.0, 1.0), 8), range(20_000))
    assert abs(sum(a == b for a, b in zip(draws, other, strict=True)) - 10_000) < 350


@given(WEIGHTS, SEEDS, st.integers(0, 10**12))
def test_a_draw_is_one_of_the_cases(weights, seed, share):
    choice = Weighted(weights, seed)
    assert choice.pass_length == len(weights)
    assert 0 <= choice.case(share) < len(weights)


@given(st.sampled_from(["in_order", "shuffled", "weighted"]), ITERATIONS, SEEDS, st.lists(SHARES, max_size=60))
def test_a_share_has_its_case_whenever_it_is_asked_for(kind, iterations, seed, shares):
    weights = [float(times) for times in iterations]
    in_a_row = dealt(choose(kind, iterations, weights, seed), range(201))
    assert dealt(choose(kind, iterations, weights, seed), shares) == [in_a_row[share] for share in shares]


def test_passes_are_shuffled_alike_backwards_and_after_they_were_forgotten():
    in_a_row = dealt(Shuffled((1,) * 20, 7), range(200))
    choice = Shuffled((1,) * 20, 7)
    assert dealt(choice, reversed(range(200))) == in_a_row[::-1]
    assert dealt(choice, [19, 3, 19, 45, 7, 199, 12]) == [in_a_row[share] for share in (19, 3, 19, 45, 7, 199, 12)]
    assert dealt(choice, range(200)) == in_a_row


def test_what_is_chosen_stays_the_same_from_release_to_release():
    assert dealt(choose("shuffled", (1, 2, 1), (), 7), range(8)) == SHUFFLED
    assert dealt(choose("weighted", (), (1.0, 2.0, 1.0), 7), range(8)) == WEIGHTED
    assert dealt(choose("in_order", (1, 2, 1), (), 7), range(8)) == [0, 1, 1, 2, 0, 1, 1, 2]


SHUFFLED = [1, 0, 1, 2, 0, 1, 1, 2]
WEIGHTED = [1, 1, 2, 1, 2, 2, 1, 1]


def test_no_more_is_shuffled_than_fits():
    assert Shuffled((MOST_SHUFFLED,), 7).pass_length == MOST_SHUFFLED
    with pytest.raises(ValueError, match="expected at most 1000000 entries to shuffle; got 1000001"):
        choose("shuffled", (MOST_SHUFFLED, 1), (1.0, 1.0), 7)


@pytest.mark.parametrize("kind", ["in_order", "shuffled", "weighted"])
def test_there_is_a_case_to_choose(kind):
    with pytest.raises(ValueError, match="must be >= 1: 0"):
        choose(kind, (), (), 7)
