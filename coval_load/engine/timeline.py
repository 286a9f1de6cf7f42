"""`timeline.jsonl`: what each interval of a run added, so that a run that is killed leaves its measurements too."""

import math
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any

import attrs
import trio

from coval_load.engine import metrics
from coval_load.engine.distribution import Distribution
from coval_load.engine.evidence import Evidence
from coval_load.engine.ledger import Ledger, Ledgers
from coval_load.engine.results import Results
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


@attrs.define
class _Added:
    counts: dict[str, int]
    errors: dict[str, int]
    metrics: dict[str, Any] = attrs.field(factory=dict)

    def __bool__(self) -> bool:
        return bool(self.errors or self.metrics or any(self.counts.values()))

    def of_simulations(self) -> dict[str, int]:
        return {name: self.counts[name] for name in metrics.SIMULATION_COUNTS}

    def kept_counters(self, ledger: Ledger) -> dict[str, int]:
        return {name: self.counts[name] for name in metrics.COUNTERS if ledger.tally.keeps_track_of(name)}


@attrs.define
class _Look:
    """All tallies of a run, and where each stood at `at`, in seconds since the start."""

    _results: Results
    at: float
    _ledgers: Ledgers = attrs.field(init=False)
    _scratch: Distribution = attrs.field(factory=Distribution, init=False)
    _vitals: Vitals = attrs.field(init=False)
    _changes: int = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._vitals = attrs.evolve(self._results.vitals)
        self._changes = len(self._results.changes)
        self._ledgers = Ledgers(self._results)
        self._ledgers.start()

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
        ledgers = self._ledgers
        (whole,), agents, scenarios, selections = (
            [(name, ledger, _Added(*ledger.counted())) for name, ledger in named]
            for named in ([("", ledgers.whole())], ledgers.agents(), ledgers.scenarios(), ledgers.selections())
        )
        for _, ledger, added in (whole, *agents, *scenarios, *selections):
            yield from self._measured(ledger, added)
        _, ledger, added = whole
        counters = {name: amount for name, amount in added.kept_counters(ledger).items() if amount}
        row |= {"counts": added.of_simulations(), "errors": added.errors, "counters": counters}
        row["metrics"] = added.metrics
        row["agents"] = {name: _of_each(added) for name, _, added in agents if added}
        row["scenarios"] = {name: _of_each(added) for name, _, added in scenarios if added}
        row["selections"] = {name: _of_selection(ledger, added) for name, ledger, added in selections if added}
        return row | {"generator": generator}

    def _measured(self, ledger: Ledger, added: _Added) -> Iterator[None]:
        """Puts the metrics into `added`, with a pause after each that took its time."""
        for name, new in ledger.measured():
            added.counts[metrics.SAMPLES_CLAMPED] += new.clamped
            if new.count:
                self._scratch.clear()
                self._scratch.add(new)
                yield
                added.metrics[name] = self._scratch.summary()
            yield

    def _changed(self) -> dict[str, Any]:
        changes = self._results.changes[self._changes :]
        self._changes += len(changes)
        return {"changes": changes} if changes else {}

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


def _of_selection(ledger: Ledger, added: _Added) -> dict[str, Any]:
    return {
        "counts": added.of_simulations(),
        "errors": added.errors,
        "counters": added.kept_counters(ledger),
        "metrics": added.metrics,
    }
