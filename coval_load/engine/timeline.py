"""`timeline.jsonl`: what each interval of a run added, so that a run that is killed leaves its measurements too."""

import math
from collections.abc import Callable, Generator, Iterable, Mapping
from typing import Any

import attrs
import trio

from coval_load.engine import metrics
from coval_load.engine.distribution import Distribution, Mark
from coval_load.engine.evidence import Evidence
from coval_load.engine.results import Results
from coval_load.engine.tally import Tally
from coval_load.engine.verdict import verdict
from coval_load.engine.vitals import Vitals

EVERY_S = 10.0
_SHORTEST_S = 1e-6

_AT_WORST = (
    "busiest_cpu_share",
    "max_rss_bytes",
    "descriptors_most",
    "descriptors_limit",
    "ports_most",
    "ports_limit",
)
"""Of the generator's figures those that say how it stood since the start of the run, not in the interval."""

Write = Callable[[dict[str, Any]], object]
Gauge = Callable[[], tuple[int, int]]


async def keep_timeline(
    results: Results,
    write: Write,
    gauge: Gauge,
    every_s: float = EVERY_S,
    *,
    origin: float,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Write a row of what was added to `results` each `every_s` seconds until cancelled, and one of the rest then.

    `gauge()` gives how many simulations run and how many are queued now. Rows are due at whole multiples of
    `every_s` since `origin`, the start of the run on the Trio clock; a due time that a stall let pass is left out,
    and its interval is part of the next row. Rows say what was added since the task was started (`nursery.start`),
    not what `results` held before.

    The loop gets a turn after each metric, as diffing and encoding one takes some 300 us. What is recorded meanwhile
    may stand in this row or in the next one, and never in both. A row that was begun is finished before the
    cancellation is heeded.
    """
    look = _Look(results, trio.current_time() - origin)
    task_status.started()
    due = 0
    try:
        while True:
            passed = math.floor((trio.current_time() - origin) / every_s)
            due = max(passed, due) + 1
            if origin + due * every_s - trio.current_time() < _SHORTEST_S:  # now, but for rounding
                due += 1
            await trio.sleep_until(origin + due * every_s)
            with trio.CancelScope(shield=True):
                write(await look.row(trio.current_time() - origin, gauge()))
    finally:
        at = trio.current_time() - origin
        if at - look.at >= _SHORTEST_S:
            with trio.CancelScope(shield=True):
                write(await look.row(at, gauge()))


def begin_interval(results: Results, at: float) -> Callable[[float, tuple[int, int]], dict[str, Any]]:
    """From `at` on, in seconds of the run, look at what is added to `results`.

    The function returned makes one row of it, given the end of the interval and what `gauge()` would give. It takes
    as long as it takes: for when no simulations run.
    """
    look = _Look(results, at)

    def end(at: float, gauged: tuple[int, int]) -> dict[str, Any]:
        steps = look.steps(at, gauged)
        while True:
            try:
                next(steps)
            except StopIteration as over:
                return dict(over.value)

    return end


def merge_interval(results: Results, row: Mapping[str, Any]) -> None:
    """Add one row of `timeline.jsonl`. Selections that `results` does not keep are left out.

    Error handling: KeyError, TypeError or ValueError where it is no such row.
    """
    generator = row["generator"]
    # `Results.merge` takes the worse of two processes; what is in seconds must add up, and is left out of it.
    worst = verdict(Evidence()) | {name: generator[name] for name in _AT_WORST}
    results.merge({**row, "error_examples": {}, "notes": [], "generator": worst})
    results.lapses.add(row)
    vitals = results.vitals
    vitals.watched_s += generator["watched_s"]
    vitals.cpu_s += generator["cpu_s"]
    vitals.gc_s += generator["gc_s"]
    vitals.cpu_wait_s = _sum(vitals.cpu_wait_s, generator["cpu_wait_s"])
    vitals.throttled_s = _sum(vitals.throttled_s, generator["throttled_s"])
    vitals.rss_bytes = generator["rss_bytes"]


def _sum(one: float | None, other: float | None) -> float | None:
    return one if other is None else (one or 0.0) + other


@attrs.frozen
class _Seen:
    count: int
    clamped: int
    mark: Mark | None


_UNSEEN = _Seen(0, 0, None)


@attrs.define
class _Ledger:
    """What a tally held when it was looked at last: counts, and one mark for each metric."""

    _tally: Tally
    _scratch: Distribution
    _counts: dict[str, int] = attrs.field(factory=dict, init=False)
    _errors: dict[str, int] = attrs.field(factory=dict, init=False)
    _seen: dict[str, _Seen] = attrs.field(factory=dict, init=False)

    def start(self) -> None:
        """From here on counts what is added."""
        self._counts, self._errors = dict(self._tally.counts), dict(self._tally.errors)
        for name, distribution in self._tally.distributions.items():
            self._seen[name] = _Seen(distribution.count, distribution.clamped, distribution.mark())

    def counted(self) -> "_Added":
        """What was counted since the last time, at this instant; `measured` adds the metrics to it."""
        counts, errors = dict(self._tally.counts), dict(self._tally.errors)
        # Rows can tell of fewer than an earlier process counted: nothing is taken back of what was written then.
        added = _Added(
            {name: max(0, amount - self._counts.get(name, 0)) for name, amount in counts.items()},
            {kind: more for kind, amount in errors.items() if (more := amount - self._errors.get(kind, 0)) > 0},
        )
        self._counts, self._errors = counts, errors
        return added

    def measured(self, added: "_Added") -> Iterable[None]:
        """Put the metrics into `added`, with a pause after each that took its time."""
        for name, distribution in list(self._tally.distributions.items()):
            interval = self._interval(name, distribution)
            if interval is None:
                continue
            added.counts[metrics.SAMPLES_CLAMPED] += interval.clamped
            if interval.count:
                yield
                added.metrics[name] = interval.summary()
            yield

    def _interval(self, name: str, distribution: Distribution) -> Distribution | None:
        """What is new in a distribution; between looking and marking nothing else runs, so that nothing is lost."""
        seen = self._seen.get(name, _UNSEEN)
        count = distribution.count
        if (count, distribution.clamped) == (seen.count, seen.clamped):
            return None
        interval = distribution.since(seen.mark, self._scratch)
        self._seen[name] = _Seen(count, distribution.clamped, distribution.mark())
        return interval

    def kept_counters(self, added: "_Added") -> dict[str, int]:
        return {name: added.counts[name] for name in metrics.COUNTERS if self._tally.keeps_track_of(name)}


@attrs.define
class _Added:
    counts: dict[str, int]
    errors: dict[str, int]
    metrics: dict[str, Any] = attrs.field(factory=dict)

    def __bool__(self) -> bool:
        return bool(self.errors or self.metrics or any(self.counts.values()))

    def of_simulations(self) -> dict[str, int]:
        return {name: self.counts[name] for name in metrics.SIMULATION_COUNTS}


@attrs.define
class _Look:
    """All tallies of a run, and where each stood at `at`, in seconds since the start."""

    _results: Results
    at: float
    _ledgers: dict[int, _Ledger] = attrs.field(factory=dict, init=False)
    _scratch: Distribution = attrs.field(factory=Distribution, init=False)
    _vitals: Vitals = attrs.field(init=False)
    _changes: int = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._vitals = attrs.evolve(self._results.vitals)
        self._changes = len(self._results.changes)
        for tally in self._results.tallies():
            self._ledger(tally).start()

    async def row(self, at: float, gauged: tuple[int, int]) -> dict[str, Any]:
        steps = self.steps(at, gauged)
        while True:
            try:
                next(steps)
            except StopIteration as over:
                return dict(over.value)
            await trio.lowlevel.checkpoint()

    def steps(self, at: float, gauged: tuple[int, int]) -> Generator[None, None, dict[str, Any]]:
        """Makes a row, with pauses in which the loop may have its turn."""
        running, queued = gauged
        row: dict[str, Any] = {"at": round(at, 6), "seconds": round(at - self.at, 6)}
        row |= {"running": running, "queued": queued}
        self.at = at
        row |= self._changed()
        generator = self._generator()
        # Counts are all taken at one instant, before the loop gets its first turn.
        (whole,), agents, scenarios, selections = (
            [(name, self._ledger(tally), self._ledger(tally).counted()) for name, tally in tallies]
            for tallies in self._all()
        )
        for _, ledger, added in (whole, *agents, *scenarios, *selections):
            yield from ledger.measured(added)
        _, ledger, added = whole
        counters = {name: amount for name, amount in ledger.kept_counters(added).items() if amount}
        row |= {"counts": added.of_simulations(), "errors": added.errors, "counters": counters}
        row["metrics"] = added.metrics
        row["agents"] = {name: _of_each(added) for name, _, added in agents if added}
        row["scenarios"] = {name: _of_each(added) for name, _, added in scenarios if added}
        row["selections"] = {name: _of_selection(ledger, added) for name, ledger, added in selections if added}
        return row | {"generator": generator}

    def _changed(self) -> dict[str, Any]:
        changes = self._results.changes[self._changes :]
        self._changes += len(changes)
        return {"changes": changes} if changes else {}

    def _all(self) -> Iterable[list[tuple[str, Tally]]]:
        results = self._results
        yield [("", results.whole)]
        yield [(results.clean(name), tally) for name, tally in results.agents.items()]
        yield [(results.clean(name), tally) for name, tally in results.scenarios.items()]
        yield [(results.name_of(selector), tally) for selector, tally in results.selections.items()]

    def _ledger(self, tally: Tally) -> _Ledger:
        # By identity: tallies compare by what they hold. Results never drops one, so an id stays its own.
        known = self._ledgers.get(id(tally))
        if known is None:
            known = self._ledgers[id(tally)] = _Ledger(tally, self._scratch)
        return known

    def _generator(self) -> dict[str, Any]:
        before, now = self._vitals, attrs.evolve(self._results.vitals)
        self._vitals = now
        cpu_s, watched_s = now.cpu_s - before.cpu_s, now.watched_s - before.watched_s
        return {
            "watched_s": round(watched_s, 6),
            "cpu_s": round(cpu_s, 6),
            "cpu_share": round(cpu_s / watched_s, 3) if watched_s > 0 else None,
            "busiest_cpu_share": round(now.busiest_cpu_share, 3),
            "cpu_wait_s": _grown(before.cpu_wait_s, now.cpu_wait_s),
            "throttled_s": _grown(before.throttled_s, now.throttled_s),
            "gc_s": round(now.gc_s - before.gc_s, 6),
            "rss_bytes": now.rss_bytes,
            "max_rss_bytes": now.max_rss_bytes,
            "descriptors_most": now.descriptors.most,
            "descriptors_limit": now.descriptors.limit,
            "ports_most": now.ports.most,
            "ports_limit": now.ports.limit,
        }


def _grown(before: float | None, now: float | None) -> float | None:
    return None if now is None else round(now - (before or 0.0), 6)


def _of_each(added: _Added) -> dict[str, Any]:
    latency = added.metrics.get(metrics.RESPONSE_LATENCY)
    return {"counts": added.of_simulations(), "errors": added.errors, metrics.RESPONSE_LATENCY: latency}


def _of_selection(ledger: _Ledger, added: _Added) -> dict[str, Any]:
    counters = ledger.kept_counters(added)
    return {
        "counts": added.of_simulations(),
        "errors": added.errors,
        "counters": counters,
        "metrics": added.metrics,
    }
