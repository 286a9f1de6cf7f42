"""How another process's clock stands to ours: measured by pings, never taken on trust. No clock of its own."""

from collections import deque

import attrs

WINDOW_S = 60.0
"""For how long a sample counts, in seconds, as long as there is a newer one."""

DRIFT = 500e-6
"""By how much two monotonic clocks are assumed to part at most, in seconds for each second: as fast as Linux lets NTP
slew one of them (adjtimex(2)); without that it is mostly less than 100 ppm."""


@attrs.frozen
class _Sample:
    offset_s: float
    half_trip_s: float
    middle: float

    def error_s(self, at: float, drift: float) -> float:
        # they read their clock at most half a round trip from the middle, which is how long it drifts at most
        return self.half_trip_s + drift * (abs(at - self.middle) + self.half_trip_s)


@attrs.define
class Clock:
    """Another process's clock (Cristian's method; RFC 5905 section 8 for both directions as one).

    The other side read its clock at some moment between our question and its answer, so half the round trip is the most
    that the middle can be wrong by, however unlike the two ways are. What the clocks drift apart since is added to
    that, so a good sample of long ago gives way to a fair one of now. All times are in seconds; `at` and `ours` are of
    our clock, which never goes back.

    Error handling: a pong that never was asked for, or comes twice, is ignored. `offset_s`, `error_s`, `theirs` and
    `ours` raise LookupError before the first pong; see `is_known`.
    """

    window_s: float = WINDOW_S
    drift: float = DRIFT
    _asked: dict[int, float] = attrs.field(factory=dict, init=False, repr=False)
    _samples: deque[_Sample] = attrs.field(factory=deque, init=False, repr=False)
    _now: float = attrs.field(default=0.0, init=False, repr=False)

    def pinged(self, number: int, at: float) -> None:
        """Ping `number` is sent; numbers are not used again."""
        self._now = at
        self._asked.setdefault(number, at)
        while at - next(iter(self._asked.values())) > self.window_s:
            del self._asked[next(iter(self._asked))]

    def ponged(self, number: int, their_at: float, at: float) -> None:
        """Ping `number` was answered at `their_at` by their clock, which is heard of at `at` by ours."""
        self._now = at
        asked_at = self._asked.pop(number, None)
        if asked_at is not None:
            middle = (asked_at + at) / 2
            self._take(_Sample(their_at - middle, (at - asked_at) / 2, middle))

    @property
    def is_known(self) -> bool:
        """Whether any ping was answered."""
        return bool(self._samples)

    @property
    def offset_s(self) -> float:
        """What their clock says less what ours does, by the best sample."""
        return self._best().offset_s

    @property
    def error_s(self) -> float:
        """How far `offset_s` can be off at most, when the last ping was sent or answered."""
        return self.error_at(self._now)

    def error_at(self, ours: float) -> float:
        """How far `offset_s` can be off at most at another time of ours."""
        return self._best().error_s(ours, self.drift)

    def theirs(self, ours: float) -> float:
        """What their clock says when ours says `ours`; good to `error_at(ours)`."""
        return ours + self.offset_s

    def ours(self, theirs: float) -> float:
        """What our clock says when theirs says `theirs`."""
        return theirs - self.offset_s

    def _best(self) -> _Sample:
        if not self._samples:
            raise LookupError("expected a clock that was measured; no ping was answered yet: see is_known")
        return self._samples[0]

    def _take(self, sample: _Sample) -> None:
        if self._samples and self._contradicts(sample):
            self._samples.clear()
        while self._samples and not self._is_better(self._samples[-1], sample):
            self._samples.pop()
        self._samples.append(sample)
        while sample.middle - self._samples[0].middle > self.window_s:
            self._samples.popleft()

    def _is_better(self, one: _Sample, other: _Sample) -> bool:
        # errors grow alike, so which of two is less stays the same whenever it is asked
        return one.error_s(self._now, self.drift) < other.error_s(self._now, self.drift)

    def _contradicts(self, sample: _Sample) -> bool:
        # both can't be true: one of the machines stood still in between, and what was measured before is void
        best = self._samples[0]
        apart_s = abs(sample.offset_s - best.offset_s)
        return apart_s > best.error_s(self._now, self.drift) + sample.error_s(self._now, self.drift)
