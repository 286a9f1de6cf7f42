"""What is counted and measured of some simulations of a run: all of them, an agent's, a scenario's, a threshold's."""

from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from coval_load.engine import metrics
from coval_load.engine.distribution import Distribution, Mark
from coval_load.engine.outcome import Outcome


def _no_counts() -> dict[str, int]:
    return dict.fromkeys((*metrics.SIMULATION_COUNTS, *metrics.COUNTERS), 0)


@attrs.frozen
class TallyMark:
    """How a tally stood at an instant; see `Tally.since`."""

    counts: Mapping[str, int]
    errors: Mapping[str, int]
    distributions: Mapping[str, Mark]


@attrs.define
class Tally:
    """Simulations by status, errors by kind, counters, and a distribution for each metric.

    `keeps` names the metrics that get a distribution and the counters that are counted; None: all of them.
    Simulations and errors are always counted.

    Error handling: a metric or counter that `engine/metrics.py` does not list is a KeyError.
    """

    keeps: frozenset[str] | None = None
    counts: dict[str, int] = attrs.field(factory=_no_counts, init=False)
    """Of `metrics.SIMULATION_COUNTS` and `metrics.COUNTERS`, by name."""
    errors: dict[str, int] = attrs.field(factory=dict, init=False)
    distributions: dict[str, Distribution] = attrs.field(factory=dict, init=False)

    def keeps_track_of(self, name: str) -> bool:
        """Whether a metric or counter is kept here."""
        return self.keeps is None or name in self.keeps or name in metrics.SIMULATION_COUNTS

    def distribution(self, metric: str) -> Distribution:
        """Where the values of `metric` are kept."""
        known = self.distributions.get(metric)
        if known is None:
            metrics.METRICS[metric]  # a name that is not listed is a fault of ours: fail where it is used
            known = self.distributions[metric] = Distribution()
        return known

    def finished(self, outcome: Outcome) -> None:
        """Count a simulation that ended, by its status and its kind of error."""
        self.counts[outcome.status] += 1
        if outcome.error is not None:
            kind = str(outcome.error.kind)
            self.errors[kind] = self.errors.get(kind, 0) + 1

    def settle(self) -> None:
        """Count what has gathered; see `Distribution.settle`."""
        for distribution in self.distributions.values():
            distribution.settle()

    def samples(self, metric: str) -> int:
        """How many values of `metric` were recorded."""
        distribution = self.distributions.get(metric)
        return distribution.count if distribution else 0

    def percentile(self, metric: str, percent: float) -> float | None:
        """A percentile of `metric` in seconds; None where nothing was recorded."""
        distribution = self.distributions.get(metric)
        return distribution.percentile(percent) if distribution else None

    @property
    def clamped(self) -> int:
        """Values that no histogram holds; see `Distribution.clamped`."""
        return sum(distribution.clamped for distribution in self.distributions.values())

    def summary(self) -> dict[str, Any]:
        """`counts`, `errors`, `counters` and `metrics`, as in `summary.json`; what is not kept is left out."""
        measured = [name for name in metrics.METRICS if self.samples(name)]
        counters = {name: self.counts[name] for name in metrics.COUNTERS if self.keeps_track_of(name)}
        if metrics.SAMPLES_CLAMPED in counters:
            counters[metrics.SAMPLES_CLAMPED] += self.clamped
        return {
            "counts": {name: self.counts[name] for name in metrics.SIMULATION_COUNTS},
            "errors": dict(self.errors),
            "counters": counters,
            "metrics": {name: self.distributions[name].summary() for name in measured},
        }

    def merge(self, summary: Mapping[str, Any]) -> None:
        """Add another `summary()`. ValueError where a histogram has another range than ours."""
        for name, entry in summary["metrics"].items():
            self.distribution(name).merge(entry)
        _add(self.counts, {**summary["counts"], **summary["counters"]})
        _add(self.errors, summary["errors"])

    def mark(self) -> TallyMark:
        """How it stands now."""
        marks = {name: distribution.mark() for name, distribution in self.distributions.items()}
        return TallyMark(dict(self.counts), dict(self.errors), marks)

    def since(self, mark: TallyMark) -> "Tally":
        """What was added since `mark`."""
        added = Tally(self.keeps)
        _add(added.counts, {name: now - mark.counts[name] for name, now in self.counts.items()})
        _add(added.errors, {kind: now - mark.errors.get(kind, 0) for kind, now in self.errors.items()})
        added.errors = {kind: amount for kind, amount in added.errors.items() if amount}
        for name, distribution in self.distributions.items():
            added.distributions[name] = distribution.since(mark.distributions.get(name))
        return added


def _add(to: dict[str, int], amounts: Mapping[str, int]) -> None:
    for name, amount in amounts.items():
        to[name] = to.get(name, 0) + amount


@attrs.define(eq=False)
class Account:
    """What the measurements of one simulation are added to: each tally that it belongs to.

    Every call is synchronous and takes about a microsecond at most. Simulations with the same labels share one.
    """

    tallies: tuple[Tally, ...]
    _distributions: dict[str, tuple[Distribution, ...]] = attrs.field(factory=dict, init=False)
    _counting: dict[str, tuple[dict[str, int], ...]] = attrs.field(factory=dict, init=False)

    def record(self, metric: str, seconds: float) -> None:
        """Keep one value of `metric`."""
        for distribution in self._distributions.get(metric) or self._found(metric):
            distribution.record(seconds)

    def record_many(self, metric: str, seconds: Iterable[float]) -> None:
        """Keep several values of `metric`."""
        values = list(seconds)
        for distribution in self._distributions.get(metric) or self._found(metric):
            distribution.record_many(values)

    def count(self, counter: str, amount: int = 1) -> None:
        """Add to a counter, or to one of the counts of simulations."""
        for counts in self._counting.get(counter) or self._counted(counter):
            counts[counter] += amount

    def finished(self, outcome: Outcome) -> None:
        """Count a simulation that ended."""
        for tally in self.tallies:
            tally.finished(outcome)

    def _found(self, metric: str) -> tuple[Distribution, ...]:
        found = tuple(tally.distribution(metric) for tally in self.tallies if tally.keeps_track_of(metric))
        self._distributions[metric] = found
        return found

    def _counted(self, counter: str) -> tuple[dict[str, int], ...]:
        found = tuple(tally.counts for tally in self.tallies if tally.keeps_track_of(counter))
        self._counting[counter] = found
        return found
