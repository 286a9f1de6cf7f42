"""What one process added to a run's results since it was looked at last, and how another adds it to its own.

What is told of is measured where the simulations are: metrics, counters, checks and notes. How many simulations there
were and how they ended is counted where they are started, and no part of it.

A body holds dicts, lists, texts, numbers and bytes, nothing where nothing was added:

- `tallies`: a list for each, `[kind, name, counters, metrics]`. `kind` is one of `KINDS`; the name is empty for the
  whole run, and has its secrets masked otherwise. `counters` has amounts by name, `metrics` lists by name, `[buckets,
  counts, sum_us, min_us, max_us, clamped]` (see `Sparse`): buckets as little-endian integers of two bytes, which
  ascend, and how many values each got as integers of one, two, four or eight bytes, whatever the largest takes.
- `checks`: rows of `CheckTally.look`.
- `notes`: sentences.
"""

from collections.abc import Generator, Iterator
from typing import Any

import attrs
import numpy as np

from coval_load.engine import metrics
from coval_load.engine.check_tally import SeenChecks
from coval_load.engine.distribution import Sparse
from coval_load.engine.ledger import Ledger, Ledgers
from coval_load.engine.results import Results
from coval_load.engine.tally import Tally

WHOLE, AGENT, SCENARIO, SELECTION = KINDS = ("whole", "agent", "scenario", "selection")
"""What a tally can be of."""

_WIDTHS = (1, 2, 4, 8)
_BUCKET_BYTES = 2


@attrs.define
class Additions:
    """Looks at `results`, again and again; the first look finds all that they hold.

    What a look found is found by no other one, so what it gives must not be lost; looks may overlap.
    """

    _results: Results
    _ledgers: Ledgers = attrs.field(init=False)
    _checks: SeenChecks = attrs.field(factory=SeenChecks, init=False)
    _notes: int = attrs.field(default=0, init=False)

    @_ledgers.default
    def _nothing_seen(self) -> Ledgers:
        return Ledgers(self._results)

    def take(self) -> dict[str, Any]:
        """A body of all that was added since the last look; takes some 30 us for each metric."""
        steps = self.steps()
        while True:
            try:
                next(steps)
            except StopIteration as over:
                return dict(over.value)

    def steps(self) -> Generator[None, None, dict[str, Any]]:
        """The same, with pauses in which the loop may have its turn; to be run to its end.

        Counts are all taken at one instant, before the first pause. What is measured during one may stand in this
        body or in the next one, and never in both.
        """
        found = {"checks": self._results.checks.look(self._checks), "notes": self._noted()}
        counted = [(kind, name, ledger, _counters(ledger)) for kind, name, ledger in self._each()]
        tallies = []
        for kind, name, ledger, counters in counted:
            measured = {}
            for metric, values in ledger.measured():
                measured[metric] = _packed(values)
                yield
            if counters or measured:
                tallies.append([kind, name, counters, measured])
        return {part: held for part, held in {"tallies": tallies, **found}.items() if held}

    def _each(self) -> Iterator[tuple[str, str, Ledger]]:
        yield WHOLE, "", self._ledgers.whole()
        yield from ((AGENT, *named) for named in self._ledgers.agents())
        yield from ((SCENARIO, *named) for named in self._ledgers.scenarios())
        yield from ((SELECTION, *named) for named in self._ledgers.selections())

    def _noted(self) -> list[str]:
        new = self._results.notes[self._notes :]
        self._notes += len(new)
        return [str(self._results.clean(note)) for note in new]


def _counters(ledger: Ledger) -> dict[str, int]:
    added, _ = ledger.counted()
    return {name: amount for name in metrics.COUNTERS if (amount := added.get(name, 0))}


def _packed(values: Sparse) -> list[Any]:
    largest = int(values.counts.max()) if len(values.counts) else 0
    width = next(width for width in _WIDTHS if not largest >> 8 * width)
    buckets, counts = values.buckets.astype(f"<u{_BUCKET_BYTES}"), values.counts.astype(f"<u{width}")
    return [buckets.tobytes(), counts.tobytes(), values.sum_us, values.min_us, values.max_us, values.clamped]


def _unpacked(packed: Any) -> Sparse:
    buckets, counts, sum_us, min_us, max_us, clamped = packed
    found = np.frombuffer(buckets, dtype=f"<u{_BUCKET_BYTES}")
    width = len(counts) // len(found) if len(found) else 1
    if width not in _WIDTHS:
        raise ValueError(f"expected a count of {_WIDTHS} bytes for each bucket, got {width}")
    values = Sparse(
        found, np.frombuffer(counts, dtype=f"<u{width}"), float(sum_us), *map(int, (min_us, max_us, clamped))
    )
    values.check()
    return values


@attrs.define
class Adding:
    """Adds what other processes measured to `results`; works out only once what tally a name stands for."""

    _results: Results
    _known: dict[tuple[str, str], Tally] = attrs.field(factory=dict, init=False)

    def add(self, body: Any) -> None:
        """Add one body of an `Additions`; what no selection here asks for is left out.

        Agents and scenarios are the ones whose masked name it is. Error handling: ValueError for what is no body of
        this release, and then nothing of it was added.
        """
        try:
            tallies = [_More.of(told) for told in body.get("tallies", ())]
            checks, notes = _checks(body.get("checks", ())), _notes(body.get("notes", ()))
        except (LookupError, TypeError, AttributeError, OverflowError, ValueError) as error:
            raise ValueError(
                f"expected what another process of the same release measured; got something else: {error!r:.200}"
            ) from error
        for more in tallies:
            tally = self._tally(more.kind, more.name)
            if tally is not None:
                _add(tally, more)
        self._results.checks.merge(checks)
        for note in notes:
            self._results.note(note)

    def _tally(self, kind: str, name: str) -> Tally | None:
        tally = self._known.get((kind, name))
        if tally is None:
            tally = self._found(kind, name)
        if tally is not None:
            self._known[kind, name] = tally
        return tally

    def _found(self, kind: str, name: str) -> Tally | None:
        results = self._results
        if kind == WHOLE:
            return results.whole
        if kind == AGENT:
            return results.tally_of_agent(name)
        if kind == SCENARIO:
            return results.tally_of_scenario(name)
        named = (tally for selector, tally in results.selections.items() if results.name_of(selector) == name)
        return next(named, None)


def merge_added(results: Results, body: Any) -> None:
    """Add one body to `results`; see `Adding.add`, which is faster for many."""
    Adding(results).add(body)


def _add(tally: Tally, more: "_More") -> None:
    for name, amount in more.counters.items():
        if tally.keeps_track_of(name):
            tally.counts[name] += amount
    for name, values in more.metrics.items():
        if tally.keeps_track_of(name):
            tally.distribution(name).add(values)


@attrs.frozen
class _More:
    """What came to one tally, read and checked."""

    kind: str
    name: str
    counters: dict[str, int]
    metrics: dict[str, Sparse]

    @classmethod
    def of(cls, told: Any) -> "_More":
        kind, name, counters, measured = told
        _expect(kind in KINDS and isinstance(name, str), "the name of a tally", (kind, name))
        for counter, amount in counters.items():
            _expect(counter in metrics.COUNTERS and _is_amount(amount), "an amount of a counter", (counter, amount))
        for metric in measured:
            _expect(metric in metrics.METRICS, "a metric", metric)
        return cls(kind, name, counters, {metric: _unpacked(packed) for metric, packed in measured.items()})


def _checks(rows: Any) -> list[dict[str, Any]]:
    for row in rows:
        texts, counts = (row["test_case"], row["check"]), (row["passed"], row["failed"])
        example = row["example"]
        fits = all(isinstance(text, str) for text in texts) and (example is None or isinstance(example, str))
        _expect(fits and all(map(_is_amount, counts)), "how often a check passed and failed", row)
    return list(rows)


def _notes(notes: Any) -> list[str]:
    _expect(all(isinstance(note, str) for note in notes), "notes", notes)
    return list(notes)


def _is_amount(value: Any) -> bool:
    return isinstance(value, int) and value >= 0


def _expect(fits: bool, what: str, got: Any) -> None:
    if not fits:
        raise ValueError(f"expected {what}, got {got!r:.100}")
