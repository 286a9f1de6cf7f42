"""What went well, where it did."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from coval_load.engine import metrics
from coval_load.report.diagnosis.census import Census
from coval_load.report.diagnosis.finding import Finding
from coval_load.report.diagnosis.latency import SAMPLES_AT_LEAST, Samples
from coval_load.report.diagnosis.reading import mapping, number, rows, seconds, text
from coval_load.report.units import duration, many


def good_news(
    summary: Mapping[str, Any], census: Census, latencies: Samples, troubled: Sequence[Finding]
) -> Iterator[Finding]:
    """A line each for no errors, latencies that stayed level, thresholds that held, a generator that kept pace.

    `troubled` are the findings about latency.
    """
    completed, failed = (census.outcomes[name] for name in (metrics.COMPLETED, metrics.FAILED))
    if completed and not failed:
        yield Finding("agent", "good", f"no errors: {many(completed, 'conversation')} completed")
    if not troubled and len(latencies.values) >= SAMPLES_AT_LEAST:
        yield Finding("agent", "good", f"response latency level throughout{_latency(summary)}")
    thresholds = list(rows(summary.get("thresholds")))
    if thresholds and all(row.get("passed") is True for row in thresholds):
        yield Finding("run", "good", f"all thresholds held ({len(thresholds):,})")
    if text(mapping(summary.get("generator")).get("verdict")) == "valid":
        yield Finding("generator", "good", f"the load generator kept pace{_pace(summary)}")


def _latency(summary: Mapping[str, Any]) -> str:
    entry = mapping(mapping(summary.get("metrics")).get(metrics.RESPONSE_LATENCY))
    p50_s, p95_s = seconds(entry.get("p50")), seconds(entry.get("p95"))
    return "" if p50_s is None or p95_s is None else f": p50 {duration(p50_s)}, p95 {duration(p95_s)}"


def _pace(summary: Mapping[str, Any]) -> str:
    lag_s = seconds(mapping(mapping(summary.get("metrics")).get(metrics.LOOP_LAG)).get("p99"))
    cpu_share = number(mapping(summary.get("generator")).get("cpu_share"))
    said = [] if lag_s is None else [f"woke {duration(lag_s)} late (p99)"]
    said += [] if cpu_share is None else [f"{cpu_share:.0%} of a core"]
    return f": {', '.join(said)}" if said else ""
