"""A run's metrics over OTLP/HTTP, as the extra `otlp` brings it: pushed each few seconds, and once more at the end.

Where to is what `OTEL_EXPORTER_OTLP_METRICS_ENDPOINT` or `OTEL_EXPORTER_OTLP_ENDPOINT` says, or an address given;
headers and the rest come from the variables that OpenTelemetry's own exporter reads.
"""

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from typing import Any, Protocol

import trio

from coval_load import __version__
from coval_load.report.exports.measurements import Family, Histogram
from coval_load.report.visible import visible

EVERY_S = 10.0
_LAST_WITHIN_S = 5.0
MISSING = "expected the extra otlp for --otlp; got none installed: pip install 'coval-load[otlp]'"


class Exporter(Protocol):
    """OpenTelemetry's own `OTLPMetricExporter`, as far as it is used here. It blocks."""

    def export(self, metrics_data: Any, timeout_millis: float = ...) -> Any:
        """Whether they were taken."""
        ...

    def shutdown(self, timeout_millis: float = ...) -> None:
        """Let go of connections."""
        ...


def open_exporter(endpoint: str | None) -> Exporter:
    """Pushes to `endpoint` (`http://127.0.0.1:4318/v1/metrics`), None: to where the environment says.

    Error handling: ValueError, for people, where the extra is not installed or `endpoint` is no such address.
    """
    if endpoint is not None and not re.match(r"https?://[^/?#]", endpoint):
        raise ValueError(f"expected an address such as http://127.0.0.1:4318/v1/metrics; got {endpoint!r}")
    try:
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    except ImportError:
        raise ValueError(MISSING) from None
    library = logging.getLogger("opentelemetry")
    library.addHandler(_HEARD)
    library.propagate = False  # else each attempt is a line of several hundred letters across the screen
    exporter: Exporter = OTLPMetricExporter(endpoint=endpoint)
    return exporter


class _Heard(logging.Handler):
    """Keeps why the last attempt failed: that an export failed is all that the exporter returns."""

    reason: str | None = None

    def emit(self, record: logging.LogRecord) -> None:
        # Of a message with an address only its end: a token may stand in the address.
        found = re.search(r"\[Errno -?\d+\] ([\w ]+)|(code: \d+, reason: [\w ]+)", record.getMessage())
        self.reason = (found[1] or found[2]) if found else self.reason


_HEARD = _Heard()


async def push(
    exporter: Exporter,
    measure: Callable[[], Iterable[Family]],
    resource: Mapping[str, str],
    *,
    started_ns: int,
    elapsed_ns: Callable[[], int],
    told: Callable[[str], object],
    every_s: float = EVERY_S,
) -> None:
    """Push what `measure` gives each `every_s` seconds until cancelled, and once more then.

    `started_ns` is the run's start in nanoseconds since 1970. A thread waits for the other side, one at a time, so
    that a slow one holds nothing up; the first failure is `told`, and how many there were at the end.
    """
    failures = 0

    async def push_once() -> None:
        nonlocal failures
        data = metrics_data(measure(), resource, started_ns, started_ns + elapsed_ns())
        wrong = await trio.to_thread.run_sync(_export, exporter, data, abandon_on_cancel=True)
        if wrong is not None:
            failures += 1
            if failures == 1:
                told(f"metrics could not be pushed over OTLP: {wrong}")

    try:
        while True:
            await trio.sleep(every_s)
            await push_once()
    finally:
        with trio.CancelScope(shield=True, deadline=trio.current_time() + _LAST_WITHIN_S):
            await push_once()
        if failures > 1:
            told(f"metrics could not be pushed over OTLP {failures} times")


def _export(exporter: Exporter, data: Any) -> str | None:
    _HEARD.reason = None
    try:
        result = exporter.export(data)
    except Exception as error:  # noqa: BLE001 - whatever a library makes of a broken network, the run goes on
        return f"{type(error).__name__}: {error}"
    if getattr(result, "name", "SUCCESS") == "SUCCESS":
        return None
    return f"the other side did not take them{f' ({_HEARD.reason})' if _HEARD.reason else ''}"


def metrics_data(families: Iterable[Family], resource: Mapping[str, str], started_ns: int, now_ns: int) -> Any:
    """OpenTelemetry's `MetricsData`, cumulative since `started_ns`."""
    from opentelemetry.sdk.metrics import export as otel
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    cumulative = otel.AggregationTemporality.CUMULATIVE

    def points(family: Family) -> Any:
        if family.kind == "histogram":
            found = [_histogram(otel, one, started_ns, now_ns) for one in family.histograms]
            return otel.Histogram(data_points=found, aggregation_temporality=cumulative)
        numbers = [
            otel.NumberDataPoint(_attributes(one.labels), started_ns, now_ns, one.value) for one in family.numbers
        ]
        if family.kind == "counter":
            return otel.Sum(data_points=numbers, aggregation_temporality=cumulative, is_monotonic=True)
        return otel.Gauge(data_points=numbers)

    found = [
        otel.Metric(family.name, family.description, family.unit, points(family))
        for family in families
        if family.numbers or family.histograms
    ]
    scope = otel.ScopeMetrics(InstrumentationScope("coval_load", __version__), found, "")
    of = Resource({name: visible(value) for name, value in resource.items()})
    return otel.MetricsData([otel.ResourceMetrics(of, [scope], "")])


def _histogram(otel: Any, one: Histogram, started_ns: int, now_ns: int) -> Any:
    ups = [0, *one.counts_up_to, one.count]
    return otel.HistogramDataPoint(
        attributes=_attributes(one.labels),
        start_time_unix_nano=started_ns,
        time_unix_nano=now_ns,
        count=one.count,
        sum=one.sum_s,
        bucket_counts=[later - earlier for earlier, later in pairwise(ups)],
        explicit_bounds=list(one.bounds_s),
        min=one.lowest_s,
        max=one.highest_s,
    )


def _attributes(labels: Mapping[str, str]) -> dict[str, str]:
    return {name: visible(value) for name, value in labels.items()}
