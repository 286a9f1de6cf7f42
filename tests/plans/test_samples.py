"""Which simulations of a plan are recorded: exactly so many, whatever its scenarios are."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.engine.plan import Recording, Selection
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
    ten = Selection(sample=10)
    several = [chosen(ten, Simulations(1, 30), Simulations(1, 30), seed=seed) for seed in range(20)]
    assert all(sum(map(len, numbers)) == 10 for numbers in several)
    assert several == [chosen(ten, Simulations(1, 30), Simulations(1, 30), seed=seed) for seed in range(20)]
    assert {number for numbers in several for number in numbers[1]} > set(range(10, 30, 5))
    assert len({len(numbers[0]) for numbers in several}) > 1


@pytest.mark.parametrize(
    ("audio", "shapes"),
    [
        (Selection(sample=7), [*ENDLESS, Simulations(1, 60)]),
        (Selection(slowest=1), [Simulations(1, 60)]),
        (Selection(failed=1, sample=7), [Simulations(1, 60)]),
    ],
)
def test_any_may_come_to_be_recorded_where_it_shows_only_later_which(audio, shapes):
    assert chosen(audio, *shapes) == [list(range(60))] * len(shapes)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=5), st.integers(1, 50), st.integers(0, 9))
def test_exactly_so_many(sizes, wanted, seed):
    numbers = chosen(Selection(sample=wanted), *(Simulations(1, size) for size in sizes), seed=seed)
    assert sum(map(len, numbers)) == min(wanted, sum(sizes))
    assert all(max(one, default=-1) < size for one, size in zip(numbers, sizes, strict=True))
