from hypothesis import given
from hypothesis import strategies as st
from shape_laws import steps_of

from coval_load.engine.shapes.interface import Step
from coval_load.engine.shapes.simulations import Simulations


@given(st.integers(1, 10_000), st.integers(1, 10_000))
def test_no_more_places_than_simulations_and_no_end_in_time(concurrency, simulations):
    shape = Simulations(concurrency, simulations)
    assert steps_of(shape) == [Step(0.0, min(concurrency, simulations))]
    assert (shape.duration_s, shape.simulations) == (None, simulations)
