import json
from pathlib import Path

import jsonschema
import pytest

import coval_load.report
from coval_load.engine import metrics
from coval_load.engine.outcome import ErrorKind, Failure, Outcome, Stage
from coval_load.engine.results import Results

SCHEMA = json.loads((Path(coval_load.report.__file__).parent / "schemas/summary.schema.json").read_text())


def failed(kind, message="expected a reply; got none"):
    return Outcome("failed", Failure(kind, Stage.CONVERSATION, message))


def test_summary_of_a_run_with_some_of_everything():
    results = Results()
    results.count(metrics.OFFERED, 4)
    results.count(metrics.STARTED, 4)
    results.finished(Outcome("completed"))
    results.finished(Outcome("cancelled"))
    results.finished(failed(ErrorKind.NO_RESPONSE, "first"))
    results.finished(failed(ErrorKind.NO_RESPONSE, "second"))
    results.count(metrics.TURNS, 7)
    results.record(metrics.RESPONSE_LATENCY, 0.333)
    results.frame_lateness([0.001])
    results.note("support-voice is limited to 8 at once")
    results.note("support-voice is limited to 8 at once")

    summary = results.summary()

    jsonschema.validate(summary, SCHEMA)
    told = {"offered": 4, "started": 4, "completed": 1, "failed": 2, "cancelled": 1}
    assert summary["counts"] == told | {"dropped": 0, "never_started": 0}
    assert summary["errors"] == {"no_response": 2}
    assert summary["error_examples"] == {"no_response": "first"}
    assert summary["counters"]["turns"] == 7
    assert list(summary["metrics"]) == ["response_latency", "send_lateness"]
    assert summary["metrics"]["response_latency"]["p99.9"] == 0.333
    assert summary["notes"] == ["support-voice is limited to 8 at once"]


def test_summary_of_nothing_is_one_too():
    summary = Results().summary()
    jsonschema.validate(summary, SCHEMA)
    assert summary["metrics"] == {}
    assert summary["generator"]["verdict"] == "valid"


def test_the_schema_would_notice_a_wrong_summary():
    summary = Results().summary()
    summary["errors"]["hiccup"] = 1
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(summary, SCHEMA)


def test_example_messages_are_cleaned_of_secrets():
    results = Results(clean=lambda message: message.replace("hunter2", "***"))
    results.finished(failed(ErrorKind.AUTHENTICATION_FAILED, "got 401 for hunter2"))
    assert results.summary()["error_examples"] == {"authentication_failed": "got 401 for ***"}


def test_merged_results_equal_those_of_one_process():
    here, there, together = Results(), Results(), Results()
    for results in (here, together):
        results.record(metrics.TURN_TIME, 1.0)
        results.count(metrics.OFFERED)
        results.finished(failed(ErrorKind.DNS_FAILED))
    for results in (there, together):
        results.record_many(metrics.TURN_TIME, [2.0, 4000.0])
        results.frame_lateness([0.5])
        results.count(metrics.BYTES_SENT, 640)
        results.finished(failed(ErrorKind.DNS_FAILED))
        results.finished(failed(ErrorKind.INTERNAL, "out of memory"))
        results.note("a note")

    here.merge(there.summary())

    assert here.summary() == together.summary()
    assert here.summary()["counters"]["samples_clamped"] == 1


def test_merging_keeps_the_busier_process():
    here, there = Results(), Results()
    there.vitals.cpu_s, there.vitals.watched_s = 9.5, 10.0
    there.vitals.busiest_cpu_share, there.vitals.max_rss_bytes = 0.99, 1000
    here.vitals.cpu_s, here.vitals.watched_s, here.vitals.max_rss_bytes = 1.0, 10.0, 500
    here.merge(there.summary())
    generator = here.summary()["generator"]
    assert (generator["cpu_share"], generator["busiest_cpu_share"]) == (0.95, 0.99)
    assert generator["max_rss_bytes"] == 1000
    assert generator["verdict"] == "degraded"


def test_internal_errors_lost_rows_and_skipped_frames_reach_the_verdict():
    results = Results()
    results.finished(failed(ErrorKind.INTERNAL))
    results.count(metrics.ROWS_LOST, 3)
    results.count(metrics.FRAMES_SKIPPED, 5)
    generator = results.summary()["generator"]
    assert (generator["internal_errors"], generator["rows_lost"], generator["frames_skipped"]) == (1, 3, 5)
    assert generator["verdict"] == "invalid"


@pytest.mark.parametrize("call", ["record", "count"])
def test_a_name_that_is_not_listed_is_a_fault_of_ours(call):
    with pytest.raises(KeyError, match="respons_latency"):
        getattr(Results(), call)("respons_latency", 1)


def test_percentiles_and_counts_can_be_read_on_the_way():
    results = Results()
    assert results.percentile(metrics.TTFT, 50) is None
    assert results.samples(metrics.TTFT) == 0
    results.record_many(metrics.TTFT, [0.1, 0.2, 0.3])
    results.finished(Outcome("completed"))
    assert results.percentile(metrics.TTFT, 50) == pytest.approx(0.2, rel=1e-3)
    assert results.counted(metrics.COMPLETED) == 1


def test_roll_empties_what_has_gathered():
    results = Results()
    results.frame_lateness([0.001])
    results.roll()
    assert results.whole.distributions[metrics.SEND_LATENESS]._pending == []
    assert results.samples(metrics.SEND_LATENESS) == 1
