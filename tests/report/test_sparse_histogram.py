"""Histograms that take room only for what they hold have the percentiles of those that have room for all."""

import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st

from coval_load.engine.distribution import Distribution
from coval_load.report.sparse_histogram import SparseHistogram, together

SECONDS = st.floats(0, 3600) | st.floats(0, 0.01) | st.sampled_from([0.0, 1e-6, 0.002047, 0.002048, 3600.0])
VALUES = st.lists(SECONDS, max_size=60)
PERCENTS = st.floats(0, 100)


def distribution(values):
    made = Distribution()
    made.record_many(values)
    return made


@given(VALUES, PERCENTS)
def test_percentiles_are_those_of_a_distribution(values, percent):
    made = distribution(values)
    for sparse in (SparseHistogram.of(made), SparseHistogram.read(made.summary() if values else None)):
        assert sparse.count == len(values)
        assert sparse.percentile(percent) == made.percentile(percent)
        assert (sparse.lowest, sparse.highest) == (made.lowest, made.highest)


@given(st.lists(VALUES, max_size=5), PERCENTS)
def test_many_are_joined_at_once_as_one_by_one(parts, percent):
    joined = together(SparseHistogram.of(distribution(part)) for part in parts)
    whole = distribution([value for part in parts for value in part])
    assert joined.percentile(percent) == whole.percentile(percent)
    assert (joined.count, joined.lowest, joined.highest) == (whole.count, whole.lowest, whole.highest)


@given(st.lists(VALUES, min_size=1, max_size=5), PERCENTS)
def test_joined_ones_are_as_one_of_all_values(parts, percent):
    joined = SparseHistogram()
    for part in parts:
        joined = joined.joined(SparseHistogram.of(distribution(part)))
    whole = distribution([value for part in parts for value in part])
    assert joined.percentile(percent) == whole.percentile(percent)
    assert (joined.count, joined.lowest, joined.highest) == (whole.count, whole.lowest, whole.highest)
    assert joined.buckets <= whole.count


def test_joining_changes_neither():
    one, other = (SparseHistogram.of(distribution([value])) for value in (0.1, 0.2))
    one.joined(other)
    assert (one.count, one.highest, other.lowest) == (1, 0.1, 0.2)


def test_an_empty_one_has_no_values():
    empty = SparseHistogram.of(Distribution())
    assert (empty.count, empty.percentile(50), empty.lowest, empty.highest, empty.plot()) == (0, None, None, None, [])


def test_a_histogram_of_another_range_is_refused():
    other = HdrHistogram(1, 1000, 3)
    other.record_value(5)
    entry = {"count": 1, "min": 0.0, "max": 0.0, "histogram": other.encode().decode()}
    with pytest.raises(ValueError, match="expected a histogram of 1 to"):
        SparseHistogram.read(entry)


@given(st.lists(SECONDS, min_size=1, max_size=60))
def test_a_plot_rises_to_the_highest_value_through_the_percentiles(values):
    made = distribution(values)
    plot = SparseHistogram.of(made).plot()
    assert plot[-1] == (100.0, made.highest)
    assert plot == sorted(plot)
    assert all(value == made.percentile(percent) for percent, value in plot)


def test_a_plot_has_the_steps_of_hdrhistogram():
    plot = SparseHistogram.of(distribution([number / 1000 for number in range(1, 1001)])).plot()
    percents = [percent for percent, _ in plot]
    assert percents[:13] == pytest.approx([0, 10, 20, 30, 40, 50, 55, 60, 65, 70, 75, 77.5, 80])
    assert 5 * 9 < len(plot) < 5 * 12  # a thousand values are some ten halvings
    assert plot[5][1] == 0.500223  # the highest value of the bucket of 0.5
