"""A histogram that takes room only for the values it has, to keep one for each stretch of a run."""

import math
import sys
from collections.abc import Iterable, Mapping
from typing import Any

import attrs
import numpy as np
from hdrh.histogram import HdrHistogram
from numpy.typing import NDArray

from coval_load.engine.distribution import HIGHEST_US, Distribution

_HALF_BITS = 10  # half of the 2,048 sub-buckets that three significant digits take
_HALF = 1 << _HALF_BITS
_TICKS_PER_HALF_DISTANCE = 5


def _empty() -> NDArray[np.int64]:
    return np.zeros(0, dtype=np.int64)


@attrs.frozen(eq=False)
class SparseHistogram:
    """Durations in the buckets of `Distribution` (three digits, 1 us to 1 h), 12 bytes for each bucket that is used.

    Percentiles are those of a `Distribution` with the same values.
    """

    _indices: NDArray[np.int32] = attrs.field(factory=lambda: _empty().astype(np.int32))
    _counts: NDArray[np.int64] = attrs.field(factory=_empty)
    min_us: int = sys.maxsize
    max_us: int = 0

    @classmethod
    def of(cls, distribution: Distribution) -> "SparseHistogram":
        """What `distribution` holds now."""
        if not distribution.count:
            return cls()
        lowest, highest = distribution.lowest or 0.0, distribution.highest or 0.0
        indices, counts = distribution.used()
        return cls(indices.astype(np.int32), counts.astype(np.int64), round(lowest * 1e6), round(highest * 1e6))

    @classmethod
    def read(cls, entry: Mapping[str, Any] | None) -> "SparseHistogram":
        """The histogram of a metric in `summary.json` or `timeline.jsonl`; an empty one for None.

        Error handling: ValueError where it has another range than ours, KeyError or TypeError where it is no entry;
        the decoder raises errors of its own where the text is no histogram.
        """
        if entry is None or not entry["count"]:
            return cls()
        decoded = HdrHistogram.decode(entry["histogram"])
        if decoded.highest_trackable_value != HIGHEST_US or decoded.significant_figures != 3:
            raise ValueError(f"expected a histogram of 1 to {HIGHEST_US} with 3 digits")
        counts = np.frombuffer(decoded.counts, dtype=np.uint64)
        return _sparse(counts, round(entry["min"] * 1e6), round(entry["max"] * 1e6))

    @property
    def count(self) -> int:
        """How many values there are."""
        return int(self._counts.sum())

    @property
    def buckets(self) -> int:
        """How many buckets are used."""
        return len(self._counts)

    @property
    def lowest(self) -> float | None:
        """The lowest value in seconds; None without values."""
        return self.min_us / 1e6 if len(self._counts) else None

    @property
    def highest(self) -> float | None:
        """The highest value in seconds; None without values."""
        return self.max_us / 1e6 if len(self._counts) else None

    def joined(self, other: "SparseHistogram") -> "SparseHistogram":
        """Both together, exactly."""
        return together((self, other))

    def percentile(self, percent: float) -> float | None:
        """The value in seconds that `percent` (0 to 100) of all values do not exceed; None without values."""
        return self.percentiles((percent,))[0]

    def percentiles(self, percents: Iterable[float]) -> list[float | None]:
        """Several at once."""
        if not self.buckets:
            return [None for _ in percents]
        reached = np.cumsum(self._counts)
        return [self._value(reached, percent) for percent in percents]

    def _value(self, reached: NDArray[np.int64], percent: float) -> float:
        # As HdrHistogram has it (`get_target_count_at_percentile`).
        rank = max(int(min(percent, 100.0) * int(reached[-1]) / 100 + 0.5), 1)
        index = int(self._indices[int(np.searchsorted(reached, rank))])
        return max(min(_highest_us(index), self.max_us), self.min_us) / 1e6

    def plot(self) -> list[tuple[float, float]]:
        """Pairs of percentile and value in seconds, ever denser towards 100, which is the last: the highest value.

        The steps are those of HdrHistogram's percentile distribution with five ticks per half distance: five from 0
        to 50, five from there to 75, and so on, until the highest value is reached.
        """
        if not self.buckets:
            return []
        reached, points, percent = np.cumsum(self._counts), list[tuple[float, float]](), 0.0
        while percent < 100.0 and (value := self._value(reached, percent)) < self.max_us / 1e6:
            points.append((percent, value))
            halvings = math.floor(math.log2(100.0 / (100.0 - percent)) + 1e-9) + 1
            percent += 100.0 / (_TICKS_PER_HALF_DISTANCE * 2**halvings)
        return [*points, (100.0, self.max_us / 1e6)]


def together(histograms: Iterable[SparseHistogram]) -> SparseHistogram:
    """All of them as one, exactly."""
    found = [one for one in histograms if one.buckets]
    if len(found) <= 1:
        return found[0] if found else SparseHistogram()
    indices, place = np.unique(np.concatenate([one._indices for one in found]), return_inverse=True)
    counts = np.zeros(len(indices), dtype=np.int64)
    np.add.at(counts, place, np.concatenate([one._counts for one in found]))
    return SparseHistogram(indices, counts, min(one.min_us for one in found), max(one.max_us for one in found))


def _sparse(counts: NDArray[np.uint64], min_us: int, max_us: int) -> SparseHistogram:
    indices = np.flatnonzero(counts)
    return SparseHistogram(indices.astype(np.int32), counts[indices].astype(np.int64), min_us, max_us)


def _highest_us(index: int) -> int:
    """The highest value that falls into a bucket."""
    bucket = max((index >> _HALF_BITS) - 1, 0)
    sub_bucket = index if index < 2 * _HALF else (index & (_HALF - 1)) + _HALF
    return ((sub_bucket + 1) << bucket) - 1
