"""What simulations of a run measured, each simulation's values together, in bounded memory."""

from array import array
from collections.abc import Iterator, Mapping
from operator import attrgetter
from pathlib import Path
from random import Random
from typing import Any

import attrs
import numpy as np
from hdrh.histogram import HdrHistogram
from numpy.typing import NDArray

from coval_load.engine import metrics
from coval_load.engine.run_folder import read_rows
from coval_load.faults import Fault, Faulty

MOST_SIMULATIONS = 20_000
MOST_VALUES = 4_000_000
"""Of all metrics together: where conversations are so long that there are more, fewer simulations are kept."""

FEWEST_BLOCKS = 20

_FEWEST_SIMULATIONS = 1000
_SEED = 0


@attrs.frozen(eq=False)
class Clusters:
    """Values of one metric in seconds, and which simulation each belongs to: `owners` are 0 to `count - 1`.

    Simulations are numbered in the order in which they ended.

    `is_guess`: rows do not tell values apart, so each simulation stands for one.
    """

    values: NDArray[np.float64]
    owners: NDArray[np.int64]
    count: int
    is_guess: bool = False

    def blocks(self) -> NDArray[np.int64]:
        """To which block each simulation belongs: those that ended one after the other are in the same.

        What slows an agent down does so for a while, so that neighbours are alike. There are more blocks, and longer
        ones, the more simulations there are (H. R. Kuensch 1989; P. Hall et al. 1995: length as the cube root).
        """
        blocks = max(min(self.count, FEWEST_BLOCKS), round(self.count ** (2 / 3)))
        order = np.random.default_rng(_SEED).permutation(self.count) if self.is_guess else np.arange(self.count)
        return np.asarray(order * blocks // max(self.count, 1))

    def medians(self) -> NDArray[np.float64]:
        """The median of each simulation."""
        order = np.lexsort((self.values, self.owners))
        values, owners = self.values[order], self.owners[order]
        starts = np.searchsorted(owners, np.arange(self.count))
        sizes = np.diff(np.append(starts, len(values)))
        middle = starts + (sizes - 1) // 2
        return np.asarray((values[middle] + values[starts + sizes // 2]) / 2)


@attrs.frozen
class _Simulation:
    number: int
    agent: str
    scenario: str
    values: Mapping[str, "array[float]"]


@attrs.define
class Sample:
    """Simulations drawn evenly from all rows of a run, and what was counted over every row.

    `measured` is how many values of each metric the rows have; `checked` and `passed` how many conversations were
    checked and how many passed all their checks.
    """

    measured: dict[str, int] = attrs.field(factory=dict)
    checked: int = 0
    passed: int = 0
    _kept: list[_Simulation] = attrs.field(factory=list)
    _seen: int = 0
    _capacity: int = MOST_SIMULATIONS
    _values: int = 0
    _random: Random = attrs.field(factory=lambda: Random(_SEED))

    def add(self, row: Mapping[str, Any]) -> None:
        """Take in a row of `simulations.jsonl`."""
        simulation = _Simulation(self._seen, str(row["agent"]), str(row.get("scenario", "")), dict(_values_of(row)))
        for name, values in simulation.values.items():
            self.measured[name] = self.measured.get(name, 0) + len(values)
        checks = row.get("checks")
        if checks:
            self.checked += 1
            self.passed += all(check["passed"] for check in checks)
        self._keep(simulation)

    def _keep(self, simulation: _Simulation) -> None:
        self._seen += 1
        if len(self._kept) < self._capacity:
            self._kept.append(simulation)
            self._values += _size(simulation)
        else:
            at = self._random.randrange(self._seen)
            if at >= self._capacity:
                return
            self._values += _size(simulation) - _size(self._kept[at])
            self._kept[at] = simulation
        if self._values > MOST_VALUES and len(self._kept) > _FEWEST_SIMULATIONS:
            # A random part of an even sample is one, too.
            self._capacity = len(self._kept) // 2
            self._kept = self._random.sample(self._kept, self._capacity)
            self._values = sum(map(_size, self._kept))

    def clusters(self, metric: str, *, agent: str | None = None, scenario: str | None = None) -> Clusters:
        """The values of `metric`, of all or of one agent's or scenario's simulations, as these ended."""
        found = [
            one.values[metric]
            for one in sorted(self._kept, key=attrgetter("number"))
            if metric in one.values and agent in (None, one.agent) and scenario in (None, one.scenario)
        ]
        if not found:
            return Clusters(np.empty(0), np.empty(0, np.int64), 0)
        sizes = [len(values) for values in found]
        return Clusters(np.concatenate(found), np.repeat(np.arange(len(found)), sizes), len(found))


def _size(simulation: _Simulation) -> int:
    return sum(map(len, simulation.values.values()))


def _values_of(row: Mapping[str, Any]) -> Iterator[tuple[str, "array[float]"]]:
    found: dict[str, array[float]] = {}
    turns = (turn.get("metrics") or {} for turn in row["transcript"])
    for measured in (row["metrics"], *turns):
        for name, value in measured.items():
            if name in metrics.METRICS:
                found.setdefault(name, array("d")).append(value)
    yield from found.items()


def read_sample(folder: Path) -> Sample:
    """What the rows of the run in `folder` tell. Raises Faulty where they can't be read."""
    path = folder / "simulations.jsonl"
    sample = Sample()
    try:
        for number, row in enumerate(read_rows(path), start=1):
            try:
                sample.add(row)
            except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
                message = f"expected a row of a simulation in {path}, row {number}; got one that is not ({error})"
                raise Faulty([Fault("", message)]) from error
    except OSError as error:
        raise Faulty([Fault("", f"expected {path} of a run; got {error.strerror or error}")]) from error
    except ValueError as error:
        raise Faulty([Fault("", f"{error}: repair or remove that line")]) from error
    return sample


def guessed(entry: Mapping[str, Any], simulations: int) -> Clusters:
    """Of a metric in `summary.json`, as many values as there were simulations: nothing says which belong together.

    Raises Faulty where its histogram can't be read.
    """
    try:
        histogram = HdrHistogram.decode(entry["histogram"])
        found = [
            (item.value_iterated_to, item.count_at_value_iterated_to) for item in histogram.get_recorded_iterator()
        ]
    except Exception as error:  # a histogram's decoder has many words for bytes that are none
        raise Faulty([Fault("", f"expected a histogram that can be read in summary.json; got {error}")]) from error
    values_us, counts = np.array(found, np.float64).reshape(-1, 2).T
    until = np.cumsum(counts)
    whole = int(until[-1]) if len(until) else 0
    count = min(whole, simulations, MOST_SIMULATIONS)
    ranks = (np.arange(count) + 0.5) / max(count, 1) * whole
    values = values_us[np.searchsorted(until, ranks)] / 1e6 if count else np.empty(0)
    return Clusters(values, np.arange(count), count, is_guess=True)
