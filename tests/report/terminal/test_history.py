import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.engine.distribution import Distribution
from coval_load.report.sparse_histogram import SparseHistogram
from coval_load.report.terminal.history import Course, Sliding, sparkline


def values(*seconds):
    distribution = Distribution()
    distribution.record_many(seconds)
    return SparseHistogram.of(distribution)


def test_the_last_seconds_are_the_last_ten_pulses_though_these_are_never_on_time():
    for each in (0.9995, 1.0, 1.0007):
        sliding = Sliding()
        for number in range(25):
            sliding.add(each, values(number))
        assert sliding.joined().count == 10
        assert sliding.joined().lowest == 15


def test_after_a_stall_its_own_values_are_the_last_seconds():
    sliding = Sliding()
    sliding.add(1.0, values(1))
    sliding.add(60.0, values(2))
    assert sliding.joined().count == 1
    assert sliding.joined().highest == 2


def test_nothing_yet():
    assert Sliding().joined().percentile(95) is None
    assert Course().points == ()
    assert sparkline((), 10) == ""


@given(st.lists(st.floats(0, 1e6), max_size=700))
def test_a_course_is_bounded_and_loses_no_peak(numbers):
    course = Course(most=16)
    for number in numbers:
        course.add(number)
    assert len(course.points) <= 16
    assert max(course.points, default=0) == max(numbers, default=0)


def test_points_of_a_course_are_of_the_same_length_but_the_last():
    course = Course(most=4)
    for number in range(10):
        course.add(number)
    assert course.points == (3, 7, 9)


@given(st.lists(st.floats(-1, 1e9), max_size=300), st.integers(-1, 60))
def test_a_sparkline_is_never_wider(points, width):
    drawn = sparkline(points, width)
    assert len(drawn) == max(min(width, len(points)), 0)
    assert set(drawn) <= set("·▁▂▃▄▅▆▇█")


def test_a_sparkline():
    assert sparkline([0, 1, 4, 8], 10) == "·▂▅█"
    assert sparkline([0, 9, 0, 0], 2) == "█·"  # what must not be overlooked


@pytest.mark.parametrize("percent", [50, 95, 99])
def test_percentiles_of_late_are_those_of_all_values_together(percent):
    sliding, random = Sliding(), np.random.default_rng(1)
    parts = [random.lognormal(-1, 0.5, 50) for _ in range(10)]
    for part in parts:
        sliding.add(1.0, values(*part))
    assert sliding.joined().percentile(percent) == values(*np.concatenate(parts)).percentile(percent)
