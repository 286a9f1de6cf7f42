"""What a run has measured so far: histograms and counts of fixed size, mergeable across processes."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import attrs

from coval_load.engine import metrics
from coval_load.engine.by_agent import AgentTally
from coval_load.engine.distribution import Distribution
from coval_load.engine.outcome import ErrorKind, Outcome
from coval_load.engine.verdict import Evidence, Vitals, verdict


def _as_it_is(value: Any) -> Any:
    return value


@attrs.define
class Results:
    """Counts and durations of one run; every call is synchronous and takes about a microsecond at most.

    `clean` masks secrets; the example messages of errors go through it. Not safe to share between threads.

    Error handling: a metric or counter that `engine/metrics.py` does not list is a KeyError; a value is
    never refused (see `Distribution.record`).
    """

    clean: Callable[[Any], Any] = _as_it_is
    vitals: Vitals = attrs.field(factory=Vitals, init=False)
    """How the generator itself fares; `watch_generator` keeps it up to date."""
    notes: list[str] = attrs.field(factory=list, init=False)
    """What a reader of the summary should know, each a sentence; see `note`."""
    _distributions: dict[str, Distribution] = attrs.field(factory=dict, init=False)
    frame_lateness: Callable[[float], None] = attrs.field(init=False)
    """Records one `send_lateness` in seconds: called for every frame, so it is one function call deep."""
    _counts: dict[str, int] = attrs.field(init=False)
    _errors: dict[str, int] = attrs.field(factory=dict, init=False)
    _examples: dict[str, str] = attrs.field(factory=dict, init=False)
    _agents: dict[str, AgentTally] = attrs.field(factory=dict, init=False)

    @frame_lateness.default
    def _record_lateness(self) -> Callable[[float], None]:
        return self._distribution(metrics.SEND_LATENESS).record

    @_counts.default
    def _nothing_counted(self) -> dict[str, int]:
        return dict.fromkeys((*metrics.SIMULATION_COUNTS, *metrics.COUNTERS), 0)

    def _distribution(self, metric: str) -> Distribution:
        known = self._distributions.get(metric)
        if known is None:
            metrics.METRICS[metric]  # a name that is not listed is a fault of ours: fail where it is used
            known = self._distributions[metric] = Distribution()
        return known

    def record(self, metric: str, seconds: float) -> None:
        """Keep one value of `metric`."""
        self._distribution(metric).record(seconds)

    def record_many(self, metric: str, seconds: Iterable[float]) -> None:
        """Keep several values of `metric`."""
        self._distribution(metric).record_many(seconds)

    def count(self, counter: str, amount: int = 1) -> None:
        """Add to a counter of `metrics.COUNTERS`, or to `offered` or `started`."""
        self._counts[counter] += amount

    def agent(self, name: str) -> AgentTally:
        """What is counted of one agent."""
        tally = self._agents.get(name)
        if tally is None:  # `setdefault` would make one, with a histogram of thousands of buckets, at each call
            tally = self._agents[name] = AgentTally()
        return tally

    def finished(self, outcome: Outcome) -> None:
        """Count a simulation that ended, by its status and its kind of error."""
        self._counts[outcome.status] += 1
        if outcome.error is not None:
            kind = str(outcome.error.kind)
            self._errors[kind] = self._errors.get(kind, 0) + 1
            if kind not in self._examples:
                self._examples[kind] = str(self.clean(outcome.error.message))

    def note(self, sentence: str) -> None:
        """Keep a sentence for the reader of the summary; the same one is kept once."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    def roll(self) -> None:
        """Count what has gathered. Called each second: it bounds the memory that gathering takes."""
        for distribution in (*self._distributions.values(), *(tally.latency for tally in self._agents.values())):
            distribution.settle()

    def counted(self, counter: str) -> int:
        """How much a counter, or one of the counts of simulations, stands at."""
        return self._counts[counter]

    def percentile(self, metric: str, percent: float) -> float | None:
        """A percentile of `metric` in seconds over the run so far; None where nothing was recorded."""
        distribution = self._distributions.get(metric)
        return distribution.percentile(percent) if distribution else None

    def samples(self, metric: str) -> int:
        """How many values of `metric` were recorded."""
        distribution = self._distributions.get(metric)
        return distribution.count if distribution else 0

    def evidence(self) -> Evidence:
        """What the verdict on the generator is judged by."""
        return Evidence(
            vitals=self.vitals,
            loop_lag_samples=self.samples(metrics.LOOP_LAG),
            loop_lag_p99_s=self.percentile(metrics.LOOP_LAG, 99),
            send_lateness_samples=self.samples(metrics.SEND_LATENESS),
            send_lateness_p99_s=self.percentile(metrics.SEND_LATENESS, 99),
            frames_sent=self._counts[metrics.FRAMES_SENT],
            frames_skipped=self._counts[metrics.FRAMES_SKIPPED],
            offered=self._counts[metrics.OFFERED],
            started=self._counts[metrics.STARTED],
            rows_lost=self._counts[metrics.ROWS_LOST],
            internal_errors=self._errors.get(ErrorKind.INTERNAL, 0),
        )

    def summary(self) -> dict[str, Any]:
        """`summary.json` (see `docs/results.md` and `report/schemas/summary.schema.json`)."""
        measured = {name: self._distributions[name] for name in metrics.METRICS if self.samples(name)}
        clamped = sum(distribution.clamped for distribution in self._distributions.values())
        counters = {name: self._counts[name] for name in metrics.COUNTERS}
        counters[metrics.SAMPLES_CLAMPED] += clamped
        return {
            "counts": {name: self._counts[name] for name in metrics.SIMULATION_COUNTS},
            "errors": dict(self._errors),
            "error_examples": dict(self._examples),
            "counters": counters,
            "metrics": {name: distribution.summary() for name, distribution in measured.items()},
            "agents": {name: tally.summary() for name, tally in self._agents.items()},
            "thresholds": [],
            "generator": verdict(self.evidence()),
            "notes": list(self.notes),
        }

    def merge(self, summary: Mapping[str, Any]) -> None:
        """Add what another process measured, given as its `summary()`.

        Error handling: ValueError where a histogram has another range than ours.
        """
        for name, entry in summary["metrics"].items():
            self._distribution(name).merge(entry)
        for name, amount in (*summary["counts"].items(), *summary["counters"].items()):
            self._counts[name] += amount
        for kind, amount in summary["errors"].items():
            self._errors[kind] = self._errors.get(kind, 0) + amount
        for name, tally in summary["agents"].items():
            self.agent(name).merge(tally)
        self._examples = dict(summary["error_examples"]) | self._examples
        for sentence in summary["notes"]:
            self.note(sentence)
        self.vitals.merge(summary["generator"])
