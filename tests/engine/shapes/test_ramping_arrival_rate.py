import math
from itertools import accumulate, islice
from random import Random

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shape_laws import WEEK_S, is_exponential, takes_no_memory, times_of

from coval_load.engine.shapes.arrival_rate import ArrivalRate
from coval_load.engine.shapes.ramping_arrival_rate import RampingArrivalRate, RateStage

rates = st.just(0.0) | st.floats(0.01, 100)
stages = st.builds(RateStage, st.just(0.0) | st.floats(0.01, 5), rates)
spacings = st.sampled_from(["even", "poisson"])
shapes = st.builds(RampingArrivalRate, st.lists(stages, max_size=5).map(tuple), rates, spacing=spacings)
even_shapes = st.builds(RampingArrivalRate, st.lists(stages, max_size=5).map(tuple), rates)
UP_HOLD_DOWN = (RateStage(40, 200), RateStage(20, 200), RateStage(0, 50), RateStage(10, 50), RateStage(30, 0))


def integral(shape, at_s):
    """How many `shape` is due before `at_s`, by trapezoids that end at the corners of its rate."""
    times = list(accumulate((stage.duration_s for stage in shape.stages), initial=0.0))
    levels = [shape.start_rate_per_s, *(stage.rate_per_s for stage in shape.stages)]
    total = 0.0
    for began_s, ended_s, before, after in zip(times, times[1:], levels, levels[1:], strict=False):
        until_s = min(max(at_s, began_s), ended_s)
        if until_s > began_s:
            rate = numpy.interp(until_s, [began_s, ended_s], [before, after])
            total += (before + rate) / 2 * (until_s - began_s)
    return total


@given(shapes, st.floats(-1, 30))
def test_due_before_is_the_integral_of_the_rate(shape, at_s):
    assert shape.due_before(at_s) == pytest.approx(integral(shape, at_s), rel=1e-9, abs=1e-6)


@given(even_shapes)
def test_even_arrival_k_is_due_where_the_integral_reaches_k(shape):
    times = times_of(shape)
    assert [integral(shape, at_s) for at_s in times] == pytest.approx(list(range(len(times))), rel=1e-9, abs=1e-6)
    assert -1e-6 <= len(times) - integral(shape, math.inf) <= 1 + 1e-6


@given(shapes, st.integers())
def test_all_of_them_keep_to_the_contract_and_to_their_number(shape, seed):
    assert abs(len(times_of(shape, seed)) - shape.due_before(math.inf)) <= 1 + 1e-6


@given(even_shapes, st.floats(0, 30))
def test_even_arrivals_before_any_time_are_as_many_as_promised(shape, at_s):
    before = sum(due < at_s for due in times_of(shape))
    assert abs(before - shape.due_before(at_s)) <= 1 + 1e-6


@pytest.mark.parametrize("number", [0, 1, 50, 4_999])
def test_a_climb_from_none_follows_the_square_root(number):
    shape = RampingArrivalRate((RateStage(100, 100),))
    assert times_of(shape)[number] == pytest.approx(math.sqrt(2 * number), rel=1e-14)


def test_the_way_down_is_the_way_up_seen_from_its_end():
    down = times_of(RampingArrivalRate((RateStage(1e6, 0),), start_rate_per_s=0.02))
    up = times_of(RampingArrivalRate((RateStage(1e6, 0.02),)))
    assert len(down) == len(up) == 10_000
    # Arrival 0 has no image: the mirrored one would be due at the end itself.
    assert [1e6 - at_s for at_s in reversed(down[1:])] == pytest.approx(up[1:], abs=1e-9)


@pytest.mark.parametrize("rate", [0.1, 7, 33.3, 1_000])
def test_an_unchanged_rate_is_an_arrival_rate(rate):
    flat = RampingArrivalRate((RateStage(10, rate), RateStage(10, rate)), start_rate_per_s=rate)
    assert times_of(flat) == pytest.approx(times_of(ArrivalRate(rate, 20)), rel=1e-12)


def test_nothing_is_due_in_a_pause_not_even_at_its_edge():
    pause = (RateStage(10, 10), RateStage(0, 0), RateStage(60, 0), RateStage(0, 10), RateStage(10, 10))
    times = times_of(RampingArrivalRate(pause, start_rate_per_s=10))
    assert len(times) == 200
    assert [at_s for at_s in times if 10 <= at_s <= 70] == [70.0]


@pytest.mark.parametrize("rate", [0.1, 0.3, 1.1, 2.3, 4.7])
def test_rounding_puts_no_arrival_before_a_pause_that_belongs_behind_it(rate):
    before = tuple(RateStage(0.1, rate) for _ in range(100))
    shape = RampingArrivalRate((*before, RateStage(0, 0), RateStage(5, 0), RateStage(0, 1), RateStage(1, 1)), rate)
    assert [at_s for at_s in times_of(shape) if 9.9999 < at_s < 14.9999] == []


@pytest.mark.parametrize("start", [0, 1e6], ids=["up", "hold"])
def test_where_seconds_have_few_digits_left_still_nothing_is_due_at_the_end(start):
    stages = (RateStage(1e9, 0), RateStage(0, start), RateStage(1e-3, 1e6))
    for seed in range(100):
        times_of(RampingArrivalRate(stages, spacing="poisson"), seed)


def test_a_shape_without_a_rate_or_without_time_has_no_arrivals():
    assert times_of(RampingArrivalRate((RateStage(10, 0),))) == []
    assert times_of(RampingArrivalRate((RateStage(0, 10),), spacing="poisson")) == []
    assert times_of(RampingArrivalRate((), start_rate_per_s=5)) == []


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("faster", [1, 5])
def test_poisson_gaps_are_exponential_once_the_rate_is_taken_out(seed, faster):
    stages = tuple(RateStage(stage.duration_s, stage.rate_per_s * faster) for stage in UP_HOLD_DOWN)
    shape = RampingArrivalRate(stages, spacing="poisson")
    times = times_of(shape, seed)
    assert is_exponential(numpy.diff([integral(shape, at_s) for at_s in times]))
    assert not is_exponential(numpy.diff(times) / numpy.diff(times).mean())


def test_even_gaps_are_not():
    shape = RampingArrivalRate(UP_HOLD_DOWN)
    assert not is_exponential(numpy.diff([integral(shape, at_s) for at_s in times_of(shape)][:200]))


@settings(max_examples=20)
@given(st.floats(20, 500), st.floats(20, 500), st.integers(), spacings)
def test_a_minute_has_the_mean_rate_within_a_thousandth(before, after, seed, spacing):
    shape = RampingArrivalRate((RateStage(60, after),), start_rate_per_s=before, spacing=spacing)
    assert len(times_of(shape, seed)) / 60 == pytest.approx((before + after) / 2, rel=1e-3)


@given(st.integers(), st.integers())
def test_the_seed_decides_for_poisson_alone(seed, other):
    poisson = RampingArrivalRate((RateStage(10, 40),), spacing="poisson")
    assert times_of(poisson, seed) == times_of(poisson, seed)
    # Python's generator takes the absolute value of a seed.
    assert (times_of(poisson, seed) == times_of(poisson, other)) == (abs(seed) == abs(other))
    even = RampingArrivalRate((RateStage(10, 40),))
    assert times_of(even, seed) == times_of(even, other)


@pytest.mark.parametrize("spacing", ["even", "poisson"])
@pytest.mark.parametrize(("before", "after"), [(0, 2_000), (2_000, 0)], ids=["up", "down"])
def test_a_week_is_walked_and_not_kept(spacing, before, after):
    shape = RampingArrivalRate((RateStage(WEEK_S, after),), start_rate_per_s=before, spacing=spacing)
    assert len(list(islice(shape.due_times(Random(1)), 10))) == 10
    assert takes_no_memory(shape.due_times(Random(1)))


@pytest.mark.parametrize("rate", [-1, math.inf, math.nan])
def test_a_rate_without_a_sense_is_refused(rate):
    with pytest.raises(ValueError, match="expected arrival rates of 0 a second or more; got"):
        RampingArrivalRate((RateStage(10, rate),))
    with pytest.raises(ValueError, match="expected arrival rates of 0 a second or more; got"):
        RampingArrivalRate((RateStage(10, 1),), start_rate_per_s=rate)


def test_the_cap_and_what_happens_at_it_are_handed_on():
    shape = RampingArrivalRate((RateStage(1, 1),), most_at_once=7, when_full="drop")
    assert (shape.most_at_once, shape.when_full) == (7, "drop")
