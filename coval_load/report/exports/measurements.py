"""What a run has measured so far, as monitoring systems take it: counters, gauges and histograms with fixed bounds."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import attrs

from coval_load.engine import metrics
from coval_load.engine.distribution import PERCENTILES, Distribution
from coval_load.engine.results import Results
from coval_load.engine.tally import Tally

BOUNDS_S: tuple[float, ...] = (
    *(0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8),
    *(1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 7.5, 10.0, 15.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0),
)
"""Upper bounds of histogram buckets in seconds: close together where people notice a difference."""

GEN_AI_BOUNDS_S = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
"""Those that OpenTelemetry's conventions for generative AI ask for."""

GEN_AI: Mapping[str, str] = {
    "gen_ai.client.operation.duration": metrics.RESPONSE_TIME,
    "gen_ai.client.operation.time_to_first_chunk": metrics.TTFT,
    "gen_ai.client.operation.time_per_output_chunk": metrics.INTER_CHUNK_LATENCY,
}
"""Metrics of OpenTelemetry's semantic conventions for generative AI, and what is measured here of the same meaning."""

Labels = Mapping[str, str]


@attrs.frozen
class Histogram:
    """Of durations in seconds: how many are at most each of `bounds_s`, how many there are, and their sum."""

    labels: Labels
    bounds_s: Sequence[float]
    counts_up_to: Sequence[int]
    count: int
    sum_s: float
    lowest_s: float
    highest_s: float


@attrs.frozen
class Number:
    """One value of a counter or a gauge."""

    labels: Labels
    value: float


@attrs.frozen
class Family:
    """Values of one name. `name` is dotted, `unit` is `s`, `1` or `By`."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    unit: str
    description: str
    numbers: Sequence[Number] = ()
    histograms: Sequence[Histogram] = ()


def measurements(results: Results, *, running: int, queued: int) -> Iterator[Family]:
    """Every family of a run; texts in labels are masked.

    What belongs to one agent or one scenario has a family of its own, so that a sum over labels counts nothing twice.
    """
    whole = results.whole
    yield _gauge("coval_load.simulations.running", "simulations that go on now", running)
    yield _gauge("coval_load.simulations.queued", "simulations that wait for a place now", queued)
    yield _simulations("coval_load.simulations", [({}, whole)])
    yield _errors("coval_load.errors", [({}, whole)])
    for name, counter in metrics.COUNTERS.items():
        unit = "By" if counter.unit == "bytes" else "1"
        yield Family(f"coval_load.{name}", "counter", unit, counter.definition, [Number({}, whole.counts[name])])
    yield from _distributions(whole)
    yield _percentiles(whole)
    yield from _gen_ai(whole)
    yield from _of_each("agent", results.agents, results)
    yield from _of_each("scenario", results.scenarios, results)
    yield from _generator(results)


def _gauge(name: str, description: str, value: float, unit: str = "1") -> Family:
    return Family(name, "gauge", unit, description, [Number({}, value)])


def _simulations(name: str, tallies: Sequence[tuple[Labels, Tally]]) -> Family:
    numbers = [
        Number({**labels, "status": status}, tally.counts[status])
        for labels, tally in tallies
        for status in metrics.SIMULATION_COUNTS
    ]
    return Family(name, "counter", "1", "simulations by status; one that was started is offered too", numbers)


def _errors(name: str, tallies: Sequence[tuple[Labels, Tally]]) -> Family:
    numbers = [
        Number({**labels, "error.type": kind}, amount)
        for labels, tally in tallies
        for kind, amount in tally.errors.items()
    ]
    return Family(name, "counter", "1", "simulations that failed, by kind of error", numbers)


def _distributions(tally: Tally) -> Iterator[Family]:
    for name, metric in metrics.METRICS.items():
        distribution = tally.distributions.get(name)
        if distribution is not None and distribution.count:
            histogram = _histogram({}, distribution, BOUNDS_S)
            yield Family(f"coval_load.{name}", "histogram", "s", metric.definition, histograms=[histogram])


def _percentiles(tally: Tally) -> Family:
    percents = (*PERCENTILES.values(),)
    numbers = [
        Number({"metric": name, "quantile": f"{percent / 100:g}"}, value)
        for name, distribution in tally.distributions.items()
        for percent, value in zip(percents, distribution.percentiles(percents), strict=True)
        if value is not None
    ]
    told = "percentiles over the whole run so far, the same as in summary.json"
    return Family("coval_load.percentile", "gauge", "s", told, numbers)


def _gen_ai(tally: Tally) -> Iterator[Family]:
    for name, metric in GEN_AI.items():
        distribution = tally.distributions.get(metric)
        if distribution is not None and distribution.count:
            histogram = _histogram({"gen_ai.operation.name": "chat"}, distribution, GEN_AI_BOUNDS_S)
            told = metrics.METRICS[metric].definition
            yield Family(name, "histogram", "s", f"{metric}: {told}", histograms=[histogram])


def _of_each(label: str, tallies: Mapping[str, Tally], results: Results) -> Iterator[Family]:
    named: list[tuple[Labels, Tally]] = [({label: str(results.clean(name))}, tally) for name, tally in tallies.items()]
    yield _simulations(f"coval_load.{label}.simulations", named)
    yield _errors(f"coval_load.{label}.errors", named)
    histograms = [
        _histogram(labels, distribution, BOUNDS_S)
        for labels, tally in named
        if (distribution := tally.distributions.get(metrics.RESPONSE_LATENCY)) is not None and distribution.count
    ]
    told = f"{metrics.METRICS[metrics.RESPONSE_LATENCY].definition}; of each {label}"
    yield Family(f"coval_load.{label}.{metrics.RESPONSE_LATENCY}", "histogram", "s", told, histograms=histograms)


def _generator(results: Results) -> Iterator[Family]:
    vitals = results.vitals
    seconds = (
        ("cpu", vitals.cpu_s, "CPU that the load generator used"),
        ("cpu_wait", vitals.cpu_wait_s, "how long it was ready to run and others had the CPU"),
        ("gc", vitals.gc_s, "how long the garbage collector stopped it"),
    )
    for name, value, told in seconds:
        if value is not None:
            yield Family(f"coval_load.generator.{name}", "counter", "s", told, [Number({}, value)])
    if vitals.rss_bytes is not None:
        yield _gauge("coval_load.generator.memory", "resident memory of the load generator", vitals.rss_bytes, "By")


def _histogram(labels: Labels, distribution: Distribution, bounds_s: Sequence[float]) -> Histogram:
    return Histogram(
        labels=labels,
        bounds_s=bounds_s,
        counts_up_to=distribution.counts_up_to(bounds_s),
        count=distribution.count,
        sum_s=distribution.total_s,
        lowest_s=distribution.lowest or 0.0,
        highest_s=distribution.highest or 0.0,
    )
