"""Where an agent's sound lies in time: when each sample of it is heard, and where that is in a recording."""

from collections.abc import Iterator
from typing import TypeAlias

import attrs

from coval_load.codecs.audio.resampling import StreamingResampler

SAMPLE_RATE_HZ = 16_000
"""Of recordings."""

AS_ONE_S = 0.008
"""Sound that is heard at most so much before or after the end of what came before it goes on from there."""

_SAMPLE_BYTES = 2

Placed: TypeAlias = tuple[int, bytes]
"""Mono 16-bit PCM at 16 kHz, and where it begins: in samples since the recording's start."""


@attrs.define
class PlayoutClock:
    """When what arrives is heard: the rule of `actors.listener.Listener`, for mono 16-bit PCM of `rate_hz`.

    `paced`: from the end of what is queued on, but not before it arrives; else as it arrives, whatever is queued.
    """

    rate_hz: int
    paced: bool
    _queue_end: float = attrs.field(default=float("-inf"), init=False)

    def heard_at(self, pcm: bytes, at: float) -> float:
        """When the first sample of `pcm`, which arrived at `at`, is heard; seconds of the same clock."""
        start = max(self._queue_end, at) if self.paced else at
        self._queue_end = start + len(pcm) / (_SAMPLE_BYTES * self.rate_hz)
        return start

    def clear(self, at: float) -> None:
        """What is queued and would be heard from `at` on is thrown away."""
        self._queue_end = min(self._queue_end, at)


@attrs.define
class Strand:
    """An agent's sound as it comes, and where in a recording it lies that began at `started_at` (seconds).

    What goes on within `AS_ONE_S` is resampled as one stream, as a cut at each message would be heard: within it,
    sound lies at most so far from when it is heard. Anything else begins anew, at the sample at which it is heard;
    it may overlap what was placed before.
    """

    rate_hz: int
    started_at: float
    _resampler: StreamingResampler | None = attrs.field(default=None, init=False)
    _ends_at: float = attrs.field(default=0.0, init=False)
    _next: int = attrs.field(default=0, init=False)

    def push(self, pcm: bytes, heard_at: float) -> Iterator[Placed]:
        """What `pcm`, mono 16-bit of `rate_hz` heard from `heard_at` on, adds; some milliseconds are kept back."""
        pcm = pcm[: len(pcm) & ~1]
        if not pcm:
            return
        if self._resampler is None or abs(heard_at - self._ends_at) > AS_ONE_S:
            yield from self.end()
            self._resampler = StreamingResampler(self.rate_hz, SAMPLE_RATE_HZ)
            self._ends_at = heard_at
            self._next = round((heard_at - self.started_at) * SAMPLE_RATE_HZ)
        self._ends_at += len(pcm) / (_SAMPLE_BYTES * self.rate_hz)
        yield from self._place(self._resampler.push(pcm))

    def settle(self, now: float) -> Iterator[Placed]:
        """What was kept back, if nothing that comes at `now` or later can go on from it any more."""
        if now > self._ends_at + AS_ONE_S:
            yield from self.end()

    def end(self) -> Iterator[Placed]:
        """What was kept back. What comes later begins anew."""
        resampler, self._resampler = self._resampler, None
        if resampler is not None:
            yield from self._place(resampler.flush())

    def goes_beyond(self, at: float) -> bool:
        """Whether some of it, kept back or not, is heard after `at`."""
        return self._resampler is not None and self._ends_at > at

    def certain_until(self, now: float) -> int:
        """Up to which sample of the recording nothing that comes at `now` or later adds anything."""
        at = round((now - self.started_at) * SAMPLE_RATE_HZ)
        return at if self._resampler is None else min(at, self._next)

    def _place(self, pcm16k: bytes) -> Iterator[Placed]:
        if pcm16k:
            yield self._next, pcm16k
            self._next += len(pcm16k) // _SAMPLE_BYTES
