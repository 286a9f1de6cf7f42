from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from coval_load.engine.shapes.interface import Step
from coval_load.engine.shapes.straight_lines import steps_along

seconds = st.floats(1e-3, 1e6)
levels = st.integers(0, 60)


@given(seconds, seconds, levels, levels)
def test_each_whole_number_on_the_way_has_its_step_where_the_line_reaches_it(began_s, lasts_s, before, after):
    earlier, later = Step(began_s, before), Step(began_s + lasts_s, after)
    first, *steps = steps_along([earlier, later])

    assert first == earlier
    sign = 1 if after > before else -1
    assert [step.concurrency for step in steps] == list(range(before + sign, after + sign, sign))[: abs(after - before)]
    for step in steps:
        part = Fraction(step.concurrency - before, after - before)
        exact = Fraction(began_s) + part * (Fraction(later.at_s) - Fraction(began_s))
        assert abs(Fraction(step.at_s) - exact) <= Fraction(later.at_s) / 2**50
    assert before == after or steps[-1] == later


def test_a_jump_is_one_step_and_a_hold_none():
    corners = [Step(0.0, 2), Step(5.0, 2), Step(5.0, 9), Step(6.0, 9), Step(6.0, 0)]
    assert list(steps_along(corners)) == [Step(0.0, 2), Step(5.0, 9), Step(6.0, 0)]


def test_a_single_corner_is_a_single_step():
    assert list(steps_along([Step(0.0, 4)])) == [Step(0.0, 4)]
