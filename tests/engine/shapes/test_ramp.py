import math
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shape_laws import WEEK_S, concurrency_at, steps_of, takes_no_memory

from coval_load.engine.shapes.interface import Step
from coval_load.engine.shapes.ramp import Ramp, Stage

stages = st.builds(Stage, st.just(0.0) | st.floats(1e-3, 1e4), st.integers(0, 40))
ramps = st.builds(Ramp, st.lists(stages, min_size=1, max_size=6).map(tuple), st.integers(0, 40))


def legs(ramp):
    """(began_s, ended_s, from, to) of each stage."""
    times = list(accumulate((stage.duration_s for stage in ramp.stages), initial=0.0))
    levels = [ramp.start, *(stage.concurrency for stage in ramp.stages)]
    return list(zip(times, times[1:], levels, levels[1:], strict=False))


def test_a_place_opens_where_the_line_reaches_it_and_goes_where_the_line_has_left_it():
    ramp = Ramp((Stage(4, 2), Stage(10, 2), Stage(3, 0)))
    assert steps_of(ramp) == [Step(0, 0), Step(2, 1), Step(4, 2), Step(15.5, 1), Step(17, 0)]
    assert (ramp.duration_s, ramp.most_at_once, ramp.simulations) == (17, 2, None)


def test_a_stage_of_no_time_is_a_jump():
    ramp = Ramp((Stage(0, 50), Stage(10, 50), Stage(0, 5), Stage(10, 5)), start=20)
    assert steps_of(ramp) == [Step(0, 20), Step(0, 50), Step(10, 5)]


def test_a_ramp_without_stages_is_over_at_once():
    assert (Ramp((), start=3).duration_s, steps_of(Ramp((), start=3))) == (0, [Step(0, 3)])


@given(ramps)
def test_every_stage_reaches_its_concurrency_at_its_end_and_never_exceeds_it(ramp):
    steps = steps_of(ramp)
    assert ramp.duration_s == legs(ramp)[-1][1]
    for (began_s, ended_s, before, after), following in zip(legs(ramp), [*legs(ramp)[1:], None], strict=True):
        within = [step.concurrency for step in steps if began_s < step.at_s < ended_s]
        assert all(min(before, after) <= concurrency <= max(before, after) for concurrency in within)
        assert within == sorted(within, reverse=after < before)
        if following is None or following[1] > following[0]:
            assert concurrency_at(steps, ended_s) == after
        if began_s < ended_s and before != after:
            assert concurrency_at(steps, math.nextafter(ended_s, 0)) != after


@given(ramps, st.floats(0, 1))
def test_the_concurrency_is_the_line_rounded_down_on_the_way_up_and_rounded_up_on_the_way_down(ramp, part):
    steps = steps_of(ramp)
    for began_s, ended_s, before, after in legs(ramp):
        at_s = began_s + part * (ended_s - began_s)
        if not began_s < at_s < ended_s:
            continue
        line = before + (after - before) * (at_s - began_s) / (ended_s - began_s)
        if abs(line - round(line)) > 1e-6:
            expected = math.floor(line) if after > before else math.ceil(line)
            assert concurrency_at(steps, at_s) == expected


@pytest.mark.parametrize("stage", [Stage(WEEK_S, 1_000_000), Stage(WEEK_S, 0)], ids=["up", "down"])
def test_a_week_of_a_million_steps_is_walked_and_not_kept(stage):
    ramp = Ramp((stage,), start=1_000_000 - stage.concurrency)
    assert ramp.most_at_once == 1_000_000
    assert takes_no_memory(ramp.steps())


def test_simulations_are_handed_on():
    assert Ramp((Stage(1, 1),), simulations=12).simulations == 12
