import math
from random import Random

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest
from shape_laws import is_exponential

from coval_load.engine.shapes.spacing import held_poisson


@given(st.floats(0, 5_000), st.floats(50, 2_000), st.integers())
def test_every_window_has_as_many_as_it_is_long(total, window, seed):
    units = list(held_poisson(Random(seed), total, window))

    assert units == sorted(units)
    assert all(0 <= unit <= total for unit in units)
    for number in range(math.ceil(total / window)):
        begins, ends = number * window, min((number + 1) * window, total)
        assert abs(sum(begins <= unit < ends for unit in units) - (ends - begins)) < 1


def test_a_fraction_of_an_arrival_is_there_in_that_fraction_of_runs():
    seen = [len(list(held_poisson(Random(seed), 0.25, 1_000))) for seed in range(4_000)]
    assert set(seen) == {0, 1}
    assert sum(seen) / 4_000 == pytest.approx(0.25, abs=0.03)


@pytest.mark.parametrize("seed", range(5))
def test_within_a_window_places_are_uniform_and_gaps_exponential(seed):
    units = numpy.array(list(held_poisson(Random(seed), 20_000, 20_000)))
    assert kstest(units / 20_000, "uniform").pvalue > 0.01
    assert is_exponential(numpy.diff(units))


@pytest.mark.parametrize("total", [1, 2, 5])
def test_the_places_of_a_few_are_uniform_as_well(total):
    units = [unit for seed in range(2_000) for unit in held_poisson(Random(seed), total, 1_000)]
    assert len(units) == 2_000 * total
    assert kstest([unit / total for unit in units], "uniform").pvalue > 0.01


@pytest.mark.parametrize("seed", range(5))
def test_gaps_do_not_depend_on_the_gap_before(seed):
    gaps = numpy.diff(list(held_poisson(Random(seed), 20_000, 1_000)))
    assert abs(numpy.corrcoef(gaps[:-1], gaps[1:])[0, 1]) < 4 / math.sqrt(len(gaps))
