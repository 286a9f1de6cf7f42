"""A run in at most sixty points: nothing that ended gets lost, and they are in order and without gaps."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from coval_load.engine.over_time import POINTS_AT_MOST, over_time
from coval_load.engine.trend_series import Series


def row(number, ended=1, failed=0, latency=None, running=5):
    entry = {} if latency is None else {"response_latency": {"count": latency[0], "p50": latency[1], "p95": latency[2]}}
    return {
        "at": number * 10.0 + 10.0,
        "seconds": 10.0,
        "running": running,
        "counts": {"completed": ended - failed, "failed": failed},
        "metrics": entry,
        "generator": {"rss_bytes": None},
    }


def series_of(rows):
    series = Series()
    for one in rows:
        series.add(one)
    return series


def test_a_short_run_is_told_as_it_was():
    points = over_time(series_of([row(0, 4, 1, (3, 0.2, 0.4), running=7), row(1, 0)]))
    assert points == [
        {
            "at": 10.0,
            "seconds": 10.0,
            "running": 7,
            "ended": 4,
            "error_rate": 0.25,
            "response_latency_p50": 0.2,
            "response_latency_p95": 0.4,
        },
        {
            "at": 20.0,
            "seconds": 10.0,
            "running": 5,
            "ended": 0,
            "error_rate": None,
            "response_latency_p50": None,
            "response_latency_p95": None,
        },
    ]


def test_neighbours_are_joined_by_weight():
    rows = [row(0, 3, 3, (1, 0.1, 1.0), running=2), row(1, 1, 0, (3, 0.5, 2.0), running=4), row(2)]
    first, last = over_time(series_of(rows), at_most=2)
    assert (first["at"], first["seconds"], first["running"], first["error_rate"]) == (20.0, 20.0, 3.0, 0.75)
    assert (first["response_latency_p50"], first["response_latency_p95"]) == (0.4, 1.75)
    assert (last["at"], last["seconds"]) == (30.0, 10.0)


def test_a_run_without_a_timeline_has_no_course():
    assert over_time(Series()) == []


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=300))
def test_nothing_is_lost(ended):
    points = over_time(series_of(row(at, more + failed, failed) for at, (more, failed) in enumerate(ended)))
    assert len(points) <= POINTS_AT_MOST
    assert sum(point["ended"] for point in points) == sum(sum(one) for one in ended)
    edges = [(point["at"] - point["seconds"], point["at"]) for point in points]
    assert all(before[1] == after[0] for before, after in pairwise(edges))
    assert [edges[0][0], edges[-1][1]] == [0, len(ended) * 10] if edges else not ended
