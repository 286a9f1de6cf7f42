from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shape_laws import WEEK_S, steps_of, takes_no_memory, times_of

from coval_load.engine.shapes.arrival_rate import ArrivalRate
from coval_load.engine.shapes.constant import Constant
from coval_load.engine.shapes.ramp import Ramp, Stage
from coval_load.engine.shapes.ramping_arrival_rate import RampingArrivalRate, RateStage
from coval_load.engine.shapes.scaled import scaled
from coval_load.engine.shapes.simulations import Simulations
from coval_load.engine.shapes.soak import Soak

divisors = st.integers(1, 50)
levels = st.integers(1, 100)
closed = st.one_of(
    st.builds(Simulations, levels, levels),
    st.builds(Constant, levels, st.floats(1, 100), st.none() | levels),
    st.builds(Soak, levels, st.floats(10, 100), st.floats(0, 5), st.floats(0, 5), st.none() | levels),
    st.builds(Ramp, st.tuples(st.builds(Stage, st.floats(0, 9), levels), st.builds(Stage, st.floats(0, 9), levels))),
)
spacings = st.sampled_from(["even", "poisson"])
opened = st.one_of(
    st.builds(ArrivalRate, st.floats(1, 100), st.floats(0.1, 5), levels, st.just("drop"), spacings),
    st.builds(RampingArrivalRate, st.tuples(st.builds(RateStage, st.floats(0.1, 5), st.floats(0, 100)))),
)


def test_a_thousandth_of_a_ramp_takes_as_long_and_always_has_someone_where_the_ramp_has():
    ramp = Ramp((Stage(10, 5_000), Stage(10, 0)), simulations=900)
    preview = scaled(ramp, 1_000)
    steps = steps_of(preview)
    assert [step.concurrency for step in steps] == [0, 1, 2, 3, 4, 5, 4, 3, 2, 1, 0]
    times = [0, 0.002, 4, 6, 8, 10, 10.002, 12.002, 14.002, 16.002, 20]
    assert [step.at_s for step in steps] == pytest.approx(times)
    assert (preview.duration_s, preview.most_at_once, preview.simulations) == (20, 5, 1)


@given(closed, divisors)
def test_each_concurrency_is_divided_but_someone_stays_someone(shape, divisor):
    small = scaled(shape, divisor)
    divided = {step.at_s: max(step.concurrency // divisor, min(step.concurrency, 1)) for step in shape.steps()}
    steps = steps_of(small)
    seen = {step.at_s: step.concurrency for step in steps}

    now = None
    for at_s, concurrency in divided.items():
        now = seen.get(at_s, now)
        assert now == concurrency
    assert small.duration_s == shape.duration_s
    assert small.simulations == (None if shape.simulations is None else max(1, shape.simulations // divisor))


@given(opened, divisors, st.integers())
def test_every_so_manieth_arrival_is_kept(shape, divisor, seed):
    small = scaled(shape, divisor)
    assert times_of(small, seed) == times_of(shape, seed)[::divisor]
    assert small.due_before(2) == pytest.approx(shape.due_before(2) / divisor)
    assert (small.duration_s, small.when_full) == (shape.duration_s, shape.when_full)
    assert small.most_at_once == max(1, shape.most_at_once // divisor)


@given(closed)
def test_divided_by_one_it_is_the_same(shape):
    small = scaled(shape, 1)
    assert (small.most_at_once, small.simulations) == (shape.most_at_once, shape.simulations)
    assert steps_of(small)[-1] == steps_of(shape)[-1]


def test_it_can_be_scaled_again():
    assert times_of(scaled(scaled(ArrivalRate(12, 1), 2), 3)) == times_of(ArrivalRate(12, 1))[::6]


def test_a_week_is_walked_and_not_kept():
    assert takes_no_memory(scaled(Soak(2_000_000, WEEK_S, WEEK_S), 10).steps())
    assert takes_no_memory(scaled(ArrivalRate(200, WEEK_S, spacing="poisson"), 10).due_times(Random(1)))


@pytest.mark.parametrize("divisor", [0, -1])
def test_a_divisor_below_one_is_refused(divisor):
    with pytest.raises(ValueError, match="expected to divide the load by 1 or more; got"):
        scaled(Constant(1, 1), divisor)
