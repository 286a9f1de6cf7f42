"""A collector of OTLP in a thread, which keeps what it gets."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import attrs


@attrs.define
class Collector:
    """`requests` are those it got, in order; it answers with `status`."""

    status: int = 200
    address: str = ""
    requests: list = attrs.field(factory=list)


@contextmanager
def collector(**how):
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

    found = Collector(**how)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            found.requests.append(ExportMetricsServiceRequest.FromString(body))
            self.send_response(found.status)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    serving.start()
    found.address = f"http://127.0.0.1:{server.server_port}/v1/metrics"
    try:
        yield found
    finally:
        server.shutdown()
        serving.join()
        server.server_close()


def points_of(request):
    """{(name, labels): point} of a request; labels as (name, value) pairs in order."""
    return {
        (metric.name, tuple(sorted((label.key, label.value.string_value) for label in point.attributes))): point
        for resource in request.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in getattr(metric, metric.WhichOneof("data")).data_points
    }


def value_of(point):
    """Of a counter or a gauge, whichever type of number it has."""
    return getattr(point, point.WhichOneof("value"))
