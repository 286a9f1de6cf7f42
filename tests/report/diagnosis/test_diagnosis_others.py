"""The generator's verdict, the plan, thresholds, checks; and input that is odd."""

import math
from random import Random

import attrs
import made_rows as made
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from coval_load.engine.evidence import Evidence
from coval_load.engine.verdict import verdict, verdict_over
from coval_load.engine.worker_health import COORDINATOR, WorkerHealth
from coval_load.report.diagnosis import Census, diagnose
from coval_load.report.diagnosis.change import stretch, stretches
from coval_load.report.diagnosis.generator import TOLD_ELSEWHERE
from coval_load.report.diagnosis.reservoir import Reservoir
from coval_load.report.diagnosis.time_bins import MOST_BINS, TimeBins


def test_a_degraded_generator_alone():
    timeline = [made.interval(10.0), made.interval(20.0, lag_s=0.08), made.interval(30.0)]
    told = made.summary(loop_lag_p99_s=0.08, loop_lag_samples=300)
    found = made.looked_at(made.closed(made.healthy, 5, 30.0), timeline, told)
    one = made.finding(found, "the load generator fell behind: trust the run with care")
    assert (one.from_s, one.until_s) == (10.0, 20.0)
    assert "woke up 80 ms late (p99), expected at most 50 ms" in made.said(one)
    assert "it fell behind from 10s to 20s, 10s in all (33 % of the run)" in made.said(one)
    assert found.answer == f"It was the load generator: {one.title}"


def test_what_the_plan_explains_is_no_reason_of_the_generator():
    told = made.summary(offered=960, dropped=480, started=480, internal_errors=1, lost_with_workers=1)
    assert all(any(part in reason for reason in told["generator"]["reasons"]) for part in TOLD_ELSEWHERE)
    told["counts"] |= {"offered": 960, "dropped": 480}
    told["notes"] = ["support: the limit of 8 simulations at once (what is usual for chat) held others back"]
    found = made.looked_at(made.closed(made.healthy, 5, 30.0), (), told)
    one = made.finding(found, "the load was less than the plan says: 50 % never began")
    assert (one.about, one.severity) == ("plan", "bad")
    assert "of 960 simulations due 480 were dropped" in made.said(one)
    assert "the limit of 8" in made.said(one)
    assert not [one for one in found.findings if one.about == "generator" and one.severity != "good"]
    assert found.answer == f"The plan: {one.title}"


def worker(number, **more):
    return WorkerHealth(name=f"worker-{number}", host="host-b", generator=verdict(Evidence()), **more)


@pytest.mark.parametrize(("takes_over", "severity"), [(False, "bad"), (True, "warning")])
def test_workers_that_were_lost_are_a_finding_of_their_own(takes_over, severity):
    late = attrs.evolve(worker(1), generator=verdict(Evidence(loop_lag_p99_s=0.08, loop_lag_samples=300)))
    gone = worker(2, lost="killed by SIGKILL", lost_at_s=35.0, simulations_lost=2)
    coordinator = attrs.evolve(worker(0), name=COORDINATOR)
    told = made.summary() | {"generator": verdict_over(Evidence(), [coordinator, late, gone], takes_over)}
    found = made.looked_at(made.closed(made.healthy, 5, 30.0), (), told)
    one = made.finding(found, "1 of 2 workers was lost")
    assert (one.about, one.severity, one.from_s) == ("generator", severity, 35.0)
    assert "worker-2 on host-b was lost at 0:00:35 (killed by SIGKILL): 2 simulations" in made.said(one)
    other = made.finding(found, "the load generator fell behind")
    assert other.severity == severity
    assert "worker-1 on host-b: the generator woke up 80 ms late (p99)" in made.said(other)
    assert "was lost" not in made.said(other)
    assert found.answer == f"It was the load generator: {one.title}"


def test_where_only_a_worker_was_lost_nobody_fell_behind():
    gone = worker(2, lost="killed by SIGKILL")
    told = made.summary() | {"generator": verdict_over(Evidence(), [gone, worker(3)], False)}
    found = made.looked_at([made.row()], (), told)
    assert [one.title for one in found.findings if one.about == "generator"] == [
        "1 of 2 workers was lost: the run can't be trusted"
    ]


def test_what_the_end_cut_off_is_told():
    told = made.summary()
    told["counts"] |= {"offered": 30, "cancelled": 12, "never_started": 2}
    told["notes"] = ["10 simulations were not over when the duration and the grace period of 1 s were: set it"]
    found = made.looked_at([made.row()], (), told)
    assert made.finding(found, "the end of the run cut off").title.endswith("10 conversations")


def test_a_run_that_was_interrupted_or_has_no_end():
    told = made.summary() | {"notes": ["the run was interrupted and 3 simulations were cut off"]}
    found = made.looked_at([made.row()], (), told, {"started": "2026-03-04T12:00:00.000Z", "ended": None})
    assert made.finding(found, "the run was interrupted").about == "run"
    assert made.finding(found, "the run has no end").about == "run"
    assert found.answer.startswith("The run: the run was interrupted")


def crossed(metric, threshold):
    row = {"metric": metric, "threshold": threshold, "passed": False, "value": 0.3, "unit": "s", "reason": "more"}
    return made.summary() | {"thresholds": [row]}


def test_a_crossed_threshold_names_what_explains_it():
    rows = made.closed(lambda *_: made.failed("agent_error") if _[2].random() < 0.2 else {}, 20, 60.0)
    found = made.looked_at(rows, (), crossed("failed", "rate < 1%"))
    one = made.finding(found, "threshold crossed: failed rate < 1%")
    assert (one.kind, one.severity, one.about) == ("agent_error", "bad", "agent")
    assert f"see: {made.finding(found, 'agent_error:').title}" in made.said(one)


def test_a_crossed_threshold_that_nothing_explains():
    found = made.looked_at(made.closed(made.healthy, 20, 60.0), (), crossed("response_latency", "p95 < 100ms"))
    one = made.finding(found, "threshold crossed: response_latency p95 < 100ms")
    assert "nothing else that stands out in the run explains it" in made.said(one)
    assert found.answer == f"It was the agent: {one.title}"


def test_checks_that_fail():
    def each(number, began_s, chance):
        told = made.healthy(number, began_s, chance)
        passes = told["test_case"] != "case-1"
        return told | {"checks": [{"name": "says pizza", "passed": passes, "message": "expected pizza"}]}

    told = made.summary()
    told["checks"] = [{"test_case": "case-1", "check": "says pizza", "passed": 1, "failed": 50, "example": "no"}]
    told["thresholds"] = [{"metric": "checks_failed", "threshold": "count < 1", "passed": False, "reason": "got 50"}]
    found = made.looked_at(made.closed(each, 20, 60.0), (), told)
    one = made.finding(found, "failed checks")
    assert f"see: {one.title}" in made.said(made.finding(found, "threshold crossed: checks_failed"))
    assert (one.severity, one.kind, dict(one.labels)) == ("bad", None, {"test_case": "case-1"})
    assert 'says pizza of test case "case-1": 50 of 51 (98 %), as in: no' in made.said(one)


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
NUMBERS = st.floats(0, 200) | st.floats() | st.integers() | st.none()
ERRORS = ODD | st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["no_response", "internal", "tls_failed", "odd\x1b"]) | ODD,
        "stage": st.sampled_from(["connect", "conversation"]) | ODD,
        "turn": st.integers(-1, 5) | ODD,
        "message": st.text(max_size=9) | ODD,
    }
)
TURNS = ODD | st.lists(
    st.fixed_dictionaries({"start": NUMBERS, "end": NUMBERS, "metrics": st.just({"response_latency": 0.3}) | ODD}),
    max_size=4,
)
ROWS = st.fixed_dictionaries(
    {"outcome": st.sampled_from(["completed", "failed", "cancelled"]) | ODD},
    optional={
        "started_at": NUMBERS | ODD,
        "ended_at": NUMBERS | ODD,
        "error": ERRORS,
        "agent": st.sampled_from("ab") | ODD,
        "test_case": st.sampled_from("xyz") | ODD,
        "transcript": TURNS,
        "checks": ODD | st.lists(st.fixed_dictionaries({"passed": st.booleans() | ODD}), max_size=2),
        "simulation_output_id": st.text(max_size=4) | ODD,
    },
)
PARTS = ("counts", "generator", "metrics", "checks", "thresholds", "notes", "errors")
SUMMARIES = st.fixed_dictionaries({}, optional=dict.fromkeys(PARTS, ODD))
INTERVALS = st.fixed_dictionaries(
    {"at": NUMBERS | ODD, "seconds": NUMBERS | ODD},
    optional={
        "metrics": ODD | st.fixed_dictionaries({"loop_lag": ODD, "response_latency": ODD}),
        "generator": ODD | st.fixed_dictionaries({"cpu_share": NUMBERS, "watched_s": NUMBERS, "cpu_wait_s": NUMBERS}),
    },
)


_NO_LENGTH = {"at": 1.0, "seconds": 1e-282, "generator": {"cpu_share": 0.0}}


@example([{"outcome": "failed"}], {}, [_NO_LENGTH], 1)
@given(st.lists(ROWS, max_size=12), SUMMARIES, st.lists(INTERVALS, max_size=4), st.integers(1, 30))
def test_nothing_is_raised_on_odd_input(rows, told, timeline, times):
    census = Census()
    for row in rows * times:
        census.add(row)
    found = diagnose(told, {"plan": told, "started": told.get("counts")}, census, timeline)
    assert found.answer
    for one in found.findings:
        assert len(one.title) <= 80
        for text in (found.answer, one.title, *one.sentences):
            assert text.encode()
            assert "\x1b" not in text


@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(1, 90))
def test_what_is_healthy_is_only_good(seed, at_once, length_s):
    chance = Random(seed)
    rows = made.closed(lambda number, began_s, _: made.healthy(number, began_s, chance), at_once, float(length_s))
    found = made.looked_at(rows, [made.interval(at * 10.0) for at in range(1, 11)])
    assert {one.severity for one in found.findings} == {"good"}


def test_the_memory_of_a_census_is_bounded():
    census = Census()
    for number in range(8_000):
        told = made.failed(f"kind-{number % 90}", turn=number, message=f"message {number}")
        labels = {"agent": f"agent-{number % 50}", "test_case": f"case-{number}"}
        census.add(made.row(number, number * 100.0, number * 100.0 + 1) | told | labels)
    assert census.bins.bins <= MOST_BINS
    assert len(census.values[2]) == 1_001
    assert len(census.combinations) <= 5_000
    assert not census.complete
    assert len(census.kinds) <= 41
    assert all(len(seen.messages) <= 20 and len(seen.places) <= 100 for seen in census.kinds.values())
    assert census.whole.failed.total() == sum(tally.settled for tally in census.values[2].values()) == 8_000


@given(st.lists(st.floats(0, 5_000), min_size=1, max_size=300))
def test_bins_lose_nothing_when_they_widen(times):
    bins = TimeBins(Random(1))
    for at_s in times:
        bins.count("x", at_s)
        bins.span("x", at_s, at_s)
        bins.sample(at_s, 0.5)
    assert sum(bins.counts["x"]) == sum(kept.count for kept in bins.latencies) == len(times)
    assert bins.bins <= MOST_BINS
    assert min(first for first, _ in bins.spans["x"]) == min(times)
    assert all(
        count == sum(1 for at_s in times if int(at_s / bins.width_s) == place)
        for place, count in enumerate(bins.counts["x"])
    )


def test_a_reservoir_is_fair():
    sums = []
    for seed in range(60):
        kept = Reservoir(100, Random(seed))
        for value in range(5_000):
            kept.add(float(value))
        assert (kept.count, len(kept.values)) == (5_000, 100)
        sums.append(np.mean(kept.values))
    # The mean of 6,000 values drawn evenly from 0 to 5,000 is within 5 standard errors of 2,500.
    assert np.mean(sums) == pytest.approx(2500, abs=5 * 5000 / math.sqrt(12 * 6000))


def test_merged_reservoirs_keep_their_shares():
    one, other = Reservoir(100, Random(1)), Reservoir(100, Random(2))
    for _ in range(3_000):
        one.add(1.0)
    for _ in range(1_000):
        other.add(0.0)
    one.merge(other)
    assert (one.count, len(one.values), sum(one.values)) == (4_000, 100, 75.0)


def test_a_merged_reservoir_stays_fair():
    shares = []
    for seed in range(40):
        one, other = Reservoir(100, Random(seed)), Reservoir(100, Random(seed + 100))
        for _ in range(2_000):
            one.add(1.0)
            other.add(0.0)
        one.merge(other)
        for _ in range(4_000):
            one.add(2.0)
        shares.append(sum(1 for value in one.values if value == 2.0) / 100)
    assert np.mean(shares) == pytest.approx(0.5, abs=5 * 0.5 / math.sqrt(4_000))


def numbers(*values):
    return np.array(values, dtype=np.float64)


def test_a_stretch_has_the_right_borders():
    tried = np.full(60, 10.0)
    slow = np.where(np.arange(60) >= 40, 8.0, 1.0)
    found = stretch(tried, slow)
    assert (found.begin, found.end, found.tried, found.failed, found.failed_elsewhere) == (40, 60, 200, 160, 40)
    two = stretches(tried, np.where((np.arange(60) // 10) % 3 == 1, 9.0, 0.0))
    assert [(one.begin, one.end) for one in two] == [(10, 20), (40, 50)]


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=50))
def test_a_stretch_fails_more_than_the_rest(places):
    tried = numbers(*(max(pair) for pair in places))
    failed = numbers(*(min(pair) for pair in places))
    for one in stretches(tried, failed):
        assert 0 <= one.begin < one.end <= len(places)
        assert one.failed == failed[one.begin : one.end].sum()
        assert one.tried == tried[one.begin : one.end].sum()
        assert one.share > one.share_elsewhere


def test_chance_alone_has_no_stretch():
    chance = np.random.default_rng(5)
    false = sum(bool(stretches(np.full(200, 10.0), chance.binomial(10, 0.1, 200).astype(float))) for _ in range(100))
    assert false <= 2


def counted(measured=(), **counters):
    told = made.summary()
    told["counters"] |= {"turns": 200} | counters
    told["metrics"] |= dict(measured)
    return told


def ended(number, how, **more):
    turn = {"role": "assistant", "content": "Well", "start": 1.0, "end": 2.0, "ended": how}
    return made.row(number, transcript=[turn | more])


@pytest.mark.parametrize(
    ("name", "amount", "title", "severity"),
    [
        ("replies_failed", 40, "replies that failed: 40 in 200 turns (20 %)", "warning"),
        ("replies_incomplete", 20, "replies that were incomplete: 20 in 200 turns (10 %)", "bad"),
        ("replies_incomplete", 19, "replies that were incomplete: 19 in 200 turns", "warning"),
        ("replies_without_audio", 2, "replies without audio: 2 in 200 turns (1 %)", "warning"),
        ("replies_cancelled", 50, "replies that the agent broke off with no barge-in: 50 in 200", "warning"),
        (
            "agent_complaints",
            900,
            "errors that the agent reported and went on after: 900 in 200 turns (100",
            "warning",
        ),
        ("renewals", 20, "connections that were renewed: 20 in 200", "warning"),
    ],
)
def test_what_became_of_many_replies_is_told(name, amount, title, severity):
    one = made.finding(made.looked_at([made.row()], (), counted(**{name: amount})), title)
    assert (one.about, one.severity) == ("agent", severity)
    assert one.sentences


@pytest.mark.parametrize(("name", "amount"), [("replies_failed", 1), ("agent_complaints", 1), ("renewals", 19)])
def test_what_became_of_few_replies_is_left_to_the_counters(name, amount):
    assert made.looked_at([made.row()], (), counted(**{name: amount})).answer.startswith("Nothing went wrong")


def test_replies_that_a_barge_in_broke_off_are_as_they_should_be():
    of_barge_ins = {"barge_in_stop_latency": {"count": 45}, "interrupt_detected_time": {"count": 50}}
    told = counted(of_barge_ins, replies_cancelled=50)
    assert made.looked_at([made.row()], (), told).answer.startswith("Nothing went wrong")
    rows = [
        ended(0, "cancelled: turn_detected", interrupted=True),
        ended(1, "cancelled: turn_detected"),
        ended(2, "failed: <b>"),
        ended(3, 7),
        ended(4, "cancelled"),
    ]
    one = made.finding(made.looked_at(rows, (), counted(of_barge_ins, replies_cancelled=60)), "with no barge-in: 10 in")
    assert one.simulations == ("simulation-1", "simulation-4")
    census = Census()
    for offset, row in enumerate(rows):
        census.add(row, 10 * offset)
    assert census.offsets == {"simulation-1": 10, "simulation-2": 20, "simulation-4": 40}


def test_how_long_renewals_took_is_told():
    took = {"renewal_time": {"count": 30, "p50": 0.3, "p95": 1.25}}
    one = made.finding(made.looked_at([made.row()], (), counted(took, renewals=30)), "connections that were renewed")
    assert made.said(one).endswith(": 300 ms (p50), 1.25 s (p95)")


def test_a_threshold_on_replies_is_explained_by_them():
    told = crossed("replies_incomplete", "count < 5")
    told["counters"] |= {"turns": 200, "replies_incomplete": 30}
    found = made.looked_at([made.row(), ended(1, "incomplete: max_output_tokens")], (), told)
    one = made.finding(found, "threshold crossed: replies_incomplete")
    assert "see: replies that were incomplete: 30" in made.said(one)
    assert one.simulations == ("simulation-1",)
