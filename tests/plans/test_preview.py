"""What a plan does is known beforehand where every conversation lasts equally long: arithmetic says it."""

import math
import tracemalloc

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.engine.modelled import Script, TurnByTurn, Uniform
from coval_load.engine.plan import Timeouts
from coval_load.engine.shapes.arrival_rate import ArrivalRate
from coval_load.engine.shapes.constant import Constant
from coval_load.engine.shapes.ramp import Ramp, Stage
from coval_load.engine.shapes.ramping_arrival_rate import RampingArrivalRate, RateStage
from coval_load.engine.shapes.simulations import Simulations
from coval_load.engine.shapes.soak import Soak
from coval_load.plans import preview as previews
from coval_load.plans.levels import BUCKETS, Level, Starts, Timeline
from coval_load.plans.preview import BUDGET, COUNTS, Sketch, TooManyError, preview
from coval_load.plans.scale import divided_limits, divisor_for, expected_simulations, most_opened_at_once

AT_ONCE = Uniform(0.0, 0.0)


def sketch(shape, length_s=16.0, *, name="s", agents=("a",), **given):
    def deal(number):
        return agents[number % len(agents)], Script(length_s, 0)

    return Sketch(name, shape, deal, agents, **given)


def tried(*sketches, limits=None, budget=BUDGET, delay=AT_ONCE, **timeouts):
    given = Timeouts(**{f"{name}_s": seconds for name, seconds in timeouts.items()})
    return preview(sketches, limits or {}, given, lambda seed: TurnByTurn(delay, seed), budget=budget)


def counts(seen):
    return {count: seen.total(count) for count in COUNTS if seen.total(count)}


def test_so_many_at_once_for_some_time():
    seen = tried(sketch(Constant(50, 160)))
    assert counts(seen) == {"offered": 500, "started": 500}
    assert (seen.peak_concurrency, seen.peak_starts_per_s, seen.duration_s) == (50, 50, 160)
    (only,) = seen.scenarios
    assert (only.begins_s, only.ends_s, only.is_open, only.divisor) == (0, 160, False, 1)


def test_so_many_in_all():
    seen = tried(sketch(Simulations(5, 23)))
    assert counts(seen) == {"offered": 23, "started": 23}
    assert (seen.peak_concurrency, seen.duration_s) == (5, 80)


def test_a_ramp():
    seen = tried(sketch(Ramp((Stage(64, 8), Stage(64, 8), Stage(0, 2), Stage(64, 2))), 8.0))
    # Place k opens at 8 k seconds and is taken each 8 s: 7 + ... + 1, then eight places, then two.
    assert counts(seen) == {"offered": 28 + 64 + 16, "started": 28 + 64 + 16}
    assert (seen.peak_concurrency, seen.duration_s) == (8, 192)


def test_a_soak():
    seen = tried(sketch(Soak(10, 1000.0, 100.0, 100.0), 10.0))
    assert seen.peak_concurrency == 10
    assert seen.total("started") == pytest.approx((1 + 10) / 2 * 10 + 800 + 50, abs=10)
    means = [bucket["mean"] for bucket in seen.timeline.as_json()["concurrency"]]
    assert means[len(means) // 2] == 10 > means[5] > means[0]


def test_so_many_a_second():
    seen = tried(sketch(ArrivalRate(2, 100)))
    assert counts(seen) == {"offered": 200, "started": 200}
    assert (seen.peak_concurrency, seen.peak_starts_per_s, seen.duration_s) == (32, 2, 115.5)
    assert seen.scenarios[0].is_open


def test_more_and_more_a_second():
    seen = tried(sketch(RampingArrivalRate((RateStage(50, 4), RateStage(50, 4), RateStage(50, 0)))))
    assert counts(seen) == {"offered": 400, "started": 400}
    assert seen.peak_concurrency == 64


def test_what_does_not_fit_is_dropped():
    seen = tried(sketch(ArrivalRate(1, 160, most_at_once=8, when_full="drop"), 15.5))
    # Eight start, and no more until the first of them ends, at 15.5.
    assert counts(seen) == {"offered": 160, "started": 80, "dropped": 80}
    assert seen.peak_concurrency == 8


def test_what_does_not_fit_waits_for_the_agent():
    seen = tried(sketch(ArrivalRate(1, 160), 15.75), limits={"a": 8})
    assert seen.total("offered") == 160 == seen.total("started") + seen.total("never_started")
    # Ten times eight, and of the eight from 157.5 on those before the end.
    assert seen.total("started") == 83
    assert seen.total("queued") == 152
    assert seen.total("cut_off") == 0
    assert seen.agents == {"a": 8}


def test_what_is_not_over_at_the_end_is_cut_off():
    seen = tried(sketch(Constant(3, 10), 100.0), grace=20)
    assert counts(seen) == {"offered": 3, "started": 3, "cut_off": 3}
    assert seen.duration_s == 30


def test_what_takes_too_long_is_told():
    seen = tried(sketch(Simulations(2, 4), 100.0), simulation=60)
    assert counts(seen) == {"offered": 4, "started": 4, "too_long": 4}
    assert seen.duration_s == 120


def test_scenarios_side_by_side():
    seen = tried(
        sketch(Constant(4, 160), name="first", agents=("a", "b")),
        sketch(ArrivalRate(1, 80), name="second", agents=("b",), start_s=40.0),
        limits={"a": 10, "b": None},
    )
    first, second = seen.scenarios
    assert (first.started, first.peak_concurrency, first.begins_s, first.ends_s) == (40, 4, 0, 160)
    assert (second.started, second.peak_concurrency, second.begins_s, second.ends_s) == (80, 16, 40, 135)
    assert seen.peak_concurrency == 20
    assert seen.agents["a"] <= 4
    assert seen.agents["b"] >= 16
    assert seen.as_json()["agents"]["a"]["limit"] == 10


shapes = st.one_of(
    st.builds(Simulations, st.integers(1, 9), st.integers(1, 40)),
    st.builds(Constant, st.integers(1, 9), st.floats(1, 100), st.none() | st.integers(1, 40)),
    st.builds(
        ArrivalRate,
        st.floats(0.1, 3),
        st.floats(1, 60),
        st.integers(1, 10),
        st.sampled_from(["queue", "drop"]),
        st.sampled_from(["even", "poisson"]),
    ),
)


@given(st.lists(shapes, min_size=1, max_size=3), st.integers(1, 9) | st.none(), st.floats(0.1, 50), st.floats(0, 40))
def test_all_that_is_offered_is_accounted_for(some, limit, length_s, grace_s):
    sketches = [sketch(shape, length_s, name=f"s{at}", start_s=3.0 * at) for at, shape in enumerate(some)]
    seen = tried(*sketches, limits={"a": limit}, delay=Uniform(0.0, 1.0), grace=grace_s)
    for scenario in seen.scenarios:
        assert scenario.offered == scenario.started + scenario.dropped + scenario.never_started
        assert scenario.peak_concurrency <= seen.peak_concurrency
    assert seen.tried == seen.total("started")
    assert seen.agents["a"] <= (limit or math.inf)
    timeline = seen.timeline.as_json()
    assert len(timeline["concurrency"]) == len(timeline["starts_per_s"]) <= BUCKETS
    assert max((bucket["max"] for bucket in timeline["concurrency"]), default=0) <= seen.peak_concurrency
    assert sum(bucket.starts for bucket in seen.timeline.buckets) == seen.total("started")


@pytest.mark.parametrize(
    ("shape", "limit", "rel"),
    [
        (Constant(50, 3200), None, 0.03),
        (Soak(50, 3200, 400, 400), None, 0.03),
        (Constant(50, 3200), 20, 0.03),
        (ArrivalRate(3, 3200), None, 0.03),
        # With fewer places, each is free for a larger part of the time.
        (ArrivalRate(3, 3200, when_full="drop"), 24, 0.15),
    ],
)
def test_a_part_of_the_load_tells_of_all_of_it(shape, limit, rel):
    full = tried(sketch(shape, 15.5), limits={"a": limit})
    part = tried(sketch(shape, 15.5), limits={"a": limit}, budget=1500)
    assert full.divisor == 1 < part.divisor
    assert part.tried < full.tried / 3
    for count in COUNTS:
        assert part.total(count) == pytest.approx(full.total(count), rel=rel, abs=60)
    assert part.peak_concurrency == pytest.approx(full.peak_concurrency, rel=0.05)
    assert part.peak_starts_per_s == pytest.approx(full.peak_starts_per_s, rel=0.35, abs=1)
    assert part.duration_s == pytest.approx(full.duration_s, abs=16)


def test_a_queue_is_as_small_as_the_part_of_the_load():
    # Of 110 a second 10 find a place; 10,000 wait, and after 100 s there is room for no more.
    shape = ArrivalRate(110, 110, most_at_once=160)
    full = tried(sketch(shape), grace=0)
    part = tried(sketch(shape), grace=0, budget=3000)
    assert part.divisor > 1
    assert full.total("never_started") == 10_000
    for count in ("offered", "dropped", "never_started", "queued"):
        assert part.total(count) == pytest.approx(full.total(count), rel=0.02)


def test_a_small_scenario_beside_a_large_one_keeps_its_size():
    seen = tried(
        sketch(Constant(2, 1600), name="probe", agents=("p",)),
        sketch(ArrivalRate(10, 1600), name="crowd"),
        limits={"p": 2},
        budget=4000,
    )
    probe, crowd = seen.scenarios
    assert (probe.divisor, probe.started, probe.peak_concurrency) == (1, 200, 2)
    assert crowd.divisor > 1
    assert crowd.started == pytest.approx(16_000, rel=0.01)


def test_a_plan_that_would_take_hours_to_try_is_refused(monkeypatch):
    monkeypatch.setattr(previews, "MOST", 1000)
    with pytest.raises(TooManyError, match=r"at most 1,000 simulations .* about 1,001"):
        tried(sketch(Constant(1, 1000), 1.0), budget=10)


def test_due_times_that_would_take_hours_to_go_through_are_refused(monkeypatch):
    monkeypatch.setattr(previews, "MOST_DUE", 1000)
    assert tried(sketch(ArrivalRate(1, 1000), 1.0)).total("offered") == 1000
    with pytest.raises(TooManyError, match=r"at most 1,000 simulations .* about 1,001: .* \(--rate\)"):
        tried(sketch(ArrivalRate(1, 501), 1.0), sketch(ArrivalRate(1, 500), 1.0, name="t"))


def test_a_run_without_end_in_sight_takes_fixed_memory():
    def peak(simulations):
        tracemalloc.start()
        tried(sketch(Simulations(2, simulations)))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(100)
    assert peak(4000) < peak(1000) + 100_000


# What it is made of


def test_two_changes_at_the_same_time_are_one():
    level = Level()
    level.change(1, 0.0)
    level.change(-1, 5.0)
    level.change(1, 5.0)
    level.change(1, 5.0 + 1e-9)
    level.change(-1, 5.0 + 2e-9)
    level.lasted(7.0)
    assert (level.peak, level.now, level.first_at) == (1, 1, 0.0)


changes = st.lists(st.tuples(st.floats(0.01, 50), st.integers(0, 9)), max_size=60)


@given(changes, st.floats(0.01, 10))
def test_a_timeline_loses_nothing_however_often_it_is_folded(steps, bucket_s):
    timeline = Timeline(bucket_s=bucket_s)
    at = area = 0.0
    for lasts_s, level in steps:
        timeline.change(level - timeline.now, at)
        timeline.started(level, at)
        at += lasts_s
        area += level * lasts_s
    timeline.lasted(at)
    assert len(timeline.buckets) <= BUCKETS
    assert sum(bucket.area for bucket in timeline.buckets) == pytest.approx(area, abs=1e-3)
    assert sum(bucket.starts for bucket in timeline.buckets) == sum(level for _, level in steps)
    assert max(bucket.high for bucket in timeline.buckets) == max((level for _, level in steps), default=0)


def test_starts_are_counted_by_the_second():
    starts = Starts()
    for at in (0.0, 0.9, 1.0, 1.1, 1.2, 5.0):
        starts.add(1, at)
    assert starts.peak_per_s == 3


def test_how_many_are_expected():
    assert expected_simulations(ArrivalRate(2, 100), 16.0) == 200
    assert expected_simulations(Simulations(5, 23), 16.0) == 23
    assert expected_simulations(Constant(50, 160), 16.0) == pytest.approx(500, abs=50)
    assert expected_simulations(Constant(50, 160), 16.0, 10) == pytest.approx(100, abs=50)
    assert expected_simulations(Constant(50, 160, 30), 16.0) == 30


@given(st.integers(1, 200), st.floats(1, 1e7))
def test_a_closed_load_is_never_divided_to_nothing(concurrency, expected):
    divisor = divisor_for(Constant(concurrency, 100.0), expected, 1000)
    assert 1 <= divisor <= concurrency
    assert (divisor == 1) == (expected <= 1000 or concurrency == 1)


def test_the_divisor_that_rounds_least_is_taken():
    assert divisor_for(Constant(50, 100.0), 7000, 1000) == 10


def test_limits_are_divided_as_their_scenarios_are():
    limits = {"a": 40, "b": None, "c": 3, "d": 7}
    assert divided_limits(limits, [("a", 10), ("a", 4), ("b", 4), ("c", 10)]) == {"a": 4, "b": None, "c": 1, "d": 7}


def test_places_that_open_within_a_second():
    assert most_opened_at_once(Constant(50, 100.0)) == 50
    assert most_opened_at_once(Ramp((Stage(100, 200),))) == 2
    assert most_opened_at_once(Ramp((Stage(10, 5), Stage(0, 30), Stage(10, 30)))) == 26
    assert most_opened_at_once(ArrivalRate(2, 100)) == 0


def test_json_has_no_nan():
    seen = tried(sketch(ArrivalRate(1, 10, most_at_once=1, when_full="drop")))
    nothing = attrs.evolve(seen.scenarios[0], begins_s=math.nan, ends_s=math.nan)
    row = attrs.evolve(seen, scenarios=(nothing,)).as_json()["scenarios"][0]
    assert (row["begins_s"], row["ends_s"]) == (None, None)
