"""The summary of a run from its folder, also of one that was killed before it wrote any."""

import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import orjson

from coval_load.engine.drift import drift
from coval_load.engine.labels import Selector
from coval_load.engine.over_time import over_time
from coval_load.engine.results import Results
from coval_load.engine.run_folder import read_rows
from coval_load.engine.timeline import begin_interval, merge_interval
from coval_load.engine.trend_series import Series
from coval_load.faults import Fault, Faulty
from coval_load.report.settled import Settled
from coval_load.report.units import clock, many

_RUN_HAS = {"name": str, "plan": dict, "started": str}
_SUMMARY_HAS = {"counts": dict, "errors": dict, "counters": dict, "metrics": dict, "generator": dict, "notes": list}
_EVEN_FROM = 0.9
_UNREADABLE_ROW = (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError)


@attrs.frozen
class Recovered:
    """What `summary.json` and `run.json` hold, or would. `is_whole`: the run came to its end and wrote both; where it
    did not, `results` has all of `summary`, and `elapsed_s` is up to when it tells, in seconds of the run. `remainder`
    is what only rows of simulations tell, as a row of `timeline.jsonl` up to then; None where there is nothing.
    """

    summary: Mapping[str, Any]
    run: Mapping[str, Any]
    is_whole: bool
    results: Results | None = None
    elapsed_s: float = 0.0
    remainder: Mapping[str, Any] | None = None


def recover(
    folder: Path, begin: Callable[[Mapping[str, Any], Results], object] | None = None, *, anew: bool = False
) -> Recovered:
    """The results of the run in `folder`.

    Of a run that did not end, simulations, errors and their examples are counted from `simulations.jsonl`, each
    simulation by its last row; metrics and counters are those of `timeline.jsonl`, and what simulations measured after
    its last row is added from theirs. Counters of that last stretch are lost; measurements of some milliseconds
    around it may count twice. Files are read line by line, so that memory stays at some bytes for each simulation.

    `begin` gets `run.json` and the empty results, to select what thresholds ask about; it is called only where they
    are made from rows. `anew`: make them so also of a run that ended.

    Error handling: Faulty where `folder` has no run, or a file of it is missing or can't be read.
    """
    run = _json(folder / "run.json", _RUN_HAS)
    summary_file = folder / "summary.json"
    if not anew and run.get("ended") and summary_file.exists():
        return Recovered(_json(summary_file, _SUMMARY_HAS), run, is_whole=True)
    results = Results()
    if begin is not None:
        begin(run, results)
    summary, elapsed_s, remainder = _summary_of_rows(folder, results)
    return Recovered(summary, {"ended": None, "exit_code": None, **run}, False, results, elapsed_s, remainder)


@attrs.define
class _Plateau:
    """Between when the run first and last had almost as many simulations at once as it ever had.

    Only the plan would say when the load was meant to be even. Highest values from either side are all that is kept.
    """

    _rising: list[tuple[int, float]] = attrs.field(factory=list, init=False)
    _falling: list[tuple[int, float]] = attrs.field(factory=list, init=False)

    def add(self, running: int, at_s: float) -> None:
        if not self._rising or running > self._rising[-1][0]:
            self._rising.append((running, at_s))
        while self._falling and self._falling[-1][0] <= running:
            self._falling.pop()
        self._falling.append((running, at_s))

    def window(self) -> tuple[float, float]:
        if not self._rising:
            return 0.0, math.inf
        enough = _EVEN_FROM * self._rising[-1][0]
        begins = next(at_s for running, at_s in self._rising if running >= enough)
        return begins, next(at_s for running, at_s in reversed(self._falling) if running >= enough)


def _summary_of_rows(folder: Path, results: Results) -> tuple[dict[str, Any], float, dict[str, Any] | None]:
    series, plateau = Series(), _Plateau()
    timeline_until_s, gauged = _read_timeline(folder / "timeline.jsonl", results, series, plateau)
    end_interval = begin_interval(results, max(0.0, timeline_until_s))
    settled = Settled(results, timeline_until_s)
    path = folder / "simulations.jsonl"
    for number, row in enumerate(_rows(path), start=1):
        try:
            settled.add(row)
        except _UNREADABLE_ROW as error:
            raise Faulty([_no_row(path, number, error)]) from error
    settled.count()
    left = many(settled.simulations, "simulation")
    last = f", the last at {clock(settled.last_s)}" if settled.rows else ""
    results.note(f"made from what a run that did not end left: {left}{last}")
    summary = results.summary()
    begins, ends = plateau.window()
    drifted = drift(series, steady_from_s=begins, steady_until_s=ends)
    summary |= {"error_examples": settled.examples, "drift": drifted, "over_time": over_time(series)}
    until_s = max(settled.last_s, timeline_until_s)
    if until_s <= max(0.0, timeline_until_s):
        return summary, until_s, None
    if round(until_s, 6) < until_s:  # as the row will be rounded, and nothing may have ended after it
        until_s = round(until_s + 1e-6, 6)
    return summary, until_s, end_interval(until_s, gauged)


def _read_timeline(path: Path, results: Results, series: Series, plateau: _Plateau) -> tuple[float, tuple[int, int]]:
    """Add every interval; returns up to when they tell, and how many simulations ran and waited then.

    A run that was killed in its first moments has none.
    """
    until_s, gauged = -math.inf, (0, 0)
    if not path.exists():
        return until_s, gauged
    for number, row in enumerate(_rows(path), start=1):
        try:
            _keep_selections(row["selections"], results)
            merge_interval(results, row)
            series.add(row)
            plateau.add(int(row["running"]), float(row["at"]))
            until_s, gauged = max(until_s, float(row["at"])), (int(row["running"]), int(row["queued"]))
        except Exception as error:  # a histogram's decoder has many words for bytes that are none
            raise Faulty([_no_row(path, number, error)]) from error
    return until_s, gauged


def _keep_selections(selections: Mapping[str, Any], results: Results) -> None:
    known = {str(selector): tally for selector, tally in results.selections.items()}
    for name, entry in selections.items():
        kept = {*entry["metrics"], *entry["counters"]}
        if name in known:
            known[name].keeps = (known[name].keeps or frozenset()) | kept
        else:
            results.select(Selector.read(name), kept)


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    try:
        yield from read_rows(path)
    except OSError as error:
        raise Faulty([_unreadable(path, error.strerror or str(error))]) from error
    except ValueError as error:
        raise Faulty([Fault("", f"{error}: repair or remove that line")]) from error


def _json(path: Path, has: Mapping[str, type]) -> dict[str, Any]:
    try:
        found = orjson.loads(path.read_bytes())
    except OSError as error:
        raise Faulty([_unreadable(path, error.strerror or str(error))]) from error
    except orjson.JSONDecodeError as error:
        raise Faulty([_unreadable(path, f"no JSON: {error}")]) from error
    lacking = [
        name for name, kind in has.items() if not (isinstance(found, dict) and isinstance(found.get(name), kind))
    ]
    if lacking:
        raise Faulty([_unreadable(path, f"a file without {', '.join(lacking)}")])
    return dict(found)


def damaged(where: str, damage: Exception) -> Fault:
    """What to tell of a run whose `summary.json` or `run.json` is no such thing, as `damage` shows."""
    got = f"{type(damage).__name__}: {damage}"
    advice = "remove summary.json to have it made anew from the other files"
    return Fault("", f"expected summary.json and run.json as docs/results.md has them in {where}; got {got}: {advice}")


def _unreadable(path: Path, got: str) -> Fault:
    return Fault("", f"expected {path} of a run; got {got}: give the folder of a run, such as one in coval-runs")


def _no_row(path: Path, number: int, error: Exception) -> Fault:
    what = f"no {error}" if isinstance(error, KeyError) else str(error) or type(error).__name__
    return Fault("", f"{path}, row {number}: expected a row as docs/results.md has it; got {what}: remove that line")
