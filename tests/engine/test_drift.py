"""Trends that are there are found, within their interval; none is told of noise, and outliers fool nobody."""

import math
import random
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.engine import metrics
from coval_load.engine.drift import drift, drift_shares
from coval_load.engine.trend_series import Series

HOUR = 3600.0


def series_of(latencies, *, every_s=10.0, ended=None, rss=None, asked=()):
    """`latencies`: p95 of `response_latency` in each interval; p50 is half of it. `ended`: (completed, failed)."""
    series = Series(asked)
    for number, p95 in enumerate(latencies):
        completed, failed = ended[number] if ended else (0, 0)
        entry = {"count": 50, "p50": p95 / 2, "p95": p95}
        series.add(
            {
                "at": (number + 1) * every_s,
                "seconds": every_s,
                "counts": {"completed": completed, "failed": failed},
                "metrics": {} if math.isnan(p95) else dict.fromkeys(("response_latency", *asked), entry),
                "generator": {"rss_bytes": rss[number] if rss else None},
            }
        )
    return series


def p95_of(series, **window):
    (row,) = (row for row in drift(series, **window) if row["what"] == "response_latency p95")
    return row


def noise(seed, points, level=0.6, spread=0.05):
    chance = random.Random(seed)
    return [level * (1 + chance.gauss(0, spread)) for _ in range(points)]


def with_slope(values, per_hour, every_s=10.0):
    return [value + per_hour * number * every_s / HOUR for number, value in enumerate(values)]


@pytest.mark.parametrize("per_hour", [0.05, 0.3, -0.1])
def test_a_known_slope_lies_within_the_interval(per_hour):
    inside = 0
    for seed in range(60):
        row = p95_of(series_of(with_slope(noise(seed, 360, spread=0.02), per_hour)))
        assert row["verdict"] == ("grew" if per_hour > 0 else "fell")
        assert row["per_hour"] == pytest.approx(per_hour, abs=0.02)
        assert row["relative_per_hour"] == row["per_hour"] / row["level"]
        inside += row["interval"][0] <= per_hour <= row["interval"][1]
    assert inside >= 50  # 95 % of 60 are 57


@pytest.mark.parametrize(("points", "seeds"), [(12, 400), (60, 400), (400, 100)])
def test_no_trend_is_told_of_noise(points, seeds):
    trends = sum(p95_of(series_of(noise(seed, points)))["verdict"] != "steady" for seed in range(seeds))
    assert trends <= seeds // 50


def test_noise_with_a_long_tail_has_no_trend_either():
    def tailed(seed):
        chance = random.Random(seed)
        return [chance.lognormvariate(-0.5, 0.6) for _ in range(200)]

    assert sum(p95_of(series_of(tailed(seed)))["verdict"] != "steady" for seed in range(300)) <= 6


def test_outliers_at_one_end_are_no_trend():
    for seed in range(50):
        values = noise(seed, 120)
        values[-5:] = [30.0] * 5
        row = p95_of(series_of(values))
        assert abs(row["per_hour"] or 0) < 0.6
        assert row["level"] == pytest.approx(0.6, rel=0.05)


def test_a_step_in_the_middle_that_is_over_soon_is_no_trend():
    steps = 0
    for seed in range(50):
        values = noise(seed, 120)
        values[50:62] = [5.0] * 12
        steps += p95_of(series_of(values))["verdict"] != "steady"
    assert steps <= 2


def test_a_trend_that_is_sure_but_tiny_is_steady():
    row = p95_of(series_of([0.6 + 1e-6 * number for number in range(100)]))
    assert (row["verdict"], row["interval"][0] > 0, row["p"] < 0.01) == ("steady", True, True)


@pytest.mark.parametrize(
    ("points", "every_s", "verdict"), [(9, 10, "too_short"), (11, 5, "too_short"), (13, 5, "grew")]
)
def test_it_takes_ten_points_and_a_minute(points, every_s, verdict):
    row = p95_of(series_of([0.5 + 0.1 * number for number in range(points)], every_s=every_s))
    assert row["verdict"] == verdict
    assert (row["level"] is None) == (verdict == "too_short")


def test_what_never_changes_is_steady():
    row = p95_of(series_of([0.61] * 30))
    assert (row["verdict"], row["per_hour"], row["p"]) == ("steady", 0.0, 1.0)
    assert row["sentence"] == "response_latency p95 is steady at 610 ms"


def test_a_ramp_is_left_out():
    ramp_up, flat, ramp_down = (
        [0.05 * n for n in range(20)],
        noise(3, 60, spread=0.01),
        [0.3 - 0.01 * n for n in range(20)],
    )
    series = series_of(ramp_up + flat + ramp_down)
    assert p95_of(series)["verdict"] != "steady" or p95_of(series)["level"] < 0.59
    row = p95_of(series, steady_from_s=200.0, steady_until_s=800.0)
    assert (row["verdict"], row["points"]) == ("steady", 60)
    assert row["level"] == pytest.approx(0.6, rel=0.01)


def test_what_was_never_measured_has_no_row():
    assert drift(series_of([math.nan] * 20)) == []
    assert drift(Series()) == []


def test_every_row_has_its_place():
    count = 120
    ended = [(98, 2 + number // 10) for number in range(count)]
    rss = [100e6 + 1e5 * number for number in range(count)]
    rows = drift(series_of(noise(1, count), ended=ended, rss=rss, asked=("turn_time",)))
    assert [row["what"] for row in rows] == [
        "response_latency p50",
        "response_latency p95",
        "turn_time p50",
        "turn_time p95",
        "error rate",
        "rss_bytes",
    ]
    by_name = {row["what"]: row for row in rows}
    assert (by_name["error rate"]["verdict"], by_name["error rate"]["unit"]) == ("grew", "1")
    assert by_name["rss_bytes"]["per_hour"] == pytest.approx(1e5 * 360)
    assert by_name["response_latency p50"]["level"] == by_name["response_latency p95"]["level"] / 2


def test_sentences_say_it_plainly():
    count = 8 * 360
    latencies = with_slope([0.61] * count, 0.202 / 8)
    ended = [(998, 2)] * count
    rows = drift(series_of(latencies, ended=ended, rss=[200e6 + 1e5 * n for n in range(count)]))
    assert [row["sentence"] for row in rows if row["what"] != "response_latency p50"] == [
        "response_latency p95 grew by 3.6 % an hour (610 ms -> 812 ms over 8h)",
        "the error rate is steady at 0.2 %",
        "the generator's memory grew by 10 % an hour (200 MB -> 488 MB over 8h)",
    ]


def test_an_error_rate_is_told_in_points():
    count = 360
    ended = [(1000 - number, number) for number in range(count)]
    (row,) = (row for row in drift(series_of([math.nan] * count, ended=ended)) if row["what"] == "error rate")
    assert row["sentence"] == "the error rate grew by 36 points an hour (0 % -> 36 % over 1h)"


def test_a_run_too_short_says_what_it_takes():
    row = p95_of(series_of([0.6] * 4))
    expected = "response_latency p95: too little to tell a trend, 4 points over 40s; it takes 10 over 60 s"
    assert row["sentence"] == expected


def test_errors_that_never_come_are_steady_at_nothing():
    (row,) = (row for row in drift(series_of([math.nan] * 20, ended=[(5, 0)] * 20)) if row["name"] == metrics.FAILED)
    assert (row["verdict"], row["relative_per_hour"]) == ("steady", None)
    assert row["sentence"] == "the error rate is steady at 0 %"


def test_shares_are_what_thresholds_ask_for():
    count = 120
    ended = [(100 - number // 4, number // 4) for number in range(count)]
    growing = drift(series_of(with_slope([0.6] * count, 0.12), ended=ended, rss=[1e6] * count))
    assert set(drift_shares(growing)) == {"response_latency", "failed"}
    assert drift_shares(growing)["response_latency"] == pytest.approx(0.12 / 0.62, rel=0.01)
    assert drift_shares(growing)["failed"] == pytest.approx(0.3 / (20 / 60), rel=0.05)
    assert drift_shares(drift(series_of(noise(1, 60)))) == {"response_latency": 0.0}
    assert drift_shares(drift(series_of([0.6] * 4))) == {}


@given(
    st.lists(
        st.one_of(st.just(math.nan), st.floats(1e-6, 3600)),
        max_size=40,
    ),
    st.floats(0, 400),
    st.floats(0, 400),
)
def test_any_course_has_rows_of_finite_numbers(values, steady_from_s, steady_until_s):
    for row in drift(series_of(values), steady_from_s=steady_from_s, steady_until_s=steady_until_s):
        numbers = [row["level"], row["per_hour"], row["p"], *(row["interval"] or ())]
        assert all(number is None or np.isfinite(number) for number in numbers)
        assert row["verdict"] in ("grew", "fell", "steady", "too_short")


def test_scipy_is_not_loaded_before_it_is_needed():
    code = (
        "import sys; from coval_load.engine.drift import drift; from coval_load.engine.trend_series import Series; "
        "drift(Series()); assert 'scipy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def error_rate(ended):
    (row,) = (row for row in drift(series_of([0.6] * len(ended), ended=ended)) if row["name"] == metrics.FAILED)
    return row


def test_few_errors_are_steady_at_what_they_are():
    row = error_rate([(9, 1) if number % 5 == 2 else (10, 0) for number in range(100)])
    assert (row["verdict"], row["level"]) == ("steady", pytest.approx(0.02))
    assert row["sentence"] == "the error rate is steady at 2 %"


def test_the_level_of_the_error_rate_counts_conversations_and_not_intervals():
    assert error_rate([(1, 1) if number % 2 else (98, 0) for number in range(40)])["level"] == pytest.approx(0.01)


def test_an_agent_that_dies_towards_the_end_is_told():
    row = error_rate([(10, 0)] * 92 + [(0, 10)] * 8)
    assert row["verdict"] == "grew"
    assert row["interval"][0] > 0
    assert drift_shares([row])[metrics.FAILED] == row["per_hour"] > 0.5
    assert error_rate([(0, 10)] * 8 + [(10, 0)] * 92)["verdict"] == "fell"


def test_errors_in_one_interval_are_no_trend():
    assert error_rate([(10, 0)] * 99 + [(0, 10)])["verdict"] == "steady"


def test_chance_errors_are_no_trend():
    told = 0
    for seed in range(60):
        chance = random.Random(seed)
        failed = [sum(chance.random() < 0.01 for _ in range(20)) for _ in range(200)]
        told += error_rate([(20 - number, number) for number in failed])["verdict"] != "steady"
    assert told <= 3
