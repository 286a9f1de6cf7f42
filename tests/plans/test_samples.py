"""Which simulations of a plan are recorded: exactly so many, whatever its scenarios are."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.engine.plan import Recording
from coval_load.engine.shapes.arrival_rate import ArrivalRate
from coval_load.engine.shapes.constant import Constant
from coval_load.engine.shapes.simulations import Simulations
from coval_load.plans.samples import recorded

ENDLESS = [ArrivalRate(1.0, 60.0), Constant(2, 60.0)]


def chosen(audio, *shapes, seed=0):
    """The numbers, scenario by scenario."""
    scenarios = [SimpleNamespace(name=str(at), shape=shape) for at, shape in enumerate(shapes)]
    plan = SimpleNamespace(recording=Recording(audio=audio), scenarios=scenarios, seed=seed)
    kept = recorded(plan)
    return [[number for number in range(60) if kept[str(at)](number)] for at in range(len(shapes))]


@pytest.mark.parametrize(("audio", "numbers"), [("all", list(range(60))), ("none", [])])
def test_all_or_none(audio, numbers):
    assert chosen(audio, *ENDLESS) == [numbers, numbers]


def test_a_sample_is_drawn_from_all_simulations_where_their_number_is_known():
    several = [chosen(10, Simulations(1, 30), Simulations(1, 30), seed=seed) for seed in range(20)]
    assert all(sum(map(len, numbers)) == 10 for numbers in several)
    assert several == [chosen(10, Simulations(1, 30), Simulations(1, 30), seed=seed) for seed in range(20)]
    assert {number for numbers in several for number in numbers[1]} > set(range(10, 30, 5))
    assert len({len(numbers[0]) for numbers in several}) > 1


def test_the_first_ones_where_it_is_not():
    assert chosen(7, *ENDLESS) == [[0, 1, 2], [0, 1, 2, 3]]
    assert chosen(20, ENDLESS[0]) == [list(range(20))]
    assert chosen(1, *ENDLESS, *ENDLESS).count([0]) == 1


def test_what_a_scenario_has_too_few_for_is_left_to_the_others():
    assert [len(numbers) for numbers in chosen(20, ENDLESS[0], Simulations(1, 3), ENDLESS[1])] == [8, 3, 9]


SHAPES = st.lists(st.integers(1, 30).map(lambda size: Simulations(1, size)) | st.sampled_from(ENDLESS), min_size=1)


@given(SHAPES, st.integers(1, 50), st.integers(0, 9))
def test_exactly_so_many(shapes, wanted, seed):
    sizes = [getattr(shape, "simulations", None) for shape in shapes]
    numbers = chosen(wanted, *shapes, seed=seed)
    known = None if None in sizes else sum(sizes)
    assert sum(map(len, numbers)) == (wanted if known is None else min(wanted, known))
    assert all(max(one, default=-1) < size for one, size in zip(numbers, sizes, strict=True) if size is not None)
    if known is None:
        assert all(one == list(range(len(one))) for one in numbers)
        full = [len(one) for one, size in zip(numbers, sizes, strict=True) if size is None or len(one) < size]
        assert max(full) - min(full) <= 1
