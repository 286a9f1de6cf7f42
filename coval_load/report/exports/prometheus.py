"""A run for Prometheus, in its text format (version 0.0.4) or OpenMetrics, whichever the scraper asks for."""

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from coval_load.report.exports.measurements import Family, Histogram, Labels
from coval_load.report.visible import visible

_UNITS = {"s": "_seconds", "By": "_bytes", "1": ""}


class _Measurements(Collector):
    def __init__(self, measure: Callable[[], Iterable[Family]]) -> None:
        self._measure = measure

    def collect(self) -> Iterator[Metric]:
        return (_metric(family) for family in self._measure())


def scrape(measure: Callable[[], Iterable[Family]], accept: str = "") -> tuple[bytes, str]:
    """The body of an answer to a scrape, and its content type; `accept` is the header of the request."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Measurements(measure))
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


def metric_name(family: Family) -> str:
    """What a family is called, without the suffixes that the format adds: `coval_load_response_latency_seconds`."""
    name = family.name.replace(".", "_")
    return name if "bytes" in name else name + _UNITS[family.unit]


def _metric(family: Family) -> Metric:
    name, labels = metric_name(family), _label_names(family)
    if family.kind == "histogram":
        histogram = HistogramMetricFamily(name, family.description, labels=_escaped(labels))
        for one in family.histograms:
            histogram.add_metric(_values(labels, one.labels), _buckets(one), one.sum_s)
        return histogram
    kind = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    metric = kind(name, family.description, labels=_escaped(labels))
    for number in family.numbers:
        metric.add_metric(_values(labels, number.labels), number.value)
    return metric


def _label_names(family: Family) -> list[str]:
    given = [one.labels for one in family.numbers] + [one.labels for one in family.histograms]
    return list(dict.fromkeys(label for labels in given for label in labels))


def _escaped(labels: list[str]) -> list[str]:
    return [label.replace(".", "_") for label in labels]


def _values(labels: list[str], given: Labels) -> list[str]:
    return [visible(given.get(label, "")) for label in labels]


def _buckets(histogram: Histogram) -> list[tuple[str, float]]:
    bounds = [
        (repr(bound), float(up_to)) for bound, up_to in zip(histogram.bounds_s, histogram.counts_up_to, strict=True)
    ]
    return [*bounds, ("+Inf", float(histogram.count))]
