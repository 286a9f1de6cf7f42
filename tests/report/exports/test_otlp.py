"""Metrics are pushed in virtual time, to another side that takes them, refuses them, or hangs."""

import http.server
import logging
import threading
from itertools import pairwise

import pytest
import trio
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.sdk.metrics.export import MetricExportResult
from trio.testing import MockClock

from coval_load.engine import metrics
from coval_load.engine.results import Results
from coval_load.report.exports.measurements import measurements
from coval_load.report.exports.otlp import open_exporter, push


class Collector(http.server.BaseHTTPRequestHandler):
    """Keeps what it gets."""

    came: list

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        type(self).came.append((self.path, self.headers, ExportMetricsServiceRequest.FromString(body)))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def collector():
    handler = type("Handler", (Collector,), {"came": []})
    server = http.server.HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server, handler.came
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_real_collector_gets_what_was_measured(collector, monkeypatch):
    server, came = collector
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-team=voice")
    results = Results()
    results.record(metrics.RESPONSE_LATENCY, 0.25)
    exporter = open_exporter(f"http://127.0.0.1:{server.server_port}/v1/metrics")
    told = push_for(0, exporter, results)
    exporter.shutdown()
    ((path, headers, request),) = came
    assert (path, headers["x-team"], told) == ("/v1/metrics", "voice", [])
    (of,) = request.resource_metrics
    assert {attribute.key for attribute in of.resource.attributes} >= {"service.name"}
    found = {metric.name: metric for metric in of.scope_metrics[0].metrics}
    assert found["coval_load.response_latency"].histogram.data_points[0].sum == 0.25


class Other:
    """Another side that fails as it is told."""

    def __init__(self, fails):
        self.fails, self.asked = fails, 0

    def export(self, metrics_data, timeout_millis=0):
        self.asked += 1
        if self.fails:
            raise ConnectionError("refused")
        return

    def shutdown(self, timeout_millis=0):
        pass


def push_for(pushes, exporter, results=None):
    """What is told of so many pushes and the last one; time passes while the other side takes its own."""
    told, asked, clock, scope = [], [], MockClock(), trio.CancelScope()

    def measure():
        asked.append(trio.current_time())
        if len(asked) > pushes:
            scope.cancel()
        return measurements(results or Results(), running=0, queued=0)

    async def pass_time():
        while not scope.cancel_called:
            clock.jump(1.0)
            await trio.lowlevel.checkpoint()

    async def main():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pass_time)
            with scope:
                pushing = {"started_ns": 1, "elapsed_ns": lambda: 1, "told": told.append}
                await push(exporter, measure, {"service.name": "x"}, **pushing)

    trio.run(main, clock=clock)
    assert all(later - earlier >= 10 for earlier, later in pairwise(asked[:-1]))
    return told


def test_they_are_pushed_each_ten_seconds_and_at_the_end():
    other = Other(fails=False)
    assert push_for(3, other) == []
    assert other.asked == 4


def test_one_that_refuses_is_told_of_once_and_at_the_end():
    told = push_for(3, Other(fails=True))
    assert told == [
        "metrics could not be pushed over OTLP: ConnectionError: refused",
        "metrics could not be pushed over OTLP 4 times",
    ]


def test_an_address_that_is_none_is_refused():
    with pytest.raises(ValueError, match="expected an address such as http"):
        open_exporter("collector:4317")


def test_an_address_without_a_host_is_refused():
    with pytest.raises(ValueError, match="expected an address such as http"):
        open_exporter("http://")


def test_why_nobody_took_them_is_told_in_a_few_words_and_the_library_says_nothing(collector, monkeypatch):
    server, _ = collector
    monkeypatch.setattr(server.RequestHandlerClass, "do_POST", lambda handler: handler.send_error(400))
    exporter = open_exporter(f"http://127.0.0.1:{server.server_port}/v1/metrics")
    told = push_for(0, exporter)
    exporter.shutdown()
    (note,) = told
    assert note.endswith("the other side did not take them (code: 400, reason: Bad Request)")
    assert not logging.getLogger("opentelemetry").propagate


class Unreachable(Other):
    """Says on the way what requests says, and at last that it gave up."""

    def export(self, metrics_data, timeout_millis=0):
        logger = logging.getLogger("opentelemetry.exporter")
        reached = "with url: /v1/metrics?key=a-token-of-mine (Caused by E('[Errno 111] Connection refused'))"
        logger.warning("Transient error %s encountered", reached)
        logger.error("Failed to export metrics batch due to timeout, max retries or shutdown.")
        return MetricExportResult.FAILURE


def test_an_address_that_nobody_listens_at_is_told_without_the_address():
    open_exporter("http://127.0.0.1:1/v1/metrics").shutdown()
    told = push_for(0, Unreachable(fails=True))
    assert told == ["metrics could not be pushed over OTLP: the other side did not take them (Connection refused)"]
