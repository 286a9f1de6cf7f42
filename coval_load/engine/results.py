"""What a run has measured so far: histograms and counts of fixed size, mergeable across processes."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import attrs

from coval_load.engine import metrics
from coval_load.engine.check_tally import CheckTally
from coval_load.engine.evidence import Evidence
from coval_load.engine.labels import Labels, Selector
from coval_load.engine.lapses import Lapses
from coval_load.engine.outcome import ErrorKind, Failure, Outcome
from coval_load.engine.tally import Account, Tally
from coval_load.engine.verdict import verdict, verdict_over
from coval_load.engine.vitals import Vitals
from coval_load.engine.worker_health import WorkerHealth, joined_notes, lost_notes

_KEPT_OF_EACH = frozenset({metrics.RESPONSE_LATENCY})
"""What is measured of each agent and of each scenario, beside their simulations and errors."""


def _as_it_is(value: Any) -> Any:
    return value


@attrs.define
class Results:
    """Counts and durations of one run. Not safe to share between threads.

    A simulation adds to its `account`; what is the generator's own is added here. `clean` masks secrets; the
    example messages of errors go through it.

    Error handling: a metric or counter that `engine/metrics.py` does not list is a KeyError; a value is
    never refused (see `Distribution.record`).
    """

    clean: Callable[[Any], Any] = _as_it_is
    vitals: Vitals = attrs.field(factory=Vitals, init=False)
    """How the generator itself fares; `watch_generator` keeps it up to date."""
    lapses: Lapses = attrs.field(factory=Lapses, init=False)
    """When it lagged; whoever keeps the timeline keeps this up to date."""
    notes: list[str] = attrs.field(factory=list, init=False)
    """What a reader of the summary should know, each a sentence; see `note`."""
    whole: Tally = attrs.field(factory=Tally, init=False)
    agents: dict[str, Tally] = attrs.field(factory=dict, init=False)
    scenarios: dict[str, Tally] = attrs.field(factory=dict, init=False)
    selections: dict[Selector, Tally] = attrs.field(factory=dict, init=False)
    """Simulations that thresholds ask about; see `select`."""
    checks: CheckTally = attrs.field(init=False)
    """How the checks of test cases came out."""
    frame_lateness: Callable[[Sequence[float]], None] = attrs.field(init=False)
    """Records each `send_lateness` in seconds: called a thousand times a second, so it is one function call deep."""
    latest_failures: dict[str, Failure] = attrs.field(factory=dict, init=False)
    """The latest failure of each kind, its message not masked."""
    workers: list[WorkerHealth] = attrs.field(factory=list, init=False)
    """Every process of a run over several, the coordinator included, as they fare by now; empty in a run of one."""
    takes_over: bool = attrs.field(default=False, init=False)
    """Whether the others take the share of a worker that is lost."""
    changes: list[dict[str, Any]] = attrs.field(factory=list, init=False)
    """What was changed of the load while the run went on: `at` (seconds), `scenario`, `before`, `concurrency`."""
    _examples: dict[str, str] = attrs.field(factory=dict, init=False)
    _accounts: dict[Labels, Account] = attrs.field(factory=dict, init=False)
    _by_labels: dict[Labels, Account] = attrs.field(factory=dict, init=False)
    """The same, by all labels of a plan's test cases and personas."""

    @checks.default
    def _no_checks(self) -> CheckTally:
        return CheckTally(self.clean)

    @frame_lateness.default
    def _record_lateness(self) -> Callable[[Sequence[float]], None]:
        return self.whole.distribution(metrics.SEND_LATENESS).record_many

    def select(self, selector: Selector, names: Iterable[str]) -> None:
        """Keep the metrics and counters `names` of the simulations that `selector` selects; before the first one."""
        known = self.selections.get(selector)
        kept = frozenset(names) | (known.keeps or frozenset() if known else frozenset())
        self.selections[selector] = Tally(kept)

    def name_of(self, selector: Selector) -> str:
        """What `selector` is called where people may read it."""
        return str(self.clean(str(selector)))

    def tally_of_agent(self, name: str) -> Tally:
        """What is measured of the agent with this name, which may have its secrets masked."""
        return _of(self.agents, name, self.clean)

    def tally_of_scenario(self, name: str) -> Tally:
        """What is measured of the scenario with this name, which may have its secrets masked."""
        return _of(self.scenarios, name, self.clean)

    def account(self, labels: Labels) -> Account:
        """Where a simulation with `labels` adds what it measures."""
        known = self._by_labels.get(labels)
        if known is None:
            known = self._by_labels[labels] = self._account_of(labels)
        return known

    def _account_of(self, labels: Labels) -> Account:
        asked = {name for selector in self.selections for name, _ in selector.wanted} | {"scenario", "agent"}
        # Labels that nothing asks about are left out, so that there are few accounts however many test cases.
        told = Labels(**{name: value for name, value in attrs.asdict(labels).items() if name in asked})
        account = self._accounts.get(told)
        if account is None:
            selected = (tally for selector, tally in self.selections.items() if selector.selects(labels))
            each = (self.tally_of_agent(labels.agent), self.tally_of_scenario(labels.scenario))
            account = self._accounts[told] = Account((self.whole, *each, *selected))
        return account

    def record(self, metric: str, seconds: float) -> None:
        """Keep one value of `metric`."""
        self.whole.distribution(metric).record(seconds)

    def record_many(self, metric: str, seconds: Iterable[float]) -> None:
        """Keep several values of `metric`."""
        self.whole.distribution(metric).record_many(seconds)

    def count(self, counter: str, amount: int = 1) -> None:
        """Add to a counter of `metrics.COUNTERS`, or to a count of simulations."""
        self.whole.counts[counter] += amount

    def finished(self, outcome: Outcome, account: Account | None = None) -> None:
        """Count a simulation that ended, and keep the message of the first error of each kind."""
        (account or self.whole).finished(outcome)
        if outcome.error is None:
            return
        kind = str(outcome.error.kind)
        self.latest_failures[kind] = outcome.error
        if kind not in self._examples:
            self._examples[kind] = str(self.clean(outcome.error.message))

    def note(self, sentence: str) -> None:
        """Keep a sentence for the reader of the summary; the same one is kept once."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    def tallies(self) -> Iterable[Tally]:
        """Every tally there is."""
        return (self.whole, *self.agents.values(), *self.scenarios.values(), *self.selections.values())

    def roll(self) -> None:
        """Count what has gathered. Called each second: it bounds the memory that gathering takes."""
        for tally in self.tallies():
            tally.settle()

    def counted(self, counter: str) -> int:
        """How much a counter, or one of the counts of simulations, stands at."""
        return self.whole.counts[counter]

    def percentile(self, metric: str, percent: float) -> float | None:
        """A percentile of `metric` in seconds over the run so far; None where nothing was recorded."""
        return self.whole.percentile(metric, percent)

    def samples(self, metric: str) -> int:
        """How many values of `metric` were recorded."""
        return self.whole.samples(metric)

    def evidence(self) -> Evidence:
        """What the verdict on the generator is judged by."""
        counts = self.whole.counts
        return Evidence(
            vitals=self.vitals,
            lapses=self.lapses,
            loop_lag_samples=self.samples(metrics.LOOP_LAG),
            loop_lag_p99_s=self.percentile(metrics.LOOP_LAG, 99),
            loop_lag_max_s=self.percentile(metrics.LOOP_LAG, 100),
            send_lateness_samples=self.samples(metrics.SEND_LATENESS),
            send_lateness_p99_s=self.percentile(metrics.SEND_LATENESS, 99),
            start_lateness_samples=self.samples(metrics.START_LATENESS),
            start_lateness_p99_s=self.percentile(metrics.START_LATENESS, 99),
            gc_pause_samples=self.samples(metrics.GC_PAUSE),
            gc_pause_p99_s=self.percentile(metrics.GC_PAUSE, 99),
            gc_pause_max_s=self.percentile(metrics.GC_PAUSE, 100),
            frames_sent=counts[metrics.FRAMES_SENT],
            frames_skipped=counts[metrics.FRAMES_SKIPPED],
            offered=counts[metrics.OFFERED],
            started=counts[metrics.STARTED],
            dropped=counts[metrics.DROPPED],
            never_started=counts[metrics.NEVER_STARTED],
            rows_lost=counts[metrics.ROWS_LOST],
            internal_errors=self.whole.errors.get(ErrorKind.INTERNAL, 0),
            lost_with_workers=self.whole.errors.get(ErrorKind.WORKER_LOST, 0),
        )

    def judged(self) -> dict[str, Any]:
        """`generator` of the summary: whether the run can be trusted by now, and why not."""
        if not self.workers:
            return verdict(self.evidence())
        # Why one was lost may be the words of an exception.
        workers = [attrs.evolve(one, lost=self.clean(one.lost)) if one.lost else one for one in self.workers]
        return verdict_over(self.evidence(), workers, self.takes_over)

    def summary(self) -> dict[str, Any]:
        """`summary.json` (see `docs/results.md` and `report/schemas/summary.schema.json`)."""
        whole = self.whole.summary()
        return {
            "counts": whole["counts"],
            "errors": whole["errors"],
            "error_examples": dict(self._examples),
            "counters": whole["counters"],
            "metrics": whole["metrics"],
            "agents": {self.clean(name): _of_each(tally.summary()) for name, tally in self.agents.items()},
            "scenarios": {self.clean(name): _of_each(tally.summary()) for name, tally in self.scenarios.items()},
            "selections": {self.name_of(selector): tally.summary() for selector, tally in self.selections.items()},
            "checks": self.checks.summary(),
            "thresholds": [],
            "generator": self.judged(),
            "changes": list(self.changes),
            "notes": [*self.notes, *joined_notes(self.workers)],
        }

    def merge(self, summary: Mapping[str, Any]) -> None:
        """Add what another process measured, given as its `summary()`.

        Selections that are not asked for here are left out; of workers those that were lost are noted. Error handling:
        ValueError where a histogram has another range than ours.
        """
        self.whole.merge(summary)
        for tallies, entries in ((self.agents, summary["agents"]), (self.scenarios, summary["scenarios"])):
            for name, entry in entries.items():
                _of(tallies, name, self.clean).merge(_as_tally(entry))
        known = {self.name_of(selector): tally for selector, tally in self.selections.items()}
        for name, entry in summary["selections"].items():
            if name in known:
                known[name].merge(entry)
        self._examples = dict(summary["error_examples"]) | self._examples
        for sentence in (*summary["notes"], *lost_notes(summary["generator"].get("workers", ()))):
            self.note(sentence)
        self.changes = sorted([*summary.get("changes", []), *self.changes], key=lambda change: float(change["at"]))
        self.checks.merge(summary.get("checks", []))
        self.vitals.merge(summary["generator"])
        self.lapses.merge(summary["generator"])


def _of(tallies: dict[str, Tally], name: str, clean: Callable[[Any], Any]) -> Tally:
    if name in tallies:
        return tallies[name]
    # What another process tells of, and what an earlier one left, has names with secrets masked.
    masked = clean(name)
    for known, tally in tallies.items():
        if clean(known) == masked:
            return tally
    return tallies.setdefault(name, Tally(_KEPT_OF_EACH))


def _of_each(entry: Mapping[str, Any]) -> dict[str, Any]:
    """One entry of `agents` or `scenarios`; `response_latency` is null where none was measured."""
    measured = entry["metrics"].get(metrics.RESPONSE_LATENCY)
    return {"counts": entry["counts"], "errors": entry["errors"], metrics.RESPONSE_LATENCY: measured}


def _as_tally(entry: Mapping[str, Any]) -> dict[str, Any]:
    latency = entry[metrics.RESPONSE_LATENCY]
    measured = {} if latency is None else {metrics.RESPONSE_LATENCY: latency}
    return {"counts": entry["counts"], "errors": entry["errors"], "counters": {}, "metrics": measured}
