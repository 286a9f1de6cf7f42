"""What monitoring systems get is what the summary says."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse

from coval_load.engine import metrics
from coval_load.engine.distribution import Distribution
from coval_load.engine.labels import Labels
from coval_load.engine.outcome import ErrorKind, Failure, Outcome, Stage
from coval_load.engine.results import Results
from coval_load.report.exports.measurements import BOUNDS_S, measurements
from coval_load.report.exports.otlp import metrics_data
from coval_load.report.exports.prometheus import scrape

SECRET = "hunter2"


def mask(value):
    return value.replace(SECRET, "***") if isinstance(value, str) else value


@pytest.fixture
def results():
    results = Results(clean=mask)
    for number, latency in enumerate([0.2, 0.4, 0.41, 3.0]):
        account = results.account(Labels("default", f"agent-{number % 2}-{SECRET}", "case", "persona"))
        account.count(metrics.STARTED)
        account.record(metrics.RESPONSE_LATENCY, latency)
        account.record(metrics.TTFT, latency / 2)
        failure = Failure(ErrorKind.NO_RESPONSE, Stage.CONVERSATION, "silent")
        results.finished(Outcome("failed", failure) if number == 3 else Outcome("completed"), account)
    results.count(metrics.BYTES_SENT, 1000)
    return results


def measure(results):
    return lambda: measurements(results, running=2, queued=1)


def samples(results, accept=""):
    body, content_type = scrape(measure(results), accept)
    read = parse_openmetrics if "openmetrics" in content_type else parse
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in read(body.decode())
        for sample in family.samples
    }


@pytest.mark.parametrize("accept", ["", "application/openmetrics-text; version=1.0.0"])
def test_prometheus_reads_the_numbers_of_the_summary(results, accept):
    found, summary = samples(results, accept), results.summary()
    for status, amount in summary["counts"].items():
        assert found["coval_load_simulations_total", ("status", status)] == amount
    for name, percentile in (("p50", "0.5"), ("p95", "0.95"), ("p99.9", "0.999")):
        key = ("coval_load_percentile_seconds", ("metric", "response_latency"), ("quantile", percentile))
        assert found[key] == summary["metrics"]["response_latency"][name]
    assert found["coval_load_response_latency_seconds_bucket", ("le", "0.5")] == 3
    assert found["coval_load_response_latency_seconds_bucket", ("le", "+Inf")] == 4
    assert found["coval_load_response_latency_seconds_sum",] == pytest.approx(4.01)
    assert found["coval_load_errors_total", ("error_type", "no_response")] == 1
    assert found["coval_load_bytes_sent_total",] == 1000
    assert found["coval_load_simulations_running",] == 2
    assert found["coval_load_agent_simulations_total", ("agent", "agent-1-***"), ("status", "completed")] == 1
    name = "gen_ai_client_operation_time_to_first_chunk_seconds_count"
    assert found[name, ("gen_ai_operation_name", "chat")] == 4


def test_no_secret_is_scraped_and_a_run_that_measured_nothing_can_be(results):
    assert SECRET not in scrape(measure(results))[0].decode()
    assert samples(Results())["coval_load_simulations_total", ("status", "completed")] == 0


def test_otlp_says_the_same(results):
    summary = results.summary()
    data = metrics_data(measure(results)(), {"service.name": "agents"}, 5, 7)
    encode_metrics(data)  # what the exporter does with it
    found = {metric.name: metric for metric in data.resource_metrics[0].scope_metrics[0].metrics}
    (point,) = found["coval_load.response_latency"].data.data_points
    assert (point.count, point.min, point.max) == (4, 0.2, 3.0)
    assert sum(point.bucket_counts) == 4
    assert len(point.bucket_counts) == len(point.explicit_bounds) + 1
    assert found["coval_load.response_latency"].unit == "s"
    statuses = {one.attributes["status"]: one.value for one in found["coval_load.simulations"].data.data_points}
    assert statuses == summary["counts"]
    assert found["coval_load.simulations"].data.is_monotonic
    assert (point.start_time_unix_nano, point.time_unix_nano) == (5, 7)
    assert found["gen_ai.client.operation.time_to_first_chunk"].data.data_points[0].count == 4


@given(st.lists(st.floats(0, 4000), max_size=50))
def test_as_many_are_up_to_a_bound_as_were_recorded_to_three_digits(values):
    distribution = Distribution()
    distribution.record_many(values)
    for bound, count in zip(BOUNDS_S, distribution.counts_up_to(BOUNDS_S), strict=True):
        least = sum(value <= bound - 1e-6 for value in values)
        most = sum(value <= bound * 1.001 + 1e-6 for value in values)
        assert least <= count <= most


def test_bounds_ascend():
    assert list(BOUNDS_S) == sorted(set(BOUNDS_S))
    assert all(math.isfinite(bound) for bound in BOUNDS_S)
