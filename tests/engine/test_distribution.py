import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st

from coval_load.engine.distribution import BUCKETS, HIGHEST_US, PERCENTILES, Distribution, Seen

microseconds = st.one_of(
    st.integers(0, HIGHEST_US), st.integers(0, 5_000), st.sampled_from([0, 1, 2047, 2048, 2049, 4096])
)


def filled(values):
    distribution = Distribution()
    distribution.record_many(values)
    return distribution


@given(st.lists(microseconds, min_size=1, max_size=200))
def test_counts_in_bulk_what_hdrhistogram_counts_one_by_one(values):
    expected = HdrHistogram(1, HIGHEST_US, 3)
    for value in values:
        expected.record_value(value)

    summary = filled([value / 1e6 for value in values]).summary()

    decoded = HdrHistogram.decode(summary["histogram"])
    assert list(decoded.counts) == list(expected.counts)
    assert summary["count"] == len(values)
    assert summary["min"] == min(values) / 1e6
    assert summary["max"] == max(values) / 1e6
    assert summary["mean"] == pytest.approx(sum(values) / len(values) / 1e6, rel=1e-9, abs=1e-9)
    for name, percent in PERCENTILES.items():
        theirs = expected.get_value_at_percentile(percent) / 1e6
        assert summary[name] == max(min(theirs, summary["max"]), summary["min"])


@given(st.lists(microseconds, max_size=50), st.lists(microseconds, min_size=1, max_size=50))
def test_merging_equals_recording_in_one_place(ours, theirs):
    merged = filled([value / 1e6 for value in ours])
    merged.merge(filled([value / 1e6 for value in theirs]).summary())
    together = filled([value / 1e6 for value in ours + theirs]).summary()

    assert merged.summary() | {"mean": 0} == together | {"mean": 0}
    assert merged.summary()["mean"] == pytest.approx(together["mean"], rel=1e-6, abs=1e-6)


def test_a_negative_value_counts_as_zero_and_is_not_called_clamped():
    distribution = filled([-0.5, -1e-9])
    assert (distribution.count, distribution.percentile(50), distribution.clamped) == (2, 0.0, 0)


@pytest.mark.parametrize("value", [3600.001, 1e12, float("inf")])
def test_a_value_above_an_hour_is_an_hour_and_is_counted_as_clamped(value):
    distribution = filled([value, 3600.0])
    assert (distribution.count, distribution.percentile(50), distribution.clamped) == (2, 3600.0, 1)


def test_what_is_no_number_is_left_out_and_counted_as_clamped():
    distribution = filled([float("nan"), 0.25])
    assert (distribution.count, distribution.percentile(99), distribution.clamped) == (1, 0.25, 1)


def test_minus_infinity_is_clamped_to_zero():
    assert filled([float("-inf")]).percentile(50) == 0.0


def test_nothing_recorded_has_no_percentile():
    assert Distribution().percentile(50) is None


def test_values_gather_in_bounded_memory():
    distribution = Distribution()
    for _ in range(10_000):
        distribution.record(0.01)
    assert len(distribution._pending) < 4096
    assert distribution.count == 10_000


def test_histograms_of_another_range_are_refused():
    other = HdrHistogram(1, 1000, 2)
    other.record_value(7)
    encoded = {"histogram": other.encode(), "count": 1, "min": 7e-6, "mean": 7e-6, "max": 7e-6}
    with pytest.raises(ValueError, match="expected a histogram of 1 to 3600000000 with 3 digits"):
        Distribution().merge(encoded)


@given(st.lists(st.floats(1e-6, 3600), max_size=50), st.lists(st.floats(1e-6, 3600), max_size=50))
def test_an_interval_that_is_put_into_a_used_one_is_as_in_a_new_one(before, after):
    distribution, used = Distribution(), Distribution()
    used.record_many([1.0, 7200.0])
    distribution.record_many(before)
    mark = distribution.mark()
    distribution.record_many(after)
    new = distribution.since(mark)
    assert distribution.since(mark, used) is used
    assert (used.count, used.clamped) == (new.count, new.clamped)
    if after:
        assert used.summary() == new.summary()


@given(st.lists(st.lists(st.floats(-1, 4000) | st.just(float("nan")), max_size=30), max_size=5))
def test_what_each_look_finds_is_what_came_since_and_adds_up(intervals):
    distribution, together, seen = Distribution(), Distribution(), Seen()
    for values in intervals:
        mark = distribution.mark()
        distribution.record_many(values)
        found, expected = distribution.look(seen), distribution.since(mark)
        assert (found is None) == (not values)
        assert distribution.look(seen) is None
        if found is None:
            continue
        found.check()
        alone = Distribution()
        alone.add(found)
        assert (alone.count, alone.clamped) == (expected.count, expected.clamped)
        if alone.count:
            assert alone.summary() == expected.summary()
        together.add(found)
    assert (together.count, together.clamped) == (distribution.count, distribution.clamped)
    if together.count:
        assert together.summary() == distribution.summary()


def test_the_highest_value_falls_into_the_last_bucket():
    (bucket,), _ = filled([HIGHEST_US / 1e6]).used()
    assert bucket == BUCKETS - 1


@given(st.lists(microseconds, max_size=50), st.lists(st.floats(0, 100), max_size=5))
def test_percentiles_taken_together_are_those_taken_alone(values, percents):
    distribution = filled([value / 1e6 for value in values])
    assert distribution.percentiles(percents) == [distribution.percentile(percent) for percent in percents]


@given(st.lists(microseconds, max_size=50))
def test_used_buckets_are_all_that_have_a_value(values):
    distribution = filled([value / 1e6 for value in values])
    indices, counts = distribution.used()
    whole = distribution.mark().counts
    assert dict(zip(indices, counts, strict=True)) == {index: whole[index] for index in whole.nonzero()[0]}


def test_many_percentiles_sum_up_the_buckets_once(monkeypatch):
    distribution = filled([0.1, 0.2])
    summed = []
    reached = Distribution._reached
    monkeypatch.setattr(Distribution, "_reached", lambda self: summed.append(self) or reached(self))
    distribution.summary()
    assert len(summed) == 1
