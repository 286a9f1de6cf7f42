"""A conversation as a listener in the middle heard it: 16 kHz stereo WAV, caller left, agent right."""

import struct
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Executor, Future
from io import BufferedWriter
from pathlib import Path

import attrs
import numpy as np
from numpy.typing import NDArray

from coval_load.actors.placing import SAMPLE_RATE_HZ, Placed, Strand

AHEAD_AT_MOST_S = 600
"""How much of one side may lie in the future, as an agent may send faster than it is heard: 19 MB."""

BEHIND_AT_MOST = 16
"""How many batches of two seconds may wait for the disk: 2 MB for each recording."""

_FLUSH_EVERY = 2 * SAMPLE_RATE_HZ
_BYTES_PER_MOMENT = 4  # two channels of 16 bits
_UNKNOWN_SIZE = 0xFFFFFFFF  # what a WAV that is still being written states; players read to the file's end
_HEADER_BYTES = 44


def wav_header(data_bytes: int) -> bytes:
    """The 44 bytes before the samples (RIFF, `fmt ` of PCM, `data`), sizes capped at what 32 bits hold."""
    size = min(data_bytes, _UNKNOWN_SIZE)
    riff = min(size + _HEADER_BYTES - 8, _UNKNOWN_SIZE)
    rate = SAMPLE_RATE_HZ
    form = struct.pack("<HHIIHH", 1, 2, rate, rate * _BYTES_PER_MOMENT, _BYTES_PER_MOMENT, 16)
    return b"RIFF%bWAVEfmt %b%bdata%b" % (
        struct.pack("<I", riff),
        struct.pack("<I", len(form)),
        form,
        struct.pack("<I", size),
    )


@attrs.define
class _Side:
    """One channel's sound from `begin` on (in samples since the recording's start)."""

    begin: int = 0
    _chunks: list[NDArray[np.int16]] = attrs.field(factory=list)
    _end: int = 0

    def place(self, pcm: bytes, at: int) -> None:
        samples = np.frombuffer(pcm[: len(pcm) & ~1], dtype="<i2")[max(self.begin - at, 0) :]
        at = max(at, self.begin)
        overlap = min(max(self._end - at, 0), samples.size)
        if overlap:
            self._mix(samples[:overlap], at)
            samples = samples[overlap:]
        room = self.begin + AHEAD_AT_MOST_S * SAMPLE_RATE_HZ - self._end
        gap = min(max(at - self._end, 0), max(room, 0))
        samples = samples[: max(room - gap, 0)]
        if gap:
            self._chunks.append(np.zeros(gap, dtype=np.int16))
        self._chunks.append(samples)
        self._end += gap + samples.size

    def _mix(self, samples: NDArray[np.int16], at: int) -> None:
        # The louder of two samples: a sum may cancel out or clip, so that sound began or ended elsewhere.
        latest: list[NDArray[np.int16]] = []
        start = self._end
        while start > at:
            latest.append(self._chunks.pop())
            start -= latest[-1].size
        sound = np.concatenate(latest[::-1])
        known = sound[at - start : at - start + samples.size]
        np.copyto(known, samples, where=np.abs(samples.astype(np.int32)) > np.abs(known.astype(np.int32)))
        self._chunks.append(sound)

    def clear(self, at: int) -> None:
        """Throw away what lies from `at` on, as far as it was not taken."""
        at = max(at, self.begin)
        while self._end > at:
            latest = self._chunks.pop()
            self._end -= latest.size
            if self._end < at:
                # A copy, as the rest may be minutes of sound.
                self._chunks.append(latest[: at - self._end].copy())
                self._end = at

    def take_until(self, end: int) -> NDArray[np.int16]:
        """The sound from `begin` to `end`, silence where there is none; `begin` moves to `end`."""
        taken = np.zeros(end - self.begin, dtype=np.int16)
        sound = np.concatenate(self._chunks) if self._chunks else taken[:0]
        heard = sound[: taken.size]
        taken[: heard.size] = heard
        self._chunks = [sound[heard.size :].copy()] if sound.size > heard.size else []
        self.begin = end
        self._end = max(self._end, end)
        return taken


@attrs.define
class _WavFile:
    """The file; its calls run one after another in the writer's thread and never raise."""

    path: Path
    fault: OSError | None = None
    _file: BufferedWriter | None = None

    @property
    def part(self) -> Path:
        return self.path.with_name(self.path.name + ".part")

    def write(self, offset: int, left: NDArray[np.int16], right: NDArray[np.int16]) -> None:
        """Write at `offset` bytes of sound, so that a batch that was left out stays a hole: silence."""
        try:
            if self._file is None:
                self._file = self.part.open("wb")
                self._file.write(wav_header(_UNKNOWN_SIZE))
            self._file.seek(_HEADER_BYTES + offset)
            self._file.write(np.column_stack((left, right)).astype("<i2").tobytes())
            self._file.flush()
        except OSError as error:
            self.fault = self.fault or error

    def complete(self, data_bytes: int) -> None:
        if self._file is None:
            return
        try:
            with self._file as file:
                file.truncate(_HEADER_BYTES + data_bytes)
                file.seek(0)
                file.write(wav_header(data_bytes))
            self.part.replace(self.path)
        except OSError as error:
            self.fault = self.fault or error


@attrs.define
class StereoRecording:
    """Both sides of one conversation, put where they were heard and streamed to `path`.

    `started_at` is the clock's reading (seconds) that the file begins with. Sound is mono 16-bit
    little-endian PCM. Where sound of one side overlaps, the louder sample of the two is kept; what lies before the
    start, or before what was handed to the writer, is left out, and so is what lies more than ten minutes ahead of
    the last `flush`. While it grows the file is called `<path>.part`; `close` gives it its name.
    All calls are quick: the disk is written to by `writer`, which must run one call at a time, in order
    (a `ThreadPoolExecutor(1)` shared by all recordings), and be open for as long as this is.

    Error handling: nothing is raised for the disk's sake; `fault` holds the first error once there is one,
    and what could not be written is a hole of silence.
    """

    path: Path
    started_at: float
    _writer: Executor
    _caller: _Side = attrs.field(factory=_Side, init=False)
    _agent: _Side = attrs.field(factory=_Side, init=False)
    _strand: Strand | None = attrs.field(default=None, init=False)
    _written: int = attrs.field(default=0, init=False)
    _closed: bool = attrs.field(default=False, init=False)
    _waiting: deque[Future[None]] = attrs.field(factory=deque, init=False)
    _wav: _WavFile = attrs.field(init=False)

    @_wav.default
    def _at_path(self) -> _WavFile:
        return _WavFile(self.path)

    @property
    def fault(self) -> OSError | None:
        """The first thing that went wrong on disk."""
        return self._wav.fault

    def caller(self, pcm16k: bytes, at: float) -> None:
        """Place what the caller said at 16 kHz, heard from `at` on."""
        if not self._closed:
            self._caller.place(pcm16k, self._sample(at))

    def agent(self, pcm: bytes, at: float, rate_hz: int = SAMPLE_RATE_HZ) -> None:
        """Place what the agent said at `rate_hz`, always the same, heard from `at` on; see `PlayoutClock`."""
        if self._closed:
            return
        if self._strand is None:
            self._strand = Strand(rate_hz, self.started_at)
        self._place(self._strand.push(pcm, at))

    def clear(self, at: float) -> None:
        """Throw away what the agent would have been heard to say from `at` on; what it says then begins anew."""
        if self._closed:
            return
        if self._strand is not None and self._strand.goes_beyond(at):
            self._place(self._strand.end())
        self._agent.clear(self._sample(at))

    def _place(self, placed: Iterable[Placed]) -> None:
        for at, pcm16k in placed:
            self._agent.place(pcm16k, at)

    def _sample(self, at: float) -> int:
        return round((at - self.started_at) * SAMPLE_RATE_HZ)

    def flush(self, now: float) -> None:
        """Hand what was heard before `now` to the writer, once it is two seconds or more.

        Call it as often as is handy: nothing before `now` can change any more.
        """
        if self._closed or self._sample(now) - self._written < _FLUSH_EVERY:
            return
        end = self._sample(now)
        if self._strand is not None:
            self._place(self._strand.settle(now))
            end = self._strand.certain_until(now)
        if end > self._written:
            self._hand_over(end)

    def close(self, now: float) -> None:
        """Write the rest up to `now`, complete the header and give the file its name.

        What would have been heard later is left out. Placing, flushing and closing after this do nothing.
        """
        if self._closed:
            return
        if self._strand is not None:
            self._place(self._strand.end())
        self._hand_over(max(self._sample(now), self._written))
        self._closed = True
        self._writer.submit(self._wav.complete, self._written * _BYTES_PER_MOMENT)
        # What is asked for its fault later need not hold on to minutes of sound.
        self._caller, self._agent, self._strand = _Side(), _Side(), None
        self._waiting.clear()

    def _hand_over(self, end: int) -> None:
        left, right = self._caller.take_until(end), self._agent.take_until(end)
        offset, self._written = self._written * _BYTES_PER_MOMENT, end
        while self._waiting and self._waiting[0].done():
            self._waiting.popleft()
        if len(self._waiting) < BEHIND_AT_MOST:
            self._waiting.append(self._writer.submit(self._wav.write, offset, left, right))
        else:
            self._wav.fault = self._wav.fault or OSError("the disk does not keep up with the recordings")
