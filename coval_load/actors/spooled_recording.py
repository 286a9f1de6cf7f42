"""A recording that nobody knows yet whether it is kept: the sound as it came, mixed only once it is."""

import io
import struct
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from enum import IntEnum
from itertools import cycle, repeat
from pathlib import Path
from typing import IO, Any, Protocol, TypeAlias

import attrs

from coval_load.actors.placing import SAMPLE_RATE_HZ
from coval_load.actors.stereo_recording import AHEAD_AT_MOST_S, BEHIND_AT_MOST, StereoRecording

BATCH_S = 2.0
BATCH_BYTES = 256 * 1024
"""What is handed to the disk at once: the sound of so many seconds, or so much of it."""

CLEARED_AT_MOST = 3
"""How often as much sound as may be heard may have been thrown away and still come: it stays in the file."""

SLICE_S = 0.02
SLICES_AT_ONCE = 4
PAUSE_S = 0.0001
"""libsamplerate keeps the interpreter's lock, and due frames wait for it: so it gets little to do at a time (60 us for
20 ms of 48 kHz), and after some of it this thread sleeps."""

_ENTRY = struct.Struct("<BdII")  # what, when, its rate or which clip of the caller's, and how many bytes follow
_SAMPLE_BYTES = 2


class VoiceRecording(Protocol):
    """What a conversation is recorded with. No call waits for the disk, or raises for its sake."""

    def caller(self, pcm16k: bytes, at: float) -> None:
        """The caller said this, mono 16-bit PCM at 16 kHz, from `at` on."""
        ...

    def agent(self, pcm: bytes, at: float, rate_hz: int) -> None:
        """The agent said this, mono 16-bit PCM, heard from `at` on."""
        ...

    def clear(self, at: float) -> None:
        """What the agent would have been heard to say from `at` on is thrown away; what comes later counts again."""
        ...

    def flush(self, now: float) -> None:
        """Nothing that was heard before `now` can change any more."""
        ...

    def close(self, now: float) -> None:
        """The conversation is over."""
        ...


class _What(IntEnum):
    AGENT = 0
    CALLER = 1
    FLUSH = 2
    CLEAR = 3


_Entry: TypeAlias = tuple[_What, float, int, bytes]


@attrs.define
class _Spool:
    """A file without a name, gone with the process; its calls run in the writer's thread and raise no OSError."""

    folder: Path
    fault: OSError | None = None
    _file: IO[bytes] | None = None
    _size: int = 0

    def write(self, entries: list[bytes]) -> None:
        """Append whole entries: those that the disk does not take are left out."""
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(buffering=0, dir=self.folder)  # noqa: SIM115 - closed by `close`
            self._file.seek(self._size)
            batch = memoryview(b"".join(entries))
            written = 0
            while written < len(batch):
                written += self._file.write(batch[written:])
            self._size += written
        except OSError as error:
            self.fault = self.fault or error

    def read(self) -> Iterator[_Entry]:
        """Every entry, in order. Raises OSError."""
        if self._file is None:
            return
        self._file.truncate(self._size)
        self._file.seek(0)
        file = io.BufferedReader(self._file, BATCH_BYTES)  # type: ignore[type-var]
        try:
            while len(head := file.read(_ENTRY.size)) == _ENTRY.size:
                what, at, number, size = _ENTRY.unpack(head)
                yield _What(what), at, number, file.read(size)
        finally:
            file.detach()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


@attrs.define
class SpooledRecording:
    """Both sides of one conversation; once it is known to be kept they become what a `StereoRecording` would be.

    While it goes on, the agent's sound goes to a file without a name in the folder of `path`, as it came and when:
    some microseconds a frame, where resampling takes 40. After `close` call `keep` or `discard`. All calls are quick:
    `writer` runs one call at a time, in order (a `ThreadPoolExecutor(1)` shared by all recordings).

    Error handling: as of `StereoRecording`; what the disk did not take is a hole.
    """

    path: Path
    started_at: float
    _writer: Executor
    _clips: list[bytes] = attrs.field(factory=list, init=False)
    _batch: list[bytes] = attrs.field(factory=list, init=False)
    _batch_bytes: int = attrs.field(default=0, init=False)
    _handed_over_at: float = attrs.field(init=False)
    _now: float = attrs.field(init=False)
    _heard_bytes: int = attrs.field(default=0, init=False)
    _cleared_bytes: float = attrs.field(default=0.0, init=False)
    _agent_until: float = attrs.field(default=float("-inf"), init=False)
    _rate_hz: int = attrs.field(default=SAMPLE_RATE_HZ, init=False)
    _closed: bool = attrs.field(default=False, init=False)
    _displaced: bool = attrs.field(default=False, init=False)
    _fault: OSError | None = attrs.field(default=None, init=False)
    _waiting: deque[Future[None]] = attrs.field(factory=deque, init=False)
    _spool: _Spool = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._spool = _Spool(self.path.parent)
        self._handed_over_at = self._now = self.started_at

    @property
    def fault(self) -> OSError | None:
        """The first thing that went wrong on disk."""
        return self._fault or self._spool.fault

    @property
    def has_sound(self) -> bool:
        """Whether anybody said anything."""
        return bool(self._clips) or self._heard_bytes > 0

    def caller(self, pcm16k: bytes, at: float) -> None:
        """Place what the caller said at 16 kHz, heard from `at` on; `pcm16k` is held on to."""
        if not self._closed:
            self._clips.append(pcm16k)
            self._add(_What.CALLER, at, len(self._clips) - 1)

    def agent(self, pcm: bytes, at: float, rate_hz: int = SAMPLE_RATE_HZ) -> None:
        """Place what the agent said at `rate_hz`, always the same, heard from `at` on.

        What lies more than ten minutes ahead of the last `flush` is left out, as is what would have taken so long.
        """
        ahead_at_most = self._now + AHEAD_AT_MOST_S
        room = (ahead_at_most - self.started_at) * rate_hz * _SAMPLE_BYTES
        room += min(self._cleared_bytes, CLEARED_AT_MOST * room)
        if self._closed or at > ahead_at_most or self._heard_bytes + len(pcm) > room:
            return
        self._heard_bytes += len(pcm)
        self._rate_hz = rate_hz
        self._agent_until = max(self._agent_until, at + len(pcm) / (rate_hz * _SAMPLE_BYTES))
        self._add(_What.AGENT, at, rate_hz, pcm)

    def clear(self, at: float) -> None:
        """Throw away what the agent would have been heard to say from `at` on."""
        if self._closed or self._agent_until <= at:
            return
        self._cleared_bytes += (self._agent_until - at) * self._rate_hz * _SAMPLE_BYTES
        self._agent_until = at
        self._add(_What.CLEAR, at, 0)

    def flush(self, now: float) -> None:
        """Hand what came so far to the disk, once it is two seconds or more."""
        if self._closed:
            return
        self._now = max(self._now, now)
        self._add(_What.FLUSH, now, 0)
        if now - self._handed_over_at >= BATCH_S:
            self._handed_over_at = now
            self._hand_over()

    def close(self, now: float) -> None:
        """The conversation is over. Placing, flushing and closing after this do nothing."""
        if not self._closed:
            self._now = now
            self._hand_over()
            self._closed = True

    def keep(self) -> Future[None]:
        """Write the recording to `path`; done when it is there."""
        return self._writer.submit(self._mix)

    def then(self, call: Callable[[], None]) -> Future[None]:
        """After `keep`: have the writer run `call` once the recording is at `path`, or can't be."""
        return self._writer.submit(call)

    def discard(self) -> None:
        """Forget it: it was never kept."""
        self._closed = True
        self._clips, self._batch = [], []
        self._writer.submit(self._spool.close)

    def displace(self) -> None:
        """Forget it after all, with what was written of it."""
        self._displaced = True
        self._writer.submit(remove_recording, self.path)

    def _add(self, what: _What, at: float, number: int, pcm: bytes = b"") -> None:
        self._batch.append(_ENTRY.pack(what, at, number, len(pcm)))
        if pcm:
            self._batch.append(pcm)
        self._batch_bytes += _ENTRY.size + len(pcm)
        if self._batch_bytes >= BATCH_BYTES:
            self._hand_over()

    def _hand_over(self) -> None:
        while self._waiting and self._waiting[0].done():
            self._waiting.popleft()
        if len(self._waiting) < BEHIND_AT_MOST:
            self._waiting.append(self._writer.submit(self._spool.write, self._batch))
        else:
            self._fault = self._fault or OSError("the disk does not keep up with the recordings")
        self._batch, self._batch_bytes = [], 0

    def _mix(self) -> None:
        try:
            if not self._displaced:
                self._replay(StereoRecording(self.path, self.started_at, _AtOnce()))
        except OSError as error:
            self._fault = self._fault or error
        finally:
            self._spool.close()
            self._clips = []
            self._waiting.clear()

    def _replay(self, recording: StereoRecording) -> None:
        breaks = cycle((*repeat(False, SLICES_AT_ONCE - 1), True))
        for what, at, number, pcm in self._spool.read():
            match what:
                case _What.AGENT:
                    for piece, heard_at in _slices(pcm, at, number):
                        recording.agent(piece, heard_at, number)
                        if next(breaks):
                            time.sleep(PAUSE_S)  # noqa: TID251 - it is the writer's thread that sleeps
                case _What.CALLER:
                    recording.caller(self._clips[number], at)
                case _What.FLUSH:
                    recording.flush(at)
                case _What.CLEAR:
                    recording.clear(at)
        recording.close(self._now)
        self._fault = self._fault or recording.fault


def _slices(pcm: bytes, at: float, rate_hz: int) -> Iterator[tuple[bytes, float]]:
    bytes_a_second = rate_hz * _SAMPLE_BYTES
    step = round(rate_hz * SLICE_S) * _SAMPLE_BYTES
    return ((pcm[begin : begin + step], at + begin / bytes_a_second) for begin in range(0, len(pcm), step))


def remove_recording(path: Path) -> None:
    """Take a recording away, with the labels beside it. What can't be removed stays; nothing is raised."""
    for one in (path, path.with_name(path.name + ".part"), path.with_suffix(".labels.txt")):
        try:
            one.unlink(missing_ok=True)
        except OSError:
            continue


class _AtOnce(Executor):
    """Runs what it is given before `submit` returns: `_mix` is in the writer's thread already."""

    def submit(self, call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(call(*args, **kwargs))
        return done
