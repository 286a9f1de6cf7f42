"""What the rows of `simulations.jsonl` say, in a few bytes for each simulation: a week of soak has millions."""

from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs

from coval_load.engine import metrics
from coval_load.engine.labels import Labels
from coval_load.engine.outcome import ErrorKind
from coval_load.engine.results import Results
from coval_load.engine.tally import Account

_PAGE = 4096
_CHECKS = (metrics.CHECKS_PASSED, metrics.CHECKS_FAILED)
_STATUSES = (metrics.COMPLETED, metrics.FAILED, metrics.CANCELLED)
_AT_THE_END = frozenset({metrics.SIMULATION_TIME, metrics.scheduled(metrics.SIMULATION_TIME)})
"""Of what stands once in a row, all else is measured before the conversation."""


@attrs.frozen
class _Ending:
    """How simulations went that are alike in all that is counted."""

    account: Account
    status: str
    kind: str | None
    started: bool


@attrs.define
class Settled:
    """Counts simulations by their last row, and adds what those measured that ended after `timeline_until_s`.

    A simulation is known by its scenario and its number; a row without them is one of its own. Where one has several
    rows, as in a run that was resumed, only the last is counted.
    """

    _results: Results
    _timeline_until_s: float
    """Up to here, in seconds since the start of the run, measurements are in the timeline."""
    rows: int = attrs.field(default=0, init=False)
    last_s: float = attrs.field(default=0.0, init=False)
    """When the last simulation ended."""
    examples: dict[str, str] = attrs.field(factory=dict, init=False)
    """The first message of each kind of error."""
    _endings: list[_Ending] = attrs.field(factory=list, init=False)
    _codes: dict[tuple[int, str, str | None, bool], int] = attrs.field(factory=dict, init=False)
    # One code, from 1, for each number: 4 bytes a simulation, in pages, as numbers need not begin at 0.
    _pages: dict[tuple[str, int], "array[int]"] = attrs.field(factory=dict, init=False)
    _unnumbered: Counter[int] = attrs.field(factory=Counter, init=False)
    _done_again: Counter[int] = attrs.field(factory=Counter, init=False)

    def __attrs_post_init__(self) -> None:
        for tally in self._results.tallies():
            tally.counts.update(dict.fromkeys(_CHECKS, 0))  # rows have all of them

    def add(self, row: Mapping[str, Any]) -> None:
        """Take in one row; ValueError, KeyError or TypeError where it is none."""
        status, error = row["outcome"], row["error"]
        if status not in _STATUSES:
            raise ValueError(f"expected an outcome of {', '.join(_STATUSES)}; got {status!r}")
        kind = None if error is None else str(ErrorKind(error["kind"]))
        if (kind is not None) != (status == metrics.FAILED):
            raise ValueError(f"expected an error where the outcome is failed, and none elsewhere; got {status!r}")
        labels = Labels(*(_text(row.get(name)) for name in ("scenario", "agent", "test_case", "persona")))
        account = self._results.account(labels)
        ended_s, started_s = _seconds(row["ended_at"]), row["started_at"]
        if ended_s > self._timeline_until_s:
            for name, value in self._measured_late(row, None if started_s is None else _seconds(started_s)):
                account.record(name, value)
        if kind is not None:
            self.examples.setdefault(kind, str(error["message"]))
        self._add_checks(row, account)
        self._keep(row, _Ending(account, status, kind, started_s is not None))
        self.rows += 1
        self.last_s = max(self.last_s, ended_s)

    def _add_checks(self, row: Mapping[str, Any], account: Account) -> None:
        for check in row.get("checks") or ():
            passed, message = bool(check["passed"]), check.get("message")
            account.count(metrics.CHECKS_PASSED if passed else metrics.CHECKS_FAILED)
            self._results.checks.add(_text(row.get("test_case")), str(check["name"]), passed, message)

    def _keep(self, row: Mapping[str, Any], ending: _Ending) -> None:
        # By identity: simulations with the same labels share an account.
        key = (id(ending.account), ending.status, ending.kind, ending.started)
        code = self._codes.get(key)
        if code is None:
            self._endings.append(ending)
            code = self._codes[key] = len(self._endings)
        number = row.get("number")
        if not isinstance(number, int):
            self._unnumbered[code] += 1
            return
        where = (_text(row.get("scenario")), number // _PAGE)
        page = self._pages.get(where)
        if page is None:
            page = self._pages[where] = array("I", bytes(_PAGE * array("I").itemsize))
        if page[number % _PAGE]:
            self._done_again[page[number % _PAGE]] += 1
        page[number % _PAGE] = code

    def _measured_late(self, row: Mapping[str, Any], started_s: float | None) -> Iterator[tuple[str, float]]:
        """What no row of the timeline has: of a simulation that had begun before only what was measured since."""
        whole = started_s is None or started_s > self._timeline_until_s
        yield from _known(row["metrics"], lambda name: whole or name in _AT_THE_END)
        for turn in row["transcript"]:
            # Most of a turn is measured as it begins to be heard.
            if whole or _seconds(turn["start"]) > self._timeline_until_s:
                yield from _known(turn.get("metrics", {}), lambda _: True)

    def count(self) -> None:
        """Put the counts of the rows in the place of those that the results have from the timeline."""
        for tally in self._results.tallies():
            tally.counts.update(dict.fromkeys((*_STATUSES, metrics.NEVER_STARTED), 0))
            tally.errors.clear()
        self._take_back_what_was_done_again()
        times = self._unnumbered.copy()
        for page in self._pages.values():
            times.update(code for code in page if code)
        seen: dict[int, dict[str, int]] = {}
        for code, amount in times.items():
            ending = self._endings[code - 1]
            for tally in ending.account.tallies:
                tally.counts[ending.status] += amount
                if ending.kind is not None:
                    tally.errors[ending.kind] = tally.errors.get(ending.kind, 0) + amount
                least = seen.setdefault(id(tally), {})
                for name in (metrics.OFFERED, metrics.STARTED if ending.started else metrics.NEVER_STARTED):
                    least[name] = least.get(name, 0) + amount
        for tally in self._results.tallies():
            # The timeline may know more, which had begun and were never over, or less, which came after its last row.
            for name, amount in seen.get(id(tally), {}).items():
                tally.counts[name] = max(tally.counts[name], amount)

    def _take_back_what_was_done_again(self) -> None:
        for code, amount in self._done_again.items():
            ending = self._endings[code - 1]
            for tally in ending.account.tallies:
                for name in (metrics.OFFERED, *((metrics.STARTED,) if ending.started else ())):
                    tally.counts[name] -= amount

    @property
    def simulations(self) -> int:
        """How many there are, each once."""
        return self._unnumbered.total() + sum(1 for page in self._pages.values() for code in page if code)


def _known(measured: Mapping[str, Any], wanted: Callable[[str], bool]) -> Iterator[tuple[str, float]]:
    for name, value in measured.items():
        if name in metrics.METRICS and wanted(name):
            yield name, _seconds(value)


def _seconds(value: Any) -> float:
    if not isinstance(value, int | float):
        raise TypeError(f"expected seconds; got {value!r}")
    return float(value)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
