"""A run's course in bounded memory: nothing that is counted gets lost when points are joined."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.engine.trend_series import Series


def row(number, *, seconds=10.0, latency=None, completed=0, failed=0, rss=1000, **more):
    """Row `number`, from 0, of a timeline; `latency` is (count, p50, p95)."""
    measured = {"response_latency": latency, **more}
    return {
        "at": number * 10.0 + seconds,
        "seconds": seconds,
        "counts": {"completed": completed, "failed": failed, "cancelled": 7},
        "metrics": {
            name: {"count": value[0], "p50": value[1], "p95": value[2]}
            for name, value in measured.items()
            if value is not None
        },
        "generator": {"rss_bytes": rss},
    }


def test_each_row_is_a_point():
    series = Series()
    series.add(row(0, latency=(3, 0.2, 0.4), completed=2, failed=1))
    series.add(row(1, seconds=4.0))
    first, second = series.points
    assert (first.t, first.start_s, first.end_s) == (5.0, 0.0, 10.0)
    assert (first.ended, first.failed, first.rss_bytes) == (3, 1, 1000)
    latency = first.latencies["response_latency"]
    assert (latency.count, latency.p50, latency.p95) == (3, 0.2, 0.4)
    assert (second.t, second.ended, dict(second.latencies)) == (12.0, 0, {})


def test_only_what_was_asked_for_is_kept():
    taken = row(0, latency=(1, 0.1, 0.1), turn_time=(1, 2.0, 2.0), ttft=(1, 3.0, 3.0))
    series = Series({"turn_time"})
    series.add(taken)
    assert set(series.points[0].latencies) == {"response_latency", "turn_time"}


def test_a_row_of_no_length_is_no_point():
    series = Series()
    series.add(row(0, seconds=0.0))
    assert series.points == []


def test_neighbours_are_joined_by_weight_when_it_is_full():
    series = Series(at_most=4)
    for number, latency in enumerate([(1, 0.1, 1.0), (3, 0.5, 2.0), None, (2, 0.3, 0.6)]):
        series.add(row(number, latency=latency, completed=1, rss=1000 * (number + 1)))
    first, second = series.points
    assert series.stride == 2
    assert (first.start_s, first.end_s, first.t) == (0.0, 20.0, 10.0)
    joined = first.latencies["response_latency"]
    assert (joined.count, joined.p50, joined.p95) == (4, pytest.approx(0.4), pytest.approx(1.75))
    assert second.latencies["response_latency"].p50 == 0.3
    assert (first.rss_bytes, second.rss_bytes) == (1500, 3500)


@given(st.integers(2, 9), st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=200))
def test_whatever_comes_it_stays_bounded_and_whole(at_most, ended):
    series = Series(at_most=at_most)
    for number, (completed, failed) in enumerate(ended):
        latency = (completed, 0.2, 0.3) if completed else None
        series.add(row(number, latency=latency, completed=completed, failed=failed, rss=None))
        assert len(series.points) <= at_most
    points = series.points
    assert sum(point.ended for point in points) == sum(map(sum, ended))
    assert sum(point.failed for point in points) == sum(failed for _, failed in ended)
    counts = [point.latencies["response_latency"].count for point in points if point.latencies]
    assert sum(counts) == sum(completed for completed, _ in ended)
    assert [point.start_s for point in points[1:]] == [point.end_s for point in points[:-1]]
    assert not points or (points[0].start_s, points[-1].end_s) == (0.0, len(ended) * 10.0)
    assert len({point.end_s - point.start_s for point in points[:-1]}) <= 1
    assert all(point.rss_bytes is None for point in points)
