"""How many went on at once over some time of unknown length, in so many numbers and no more."""

import math
from collections.abc import Sequence
from typing import Any

import attrs

INSTANT_S = 1e-6
"""A number that lasts no longer does not count: of two changes at the same time neither comes first."""

BUCKETS = 240


@attrs.define(eq=False)
class Level:
    """A number that goes up and down, and its peak."""

    now: int = 0
    peak: int = 0
    first_at: float = math.nan
    """Seconds, of the first change; NaN before it."""
    last_at: float = math.nan
    """Seconds, of the latest change; NaN before the first."""
    since: float = 0.0
    """Seconds, up to which its course has been counted."""

    def change(self, by: int, at: float) -> None:
        """Add `by` at `at`, in seconds, ascending."""
        if at - self.since > INSTANT_S:
            self.lasted(at)
        if self.first_at != self.first_at:
            self.first_at = at
        self.last_at = at
        self.now += by

    def lasted(self, at: float) -> None:
        """It has stood where it is until `at`."""
        if self.now > self.peak:
            self.peak = self.now
        self.since = at


@attrs.define(eq=False)
class Starts:
    """The highest number of starts a second, counted in windows of `window_s`, whole seconds."""

    window_s: int = 1
    most: int = 0
    _window: int = 0
    _counted: int = 0

    def add(self, number: int, at: float) -> None:
        """`number` starts at `at`, in seconds, ascending."""
        window = int((at + INSTANT_S) / self.window_s)
        if window != self._window:
            self._window, self._counted = window, 0
        self._counted += number
        if self._counted > self.most:
            self.most = self._counted

    @property
    def peak_per_s(self) -> float:
        """In the window that had most."""
        return self.most / self.window_s


@attrs.define
class Bucket:
    """One stretch of a timeline: the lowest and highest level, the level times seconds, and the starts."""

    low: int | None = None
    high: int = 0
    area: float = 0.0
    starts: int = 0

    def lasted(self, level: int, seconds: float) -> None:
        """It stood at `level` for `seconds`."""
        self.area += level * seconds
        if level > self.high:
            self.high = level
        if self.low is None or level < self.low:
            self.low = level

    def merged(self, later: "Bucket") -> "Bucket":
        """Both as one."""
        lows = [low for low in (self.low, later.low) if low is not None]
        high, area = max(self.high, later.high), self.area + later.area
        return Bucket(min(lows, default=None), high, area, self.starts + later.starts)


@attrs.define(eq=False)
class Timeline(Level):
    """A level, and its course in at most 240 buckets of `bucket_s` seconds, which double when time outgrows them."""

    bucket_s: float = 0.1
    buckets: list[Bucket] = attrs.field(factory=lambda: [Bucket()])

    def started(self, number: int, at: float) -> None:
        """`number` starts at `at`."""
        self._reach(at)
        self.buckets[-1].starts += number

    def lasted(self, at: float) -> None:
        """See `Level`."""
        since = self.since
        Level.lasted(self, at)
        while True:
            ends = min(len(self.buckets) * self.bucket_s, at)
            if ends > since:
                self.buckets[-1].lasted(self.now, ends - since)
                since = ends
            if at <= since:
                return
            self._grow()

    def _reach(self, at: float) -> None:
        while at >= len(self.buckets) * self.bucket_s:
            self._grow()

    def _grow(self) -> None:
        if len(self.buckets) < BUCKETS:
            self.buckets.append(Bucket())
            return
        self.buckets = [one.merged(other) for one, other in zip(self.buckets[::2], self.buckets[1::2], strict=True)]
        self.bucket_s *= 2

    def as_json(self) -> dict[str, Any]:
        """Concurrency and starts a second by bucket; the last one may be shorter than the others."""
        lasts = [self.bucket_s] * len(self.buckets)
        lasts[-1] = max(self.since - (len(self.buckets) - 1) * self.bucket_s, INSTANT_S)
        # A last bucket that only holds an instant would show what did not last as a rate.
        kept: Sequence[tuple[Bucket, float]] = [
            (bucket, seconds) for bucket, seconds in zip(self.buckets, lasts, strict=True) if seconds > INSTANT_S
        ]
        return {
            "bucket_s": self.bucket_s,
            "concurrency": [
                {"min": bucket.low or 0, "mean": round(bucket.area / seconds, 3), "max": bucket.high}
                for bucket, seconds in kept
            ],
            "starts_per_s": [round(bucket.starts / seconds, 6) for bucket, seconds in kept],
        }
