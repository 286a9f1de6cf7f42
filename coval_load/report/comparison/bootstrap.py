"""How much percentiles and means of a run would vary, had it been done again: a bootstrap of blocks of simulations."""

from functools import lru_cache

import attrs
import numpy as np
from numpy.typing import NDArray

from coval_load.report.comparison.sample import Clusters

ROUNDS = 2000
PERCENTS = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
FIGURES = (*PERCENTS, "mean")

_GRID = 129
_WINDOW = 6.0
_LEAST_S = 1e-6
_Numbers = NDArray[np.float64]


@attrs.frozen
class Spread:
    """The standard error of the logarithm of a figure, and with how many degrees of freedom that is known."""

    of_log: float
    freedom: float


def spreads(clusters: Clusters, rounds: int = ROUNDS) -> dict[str, Spread]:
    """The spread of each of `FIGURES`; at least two simulations.

    Blocks of simulations are drawn with replacement and all their values with them: values of one simulation belong
    together, and simulations that ended one after the other are alike. Only values around a percentile decide where it
    falls, so only there it is looked at closely.
    """
    order = np.argsort(clusters.values, kind="stable")
    values = clusters.values[order]
    owners = clusters.owners[order]
    blocks = clusters.blocks()
    count = int(blocks.max()) + 1
    groups = blocks[owners]
    drawn = _draws(count, rounds)
    sizes = np.bincount(groups, minlength=count).astype(np.float64)
    totals = drawn @ sizes
    found = {}
    for name, share in PERCENTS.items():
        apart = _apart(values, groups, sizes, share)
        figure = _quantiles(values, groups, _grid(values, apart, share), drawn, share * totals)
        found[name] = Spread(_of_log(figure), _freedom(apart))
    sums = np.bincount(groups, values, count)
    found["mean"] = Spread(_of_log(drawn @ sums / totals), _freedom(sums - float(values.mean()) * sizes))
    return found


def _of_log(figure: _Numbers) -> float:
    return float(np.std(np.log(np.maximum(figure, _LEAST_S)), ddof=1))


def _freedom(apart: _Numbers) -> float:
    """Degrees of freedom of the variance of what lies so far apart (Satterthwaite): few where few decide it."""
    squares = (apart - apart.mean()) ** 2
    variance, fourth = float(squares.mean()), float((squares**2).mean())
    most = len(apart) - 1.0
    over = fourth / variance**2 - 1 if variance > 0 else 0.0
    return max(1.0, min(most, 2 * len(apart) / over)) if over > 0 else most


def _apart(values: _Numbers, groups: NDArray[np.int64], sizes: _Numbers, share: float) -> _Numbers:
    """By how many values each group has more or less than its share below the quantile."""
    count = len(values)
    middle = values[min(int(np.ceil(share * count)), count) - 1]
    below = np.bincount(groups[: np.searchsorted(values, middle, side="right")], minlength=len(sizes))
    return np.asarray(below - share * sizes)


@lru_cache(maxsize=8)
def _draws(count: int, rounds: int) -> _Numbers:
    """How often each of `count` groups is drawn in each round: (rounds, count)."""
    drawn = np.random.default_rng(count).multinomial(count, np.full(count, 1 / count), rounds)
    return np.asarray(drawn, np.float64)


def _quantiles(
    values: _Numbers, groups: NDArray[np.int64], grid: _Numbers, drawn: _Numbers, wanted: _Numbers
) -> _Numbers:
    """The value in each round that `wanted` values lie up to, by their number up to each point of `grid`."""
    count = drawn.shape[1]
    bins = np.searchsorted(grid, values, side="left")
    width = len(grid) + 1
    counted = np.bincount(groups * width + bins, minlength=count * width).reshape(count, width)
    up_to = drawn @ np.cumsum(counted, axis=1)[:, :-1].astype(np.float64)
    at = np.minimum((up_to < wanted[:, None]).sum(axis=1), len(grid) - 1)
    before = np.maximum(at - 1, 0)
    rows = np.arange(len(wanted))
    low, high = up_to[rows, before], up_to[rows, at]
    part = np.clip((wanted - low) / np.maximum(high - low, 1e-9), 0, 1)
    return np.asarray(grid[before] + (grid[at] - grid[before]) * part)


def _grid(values: _Numbers, apart: _Numbers, share: float) -> _Numbers:
    """Values as far around the quantile as it may fall: six standard errors of its rank, groups taken whole."""
    count = len(values)
    most = _WINDOW * float(np.std(apart)) * np.sqrt(len(apart)) + 2
    ranks = np.linspace(max(share * count - most, 1), min(share * count + most, count), _GRID)
    return np.unique(values[np.ceil(ranks).astype(np.int64) - 1])
