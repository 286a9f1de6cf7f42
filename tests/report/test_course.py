"""The course of a run in few points, none of whose percentiles is a mean of others."""

import attrs
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_runs import make_run

from coval_load.engine.distribution import Distribution
from coval_load.report.course import Course, CoursePoint, percentile_plot
from coval_load.report.sparse_histogram import SparseHistogram


def histogram(values):
    made = Distribution()
    made.record_many(values)
    return SparseHistogram.of(made)


def point(start_s, seconds=1.0, latencies=(), **fields):
    return CoursePoint(start_s, start_s + seconds, response_latency=histogram(latencies), **fields)


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    folder = make_run(tmp_path_factory.mktemp("runs") / "bad", simulations=120, bad=True, voice=True)
    return [orjson.loads(line) for line in (folder / "timeline.jsonl").read_bytes().splitlines()]


def course_of(rows, at_most=600):
    course = Course(at_most)
    for row in rows:
        course.add_row(row)
    return course


def test_a_row_of_the_timeline_is_a_point(rows):
    columns = course_of(rows).columns()
    at = len(rows) // 2
    row, measured = rows[at], rows[at]["metrics"]
    ended = row["counts"]["completed"] + row["counts"]["failed"]
    came = {name: column[at] for name, column in columns.items()}
    assert came["at"] == pytest.approx(row["at"])
    assert came["start"] == pytest.approx(row["at"] - row["seconds"])
    for name in ("p50", "p90", "p95", "p99", "max", "count"):
        assert came[f"latency_{name}"] == measured["response_latency"][name]
    assert came["send_lateness_p99"] == measured["send_lateness"]["p99"]
    assert came["loop_lag_p99"] == measured["loop_lag"]["p99"]
    assert (came["running"], came["queued"]) == (row["running"], 0)
    assert came["ended_per_s"] == pytest.approx(ended / row["seconds"], abs=1e-4)
    assert came["started_per_s"] == pytest.approx(row["counts"]["started"] / row["seconds"], abs=1e-4)
    assert came["rss_mb"] == pytest.approx(row["generator"]["rss_bytes"] / 1e6, abs=0.1)
    assert came["cpu_share"] == row["generator"]["cpu_share"]
    assert came["cpu_wait_share"] == pytest.approx(0.004)


def test_columns_are_of_one_length_and_have_every_kind_of_error(rows):
    columns = course_of(rows).columns()
    assert {len(column) for column in columns.values()} == {len(rows)}
    told = {name.removeprefix("errors.") for name in columns if name.startswith("errors.")}
    assert "no_response" in told
    assert told == {kind for row in rows for kind in row["errors"]}
    assert columns["errors.no_response"] == [row["errors"].get("no_response", 0) for row in rows]


def test_joined_points_are_exact(rows):
    """Whatever they were joined to, all of them hold all that there was."""
    whole, few = course_of(rows), course_of(rows, at_most=4)
    assert len(few.points) < 4 < len(whole.points)
    for name in ("started", "completed", "failed", "cancelled", "dropped"):
        assert sum(getattr(one, name) for one in few.points) == sum(row["counts"][name] for row in rows)
    first = few.points[0]
    together = [row for row in rows if row["at"] <= first.end_s]
    assert len(together) == few.stride
    exactly = Distribution()
    for row in together:
        exactly.merge(row["metrics"]["response_latency"])
    assert first.values()["latency_p95"] == exactly.percentile(95)
    assert first.values()["latency_max"] == exactly.highest
    assert few.points[-1].end_s == rows[-1]["at"]


@given(st.integers(2, 9), st.lists(st.floats(0.001, 10), min_size=1, max_size=80))
def test_memory_is_bounded_and_nothing_is_lost(at_most, latencies):
    course = Course(at_most)
    for second, latency in enumerate(latencies):
        course.add(point(float(second), latencies=[latency], completed=1, errors={"internal": 1}))
        assert len(course.points) <= at_most
    points = course.points
    assert [one.end_s for one in points[:-1]] == [one.start_s for one in points[1:]]
    assert (points[0].start_s, points[-1].end_s) == (0.0, float(len(latencies)))
    assert sum(course.columns()["latency_count"]) == sum(course.columns()["errors.internal"]) == len(latencies)
    assert max(course.columns()["latency_max"]) == histogram(latencies).highest


def test_gauges_are_means_by_time_and_memory_is_the_highest():
    early = point(0.0, 1.0, running=10, queued=None, cpu_share=0.1, rss_bytes=5e6)
    later = point(1.0, 3.0, running=30, queued=2, cpu_share=None, rss_bytes=4e6)
    joined = early.joined(later)
    assert (joined.running, joined.queued, joined.cpu_share, joined.rss_bytes) == (25, 2, 0.1, 5e6)
    assert attrs.evolve(early, rss_bytes=None).joined(attrs.evolve(later, rss_bytes=None)).rss_bytes is None


def test_what_was_not_measured_is_none():
    course = Course()
    course.add(point(0.0))
    course.add(point(1.0, 0.0))  # no time passed: there is nothing to say a second about
    (columns,) = [course.columns()]
    assert (columns["at"], columns["error_rate"], columns["latency_p99"]) == ([1.0], [None], [None])
    assert (columns["rss_mb"], columns["running"], columns["ended_per_s"]) == ([None], [None], [0.0])


def test_no_rows_are_columns_without_points():
    columns = Course().columns()
    assert columns["at"] == [] == columns["latency_p95"]


def test_a_percentile_plot_is_of_an_entry_of_the_summary(rows):
    entry = rows[3]["metrics"]["response_latency"]
    plot = dict(percentile_plot(entry))
    assert (plot[50.0], plot[100.0]) == (entry["p50"], entry["max"])
