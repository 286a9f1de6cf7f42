import math
from itertools import islice
from random import Random

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shape_laws import WEEK_S, is_exponential, takes_no_memory, times_of

from coval_load.engine.shapes.arrival_rate import ArrivalRate

rates = st.floats(0.01, 1_000)
spacings = st.sampled_from(["even", "poisson"])


@given(rates, st.floats(0.01, 5))
def test_even_arrivals_are_computed_and_not_summed_up(rate, duration_s):
    times = times_of(ArrivalRate(rate, duration_s))
    assert times == [number / rate for number in range(len(times))]
    assert len(times) / rate >= duration_s


@pytest.mark.parametrize(
    ("rate", "duration_s", "due"), [(10, 0.3, 3), (3, 1 / 3, 1), (1, 1, 1), (0.1, 5, 1), (7, 0, 0)]
)
def test_nothing_is_due_at_the_end_itself(rate, duration_s, due):
    assert len(times_of(ArrivalRate(rate, duration_s))) == due


@given(rates, st.floats(0.01, 5), st.integers())
def test_poisson_arrivals_keep_to_the_contract_and_to_their_number(rate, duration_s, seed):
    times = times_of(ArrivalRate(rate, duration_s, spacing="poisson"), seed)
    assert abs(len(times) - rate * duration_s) < 1 + 1e-6


@settings(max_examples=20)
@given(st.floats(20, 1_000), st.integers(), spacings)
def test_each_minute_has_the_rate_within_a_thousandth(rate, seed, spacing):
    times = numpy.array(times_of(ArrivalRate(rate, 180, spacing=spacing), seed))
    for minute in range(3):
        count = ((times >= 60 * minute) & (times < 60 * (minute + 1))).sum()
        assert count / 60 == pytest.approx(rate, rel=1e-3)


@pytest.mark.parametrize("rate", [0.5, 20, 33.3, 250, 1_000])
@pytest.mark.parametrize("seed", range(4))
def test_poisson_gaps_are_exponential(rate, seed):
    duration_s = 20_000 / rate
    assert is_exponential(numpy.diff(times_of(ArrivalRate(rate, duration_s, spacing="poisson"), seed)) * rate)


@pytest.mark.parametrize("rate", [0.5, 20, 1_000])
def test_even_gaps_are_not(rate):
    assert not is_exponential(numpy.diff(times_of(ArrivalRate(rate, 200 / rate))) * rate)


def test_gaps_that_are_a_twentieth_too_long_are_not():
    gaps = numpy.diff(times_of(ArrivalRate(20, 1_000, spacing="poisson"))) * 20
    assert not is_exponential(gaps * 1.05)


@given(st.integers(), st.integers())
def test_the_seed_decides_for_poisson_alone(seed, other):
    poisson = ArrivalRate(20, 10, spacing="poisson")
    assert times_of(poisson, seed) == times_of(poisson, seed)
    # Python's generator takes the absolute value of a seed.
    assert (times_of(poisson, seed) == times_of(poisson, other)) == (abs(seed) == abs(other))
    assert times_of(ArrivalRate(20, 10), seed) == times_of(ArrivalRate(20, 10), other)


@given(rates, st.floats(0.01, 5), st.floats(-1, 2))
def test_even_arrivals_before_any_time_are_as_many_as_promised(rate, duration_s, part):
    shape = ArrivalRate(rate, duration_s)
    at_s = part * duration_s
    before = sum(due < at_s for due in times_of(shape))
    assert shape.due_before(at_s) == pytest.approx(rate * min(max(at_s, 0), duration_s))
    assert -1e-6 <= before - shape.due_before(at_s) <= 1 + 1e-6


def test_poisson_arrivals_before_any_time_are_as_many_as_promised_on_average():
    shape = ArrivalRate(100, 60, spacing="poisson")
    assert shape.due_before(20) == 2_000
    counts = [sum(due < 20 for due in shape.due_times(Random(seed))) for seed in range(40)]
    spread = math.sqrt(6_000 / 3 * 2 / 3)
    assert numpy.mean(counts) == pytest.approx(2_000, abs=4 * spread / math.sqrt(40))
    assert numpy.std(counts) == pytest.approx(spread, rel=0.4)


@pytest.mark.parametrize("spacing", ["even", "poisson"])
def test_a_week_is_walked_and_not_kept(spacing):
    shape = ArrivalRate(1_000, WEEK_S, spacing=spacing)
    assert len(list(islice(shape.due_times(Random(1)), 10))) == 10
    assert takes_no_memory(shape.due_times(Random(1)))


@pytest.mark.parametrize("rate", [0, -1, math.inf, math.nan])
def test_a_rate_that_can_not_be_divided_by_is_refused(rate):
    with pytest.raises(ValueError, match="expected an arrival rate above 0 a second; got"):
        ArrivalRate(rate, 10)


def test_the_cap_and_what_happens_at_it_are_handed_on():
    shape = ArrivalRate(1, 1, most_at_once=7, when_full="drop")
    assert (shape.most_at_once, shape.when_full) == (7, "drop")
    assert (ArrivalRate(1, 1).most_at_once, ArrivalRate(1, 1).when_full) == (1000, "queue")
