import pytest
from hypothesis import given
from hypothesis import strategies as st
from shape_laws import WEEK_S, concurrency_at, steps_of, takes_no_memory

from coval_load.engine.shapes.interface import Step
from coval_load.engine.shapes.soak import Soak

parts = st.just(0.0) | st.floats(0.01, 0.5)


def test_one_at_once_then_more_then_all_then_fewer_then_none():
    soak = Soak(3, 100, ramp_up_s=10, ramp_down_s=30)
    assert steps_of(soak) == [Step(0, 1), Step(5, 2), Step(10, 3), Step(80, 2), Step(90, 1), Step(100, 0)]


def test_without_ways_up_and_down_it_is_constant():
    assert steps_of(Soak(3, 100)) == [Step(0, 3)]


def test_a_soak_of_one_with_a_way_up_has_nothing_to_climb():
    assert steps_of(Soak(1, 100, ramp_up_s=10)) == [Step(0, 1)]


@given(st.integers(1, 60), st.floats(1e-3, 1e6), parts, parts)
def test_it_climbs_to_all_stays_there_and_ends_at_none(concurrency, duration_s, up, down):
    soak = Soak(concurrency, duration_s, up * duration_s, down * duration_s)
    steps = steps_of(soak)

    assert soak.duration_s == duration_s
    assert steps[0].concurrency == (1 if up else concurrency)
    assert concurrency_at(steps, up * duration_s) == concurrency
    falling = [step for step in steps if step.at_s > up * duration_s]
    assert [step.concurrency for step in falling] == (list(range(concurrency - 1, -1, -1)) if down else [])
    assert not down or steps[-1] == Step(duration_s, 0)
    assert all(step.at_s >= duration_s - down * duration_s for step in falling)
    rising = [step.concurrency for step in steps if step.at_s <= up * duration_s]
    assert rising == (list(range(1, concurrency + 1)) if up else [concurrency])


@pytest.mark.parametrize(
    ("up", "down", "duration_s"), [(0.1, 0.2, 0.3), (60, 60, 120), (0.7, 0.1, 0.8), (5, 0, 5), (5 + 1e-9, 0, 5)]
)
def test_ways_that_fill_the_duration_fit(up, down, duration_s):
    steps = steps_of(Soak(4, duration_s, up, down))
    assert max(step.concurrency for step in steps if step.at_s <= duration_s) == 4


@pytest.mark.parametrize(("up", "down"), [(11, 0), (0, 11), (6, 5), (5.00001, 5)])
def test_ways_longer_than_the_duration_are_refused(up, down):
    with pytest.raises(ValueError, match=r"fit into the 10 s of the soak; got .* shorten them, or soak longer"):
        Soak(4, 10, up, down)


def test_a_week_with_a_million_places_is_walked_and_not_kept():
    assert takes_no_memory(Soak(1_000_000, WEEK_S, WEEK_S / 2, WEEK_S / 2).steps())


def test_simulations_are_handed_on():
    assert Soak(1, 1, simulations=12).simulations == 12
