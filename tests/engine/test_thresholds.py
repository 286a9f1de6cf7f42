"""What a threshold is judged by."""

import json
import math
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import coval_load.report
from coval_load.engine import metrics
from coval_load.engine.labels import Labels, Selector
from coval_load.engine.outcome import ErrorKind, Failure, Outcome, Stage
from coval_load.engine.results import Results
from coval_load.engine.thresholds import OPERATORS, RATE_OF, Threshold, judge, percent_of, prepare

SCHEMA = json.loads((Path(coval_load.report.__file__).parent / "schemas/summary.schema.json").read_text())
ROW = {"$ref": "#/$defs/threshold", "$defs": SCHEMA["$defs"]}
SUPPORT = Selector.of({"agent": "support"})
COMPLETED = Outcome("completed")
SILENT = Outcome("failed", Failure(ErrorKind.NO_RESPONSE, Stage.CONVERSATION, "no"))
REFUSED = Outcome("failed", Failure(ErrorKind.CONNECTION_REFUSED, Stage.CONNECT, "no"))


def a_threshold(name, aggregate, operator="<", limit=1.0, *, selector=None, kind=None, **rest):
    text = f"{aggregate} {operator} {limit}"
    return Threshold(name, selector or Selector(), kind, aggregate, operator, limit, text, **rest)


def value_of(name, aggregate, results, elapsed_s=10.0, **rest):
    return judge(a_threshold(name, aggregate, **rest), results, elapsed_s).value


def some_results():
    results = Results()
    prepare([a_threshold(name, "rate", selector=SUPPORT) for name in RATE_OF], results)
    for labels, outcomes in {
        Labels(agent="support"): [COMPLETED] * 3 + [SILENT],
        Labels(agent="sales"): [COMPLETED] * 2 + [SILENT, REFUSED, REFUSED, Outcome("cancelled")],
    }.items():
        account = results.account(labels)
        for outcome in outcomes:
            account.finished(outcome)
        account.count(metrics.OFFERED, 2 * len(outcomes))
        account.count(metrics.STARTED, len(outcomes))
    return results


@pytest.mark.parametrize(
    ("operator", "passing"),
    [("<", (1,)), ("<=", (1, 2)), (">", (3,)), (">=", (2, 3)), ("==", (2,)), ("!=", (1, 3))],
)
def test_operators_stand_for_what_they_say(operator, passing):
    passed = []
    for turns in (1, 2, 3):
        results = Results()
        results.count(metrics.TURNS, turns)
        if judge(a_threshold(metrics.TURNS, "count", operator, 2.0), results, 10).passed:
            passed.append(turns)
    assert tuple(passed) == passing
    assert set(OPERATORS) == {"<", "<=", ">", ">=", "==", "!="}


seconds = st.lists(st.integers(0, 3_600_000_000).map(lambda us: us / 1e6), min_size=1, max_size=100)


@given(seconds, st.sampled_from(["p1", "p50", "p90", "p99.9", "p100"]) | st.integers(1, 100).map("p{}".format))
def test_percentiles_are_those_of_the_raw_values(values, aggregate):
    results = Results()
    results.record_many(metrics.TURN_TIME, values)
    value = value_of(metrics.TURN_TIME, aggregate, results)

    highest = np.percentile(values, percent_of(aggregate), method="inverted_cdf")
    # HdrHistogram rounds the rank, numpy takes the next one: one rank lower is as right.
    rank = math.floor(percent_of(aggregate) * len(values) / 100)
    lowest = np.sort(values)[max(rank, 1) - 1]
    assert lowest * 0.999 - 1e-6 <= value <= highest * 1.001 + 1e-6


@given(seconds)
def test_other_aggregates_are_those_of_the_raw_values(values):
    results = Results()
    results.record_many(metrics.TURN_TIME, values)
    assert value_of(metrics.TURN_TIME, "min", results) == np.min(values)
    assert value_of(metrics.TURN_TIME, "max", results) == np.max(values)
    assert value_of(metrics.TURN_TIME, "mean", results) == pytest.approx(np.mean(values), rel=1e-9, abs=1e-8)
    assert value_of(metrics.TURN_TIME, "mean", results) == results.summary()["metrics"]["turn_time"]["mean"]
    assert value_of(metrics.TURN_TIME, "count", results) == len(values)


def test_rates_are_shares_of_what_they_say():
    results = some_results()
    assert value_of("failed", "rate", results) == 4 / 9
    assert value_of("completed", "rate", results) == 5 / 9
    assert value_of("cancelled", "rate", results) == 1 / 9
    assert value_of("failed", "rate", results, kind="no_response") == 2 / 9
    assert value_of("failed", "rate", results, kind="tls_failed") == 0
    assert value_of("started", "rate", results) == 0.5
    results.count(metrics.OFFERED, 20)
    for name in ("dropped", "never_started", "queued"):
        results.count(name, 10)
        assert value_of(name, "rate", results) == 0.25
    results.count(metrics.CHECKS_PASSED, 3)
    results.count(metrics.CHECKS_FAILED, 1)
    assert (value_of("checks_passed", "rate", results), value_of("checks_failed", "rate", results)) == (0.75, 0.25)
    results.count(metrics.FRAMES_SENT, 9)
    results.count(metrics.FRAMES_SKIPPED, 1)
    assert value_of("frames_skipped", "rate", results) == 0.1


def test_a_selector_takes_only_what_it_selects():
    results = some_results()
    assert value_of("failed", "rate", results, selector=SUPPORT) == 0.25
    assert value_of("failed", "count", results, selector=SUPPORT, kind="connection_refused") == 0
    assert value_of("failed", "count", results, kind="connection_refused") == 2
    assert value_of("started", "rate", results, selector=SUPPORT) == 0.5
    assert value_of("started", "count", results, selector=SUPPORT) == 4
    assert value_of("started", "per_second", results, 8.0, selector=SUPPORT) == 0.5


@given(st.sampled_from([*RATE_OF]))
def test_all_that_a_rate_needs_is_kept_of_a_selection(name):
    results = Results()
    prepare([a_threshold(name, "rate", selector=SUPPORT)], results)
    account = results.account(Labels(agent="support"))
    for counter in {name, *RATE_OF[name]}:
        account.count(counter, 2)
    results.account(Labels(agent="sales")).count(name, 1000)
    whole = len(RATE_OF[name])
    assert value_of(name, "rate", results, selector=SUPPORT) == 1 / whole


def test_metrics_of_a_selection():
    results = Results()
    wanted = a_threshold(metrics.RESPONSE_LATENCY, "max", selector=SUPPORT)
    prepare([wanted, a_threshold(metrics.TURNS, "count", selector=SUPPORT)], results)
    results.account(Labels(agent="support")).record(metrics.RESPONSE_LATENCY, 0.5)
    results.account(Labels(agent="support")).count(metrics.TURNS)
    results.account(Labels(agent="sales")).record(metrics.RESPONSE_LATENCY, 5.0)
    assert judge(wanted, results, 10).value == 0.5
    assert value_of("turns", "count", results, selector=SUPPORT) == 1


def test_who_was_not_prepared_is_a_fault_of_ours():
    with pytest.raises(KeyError):
        value_of("failed", "count", Results(), selector=SUPPORT)


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize(
    ("name", "aggregate", "elapsed_s", "reason"),
    [
        ("response_latency", "p95", 10, "nothing was measured for response_latency"),
        ("response_latency", "mean", 10, "nothing was measured"),
        ("response_latency", "drift", 10, "too short"),
        ("failed", "rate", 10, "no value: there was nothing of which failed could be a share"),
        ("failed", "drift", 10, "too short"),
        ("turns", "per_second", 0, "nothing was measured for turns"),
    ],
)
def test_what_was_not_measured_has_not_passed(operator, name, aggregate, elapsed_s, reason):
    judged = judge(a_threshold(name, aggregate, operator), Results(), elapsed_s)
    assert (judged.value, judged.passed) == (None, False)
    assert reason in judged.reason


@pytest.mark.parametrize("name", [*metrics.METRICS, *metrics.SIMULATION_COUNTS, *metrics.COUNTERS])
def test_the_count_of_nothing_is_zero(name):
    judged = judge(a_threshold(name, "count"), Results(), 10)
    assert (judged.value, judged.passed) == (0, True)


@pytest.mark.parametrize(("name", "unit"), [("failed", "1/h"), ("response_latency", "1/h")])
def test_drift_comes_from_outside(name, unit):
    threshold = a_threshold(name, "drift", limit=0.05)
    assert judge(threshold, Results(), 10, {name: 0.04}).passed
    judged = judge(threshold, Results(), 10, {name: 0.06})
    assert (judged.value, judged.passed, judged.threshold.unit) == (0.06, False, unit)
    assert judged.reason == "expected drift < 0.05; got 6% an hour"
    for missing in ({name: None}, {"turn_time": 0.0}, {name: math.nan}):
        assert judge(a_threshold(name, "drift", "!="), Results(), 10, missing).value is None


def test_values_that_no_histogram_held_count_as_in_the_summary():
    results = Results()
    results.record(metrics.TURN_TIME, 4000)
    results.count(metrics.SAMPLES_CLAMPED, 2)
    assert value_of("samples_clamped", "count", results) == 3
    assert results.summary()["counters"]["samples_clamped"] == 3
    assert value_of("turns", "count", results) == 0


def test_a_row():
    threshold = a_threshold("response_latency", "p95", selector=SUPPORT, abort_on_fail=True)
    results = Results()
    prepare([threshold], results)
    row = judge(threshold, results, 10).row(aborted=True)
    jsonschema.validate(row, ROW)
    assert row == {
        "metric": "response_latency{agent=support}",
        "threshold": "p95 < 1.0",
        "baseline": None,
        "limit": 1.0,
        "value": None,
        "unit": "s",
        "passed": False,
        "abort_on_fail": True,
        "aborted": True,
        "reason": "expected p95 < 1.0; got no value: nothing was measured for response_latency{agent=support}",
    }
    results.account(Labels(agent="support")).record("response_latency", 0.5)
    row = judge(threshold, results, 10).row()
    assert (row["value"], row["passed"], row["aborted"], row["reason"]) == (0.5, True, False, "got 0.5 s")


@pytest.mark.parametrize(
    ("name", "aggregate", "unit"),
    [
        ("turn_time", "p95", "s"),
        ("turn_time", "count", "1"),
        ("failed", "rate", "1"),
        ("failed", "count", "1"),
        ("failed", "per_second", "1/s"),
        ("bytes_sent", "count", "bytes"),
        ("bytes_sent", "per_second", "bytes/s"),
        ("turn_time", "drift", "1/h"),
    ],
)
def test_units(name, aggregate, unit):
    judged = judge(a_threshold(name, aggregate), some_results(), 10, {name: 0.0})
    assert judged.threshold.unit == unit
    jsonschema.validate(judged.row(), ROW)


def test_reasons_say_what_came():
    results = Results()
    results.record(metrics.TURN_TIME, 1.25)
    assert judge(a_threshold("turn_time", "max"), results, 10).reason == "expected max < 1.0; got 1.25 s"
    assert judge(a_threshold("turn_time", "max", ">"), results, 10).reason == "got 1.25 s"
    assert judge(a_threshold("failed", "rate", "=="), some_results(), 10).reason == "expected rate == 1.0; got 44.4444%"
    assert judge(a_threshold("started", "count", ">", 99), some_results(), 10).reason == "expected count > 99; got 10"


def test_keys():
    plain = a_threshold("failed", "count")
    both = a_threshold("failed", "count", selector=Selector.of({"test_case": "a, b", "agent": "x"}), kind="internal")
    assert (plain.key, both.key) == ("failed", 'failed{agent=x,test_case="a, b",kind=internal}')


@pytest.mark.parametrize(
    ("aggregate", "percent"),
    [("p95", 95), ("p99.9", 99.9), ("p100", 100), ("p0", None), ("p101", None), ("p", None), ("p9x", None)],
)
def test_percentiles_by_name(aggregate, percent):
    assert percent_of(aggregate) == percent
