"""One metric's values in fixed memory: a week of soak takes no more of it than a minute."""

import math
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import attrs
import numpy as np
from hdrh.histogram import HdrHistogram
from numpy.typing import NDArray

HIGHEST_US = 3_600_000_000
"""One hour in microseconds: the histogram holds 1 us to this with three significant digits."""

PERCENTILES = {"p50": 50.0, "p90": 90.0, "p95": 95.0, "p99": 99.0, "p99.9": 99.9}

_PENDING_AT_MOST = 4096
_SUB_BUCKET_BITS = 11  # 2,048 sub-buckets are what three significant digits take


def _indices(values_us: NDArray[np.int64]) -> NDArray[np.int64]:
    # HdrHistogram's own index (`_counts_index_for`), for many values at once: frexp gives the bit length.
    _, bits = np.frexp((values_us | ((1 << _SUB_BUCKET_BITS) - 1)).astype(np.float64))
    bucket = bits.astype(np.int64) - _SUB_BUCKET_BITS
    found: NDArray[np.int64] = (bucket << (_SUB_BUCKET_BITS - 1)) + (values_us >> bucket)
    return found


def _index(value_us: int) -> int:
    bucket = (value_us | ((1 << _SUB_BUCKET_BITS) - 1)).bit_length() - _SUB_BUCKET_BITS
    return (bucket << (_SUB_BUCKET_BITS - 1)) + (value_us >> bucket)


BUCKETS = _index(HIGHEST_US) + 1
"""How many buckets values can fall into."""


def _new_histogram() -> Any:
    return HdrHistogram(1, HIGHEST_US, 3)


@attrs.frozen(eq=False)
class Mark:
    """How a distribution stood at an instant; see `Distribution.since`."""

    counts: NDArray[np.uint64]
    sum_us: float
    clamped: int


def _no_counts() -> NDArray[np.uint64]:
    return np.zeros(BUCKETS, dtype=np.uint64)  # takes memory only where it is written to


@attrs.define(eq=False)
class Seen:
    """How far a distribution was seen; see `Distribution.look`, which keeps it up to date."""

    count: int = 0
    sum_us: float = 0.0
    clamped: int = 0
    counts: NDArray[np.uint64] = attrs.field(factory=_no_counts)


@attrs.frozen(eq=False)
class Sparse:
    """Values by the buckets they fall into, at least one in each of `buckets`, which ascend.

    The lowest and the highest value (microseconds) lie in the first and in the last bucket.
    """

    buckets: NDArray[np.integer[Any]]
    counts: NDArray[np.unsignedinteger[Any]]
    sum_us: float = 0.0
    min_us: int = 0
    max_us: int = 0
    clamped: int = 0

    @property
    def count(self) -> int:
        """How many values there are."""
        return int(self.counts.sum())

    def check(self) -> None:
        """Raise ValueError unless it is what it should be; for one that another process made."""
        buckets, counts = self.buckets, self.counts
        if len(buckets) != len(counts):
            raise ValueError(f"expected a count for each of {len(buckets)} buckets, got {len(counts)}")
        if not (math.isfinite(self.sum_us) and self.sum_us >= 0 <= self.clamped):
            raise ValueError(f"expected a sum and a number of values, got {self.sum_us} and {self.clamped}")
        if not len(buckets):
            return
        if not 0 <= self.min_us <= self.max_us <= HIGHEST_US:
            raise ValueError(f"expected values of 0 to {HIGHEST_US} us, got {self.min_us} to {self.max_us}")
        if (int(buckets[0]), int(buckets[-1])) != (_index(self.min_us), _index(self.max_us)):
            raise ValueError(f"expected {self.min_us} and {self.max_us} us in buckets {buckets[0]} and {buckets[-1]}")
        if not ((buckets[1:] > buckets[:-1]).all() and counts.all()):
            raise ValueError("expected buckets that ascend, each with a value")


@attrs.define
class Distribution:
    """Durations in seconds, kept in an HdrHistogram of microseconds.

    A single `record` into the histogram costs 1 us or more, so values gather in a list first and are
    counted in bulk: when 4,096 are there, when `settle` is called (each second), and before any reading.
    """

    clamped: int = attrs.field(default=0, init=False)
    """Values above one hour, kept as one hour, and values that are not a number, left out."""
    _pending: list[float] = attrs.field(factory=list, init=False)
    _histogram: Any = attrs.field(factory=_new_histogram, init=False)
    _counts: NDArray[np.uint64] = attrs.field(init=False)
    _sum_us: float = attrs.field(default=0.0, init=False)
    _min_us: int = attrs.field(default=sys.maxsize, init=False)
    _max_us: int = attrs.field(default=0, init=False)

    @_counts.default
    def _view_of_counts(self) -> NDArray[np.uint64]:
        return np.frombuffer(self._histogram.counts, dtype=np.uint64)

    def record(self, seconds: float) -> None:
        """Keep one value: below 0 as 0, above one hour as one hour (see `clamped`)."""
        self._pending.append(seconds)
        if len(self._pending) >= _PENDING_AT_MOST:
            self.settle()

    def record_many(self, seconds: Iterable[float]) -> None:
        """Keep each value as `record` does."""
        self._pending.extend(seconds)
        if len(self._pending) >= _PENDING_AT_MOST:
            self.settle()

    def settle(self) -> None:
        """Count what has gathered; takes some 100 us for 4,096 values."""
        if not self._pending:
            return
        values = np.rint(np.array(self._pending, dtype=np.float64) * 1e6)
        self._pending.clear()
        if not np.isfinite(values).all() or values.max() > HIGHEST_US:
            self.clamped += int(np.count_nonzero(~(values <= HIGHEST_US)))
            values = values[~np.isnan(values)]
        if values.size:
            self._count(np.clip(values, 0, HIGHEST_US).astype(np.int64))

    def _count(self, values_us: NDArray[np.int64]) -> None:
        found, times = np.unique(_indices(values_us), return_counts=True)
        self._counts[found] += times.astype(np.uint64)
        self._note(values_us.size, float(values_us.sum()), int(values_us.min()), int(values_us.max()))

    def _note(self, count: int, sum_us: float, min_us: int, max_us: int) -> None:
        self._sum_us += sum_us
        self._min_us = min(self._min_us, min_us)
        self._max_us = max(self._max_us, max_us)
        # What HdrHistogram keeps beside its counts; `encode` reads them.
        self._histogram.total_count += count
        self._histogram.min_value = self._min_us
        self._histogram.max_value = self._max_us

    @property
    def count(self) -> int:
        """How many values were kept."""
        self.settle()
        return int(self._histogram.total_count)

    def percentile(self, percent: float) -> float | None:
        """The value in seconds that `percent` (0 to 100) of all values do not exceed; None without values."""
        return self.percentiles((percent,))[0]

    def percentiles(self, percents: Sequence[float]) -> list[float | None]:
        """Several at once, which costs little more than one: some 40 us for most metrics."""
        if not self.count:
            return [None for _ in percents]
        reached = self._reached()
        return [self._value(reached, percent) for percent in percents]

    def _value(self, reached: NDArray[np.uint64], percent: float) -> float:
        rank = self._histogram.get_target_count_at_percentile(percent)
        value = self._histogram.get_value_from_index(int(np.searchsorted(reached, np.uint64(rank))))
        highest: int = self._histogram.get_highest_equivalent_value(value)
        return max(min(highest, self._max_us), self._min_us) / 1e6

    def _reached(self) -> NDArray[np.uint64]:
        # No further than the highest value: beyond it the sum stays the same, and most metrics use half of the range.
        return np.cumsum(self._counts[: int(_indices(np.array([self._max_us]))[0]) + 1])

    def counts_up_to(self, bounds_s: Sequence[float]) -> list[int]:
        """How many values are at most each of the bounds (seconds); bounds are true to three digits, as values are."""
        self.settle()
        bounds_us = np.clip(np.rint(np.array(bounds_s) * 1e6), 0, HIGHEST_US).astype(np.int64)
        reached = self._reached()
        return [int(count) for count in reached[np.minimum(_indices(bounds_us), reached.size - 1)]]

    def used(self) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
        """Which buckets have any values, ascending, and how many each has."""
        self.settle()
        span = self._span()
        found = np.flatnonzero(self._counts[span]) + span.start
        return found, self._counts[found]

    def _span(self) -> slice:
        return slice(_index(self._min_us), _index(self._max_us) + 1)

    def look(self, seen: Seen) -> Sparse | None:
        """What was recorded since `seen`, which then is as of now; None where nothing was.

        Its lowest and highest value are true to three digits. Those of all looks together are exact: the lowest of
        all values is the running minimum from the look that finds it on, and lies in the first bucket found there.
        Takes some 30 us.
        """
        count = self.count
        if (count, self.clamped) == (seen.count, seen.clamped):
            return None
        span = self._span()
        ours, theirs = self._counts[span], seen.counts[span]
        found = np.flatnonzero(ours != theirs)
        now = ours[found]
        counts = now - theirs[found]
        theirs[found] = now
        sum_us, clamped = self._sum_us - seen.sum_us, self.clamped - seen.clamped
        seen.count, seen.sum_us, seen.clamped = count, self._sum_us, self.clamped
        buckets = found + span.start
        return Sparse(buckets, counts, sum_us, *self._extremes(buckets), clamped)

    def _extremes(self, buckets: NDArray[np.int64]) -> tuple[int, int]:
        """The lowest and the highest value, in microseconds, that these buckets can have got; 0 without any."""
        if not buckets.size:
            return 0, 0
        lowest = int(self._histogram.get_value_from_index(int(buckets[0])))
        highest = self._histogram.get_value_from_index(int(buckets[-1]))
        highest = int(self._histogram.get_highest_equivalent_value(highest))
        return max(lowest, self._min_us), min(highest, self._max_us)

    def add(self, values: Sparse) -> None:
        """Add values that another distribution got; takes some 10 us."""
        self.clamped += values.clamped
        if len(values.buckets):
            self._counts[values.buckets] += values.counts
            self._note(values.count, values.sum_us, values.min_us, values.max_us)

    def mark(self) -> Mark:
        """How it stands now; a copy of its counts, some 200 KB."""
        self.settle()
        return Mark(self._counts.copy(), self._sum_us, self.clamped)

    def clear(self) -> None:
        """Forget every value."""
        self._pending.clear()
        self._counts[:] = 0
        self._histogram.total_count = 0
        self.clamped, self._sum_us, self._min_us, self._max_us = 0, 0.0, sys.maxsize, 0

    def since(self, mark: Mark | None, into: "Distribution | None" = None) -> "Distribution":
        """What was recorded since `mark`, or ever. Its lowest and highest value are true to three digits.

        `into` is cleared and taken for it: a new histogram is 190 KB that only the garbage collector frees, as it
        refers to itself.
        """
        self.settle()
        added = Distribution() if into is None else into
        added.clear()
        added._counts += self._counts if mark is None else self._counts - mark.counts
        added.clamped = self.clamped - (mark.clamped if mark else 0)
        found = np.flatnonzero(added._counts)
        if found.size:
            sum_us = self._sum_us - (mark.sum_us if mark else 0.0)
            added._note(int(added._counts.sum()), sum_us, *self._extremes(found))
        return added

    @property
    def total_s(self) -> float:
        """The sum of all values in seconds."""
        self.settle()
        return self._sum_us / 1e6

    @property
    def lowest(self) -> float | None:
        """The lowest value in seconds; None without values."""
        return self._min_us / 1e6 if self.count else None

    @property
    def highest(self) -> float | None:
        """The highest value in seconds; None without values."""
        return self._max_us / 1e6 if self.count else None

    def summary(self) -> dict[str, Any]:
        """What stands under the metric's name in `summary.json`; only for one that has values."""
        return {
            "unit": "s",
            "count": self.count,
            "min": self._min_us / 1e6,
            "mean": round(self._sum_us / self.count / 1e6, 9),
            **dict(zip(PERCENTILES, self.percentiles((*PERCENTILES.values(),)), strict=True)),
            "max": self._max_us / 1e6,
            "histogram": self._histogram.encode().decode("ascii"),
        }

    def merge(self, summary: dict[str, Any]) -> None:
        """Add the values of another `summary()`; raises ValueError where its histogram has another range."""
        other = HdrHistogram.decode(summary["histogram"])
        if len(other.counts) != self._counts.size or other.significant_figures != 3:
            raise ValueError(
                f"expected a histogram of 1 to {HIGHEST_US} with 3 digits, got one of "
                f"{other.lowest_trackable_value} to {other.highest_trackable_value} with "
                f"{other.significant_figures}; only runs of the same release can be merged"
            )
        self.settle()
        self._counts += np.frombuffer(other.counts, dtype=np.uint64)
        count = int(other.get_total_count())
        if count:
            low, high = round(summary["min"] * 1e6), round(summary["max"] * 1e6)
            self._note(count, summary["mean"] * count * 1e6, low, high)
