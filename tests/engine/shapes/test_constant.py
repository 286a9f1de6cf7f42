from hypothesis import given
from hypothesis import strategies as st
from shape_laws import steps_of

from coval_load.engine.shapes.constant import Constant
from coval_load.engine.shapes.interface import Step


@given(st.integers(1, 10_000), st.floats(1e-3, 1e6), st.none() | st.integers(1, 10_000))
def test_all_places_open_at_once_and_stay(concurrency, duration_s, simulations):
    shape = Constant(concurrency, duration_s, simulations)
    assert steps_of(shape) == [Step(0.0, concurrency)]
    assert (shape.duration_s, shape.simulations) == (duration_s, simulations)
