"""The recordings that a worker makes: spooled until the coordinator says which it wants, then mixed and sent to it."""

import math
import tempfile
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO, Any, TypeVar

import attrs
import trio

from coval_load.actors.simulation import Identity
from coval_load.actors.spooled_recording import SpooledRecording, VoiceRecording
from coval_load.cluster import messages
from coval_load.plans.keeping import WriteRow

PIECE_BYTES = 256 * 1024

Result = TypeVar("Result")


@attrs.define(eq=False)
class RecordingsThere:
    """Sends the recordings that are wanted, one after another, in pieces of 256 KiB; use it as a context.

    `send` never waits; `drained` returns once the pipe has taken what was sent. `is_weighed`: which recordings are
    kept shows by their rows (`plans.keeping.weighed_audio`), so that none is wanted in which nobody said anything.
    `parent`: where to make the private folder in which recordings are spooled and mixed, None: the system's own place.

    A spool has no name and a mixed file loses its own before it is sent, so that both are gone with the process.

    Error handling: OSError where the folder can't be made; after that, what the disk does not take is told.
    """

    _send: Callable[[messages.Sound], object]
    _drained: Callable[[], Awaitable[object]]
    _is_weighed: bool
    _parent: Path | None = None
    _folder: "tempfile.TemporaryDirectory[str]" = attrs.field(init=False)
    _writer: ThreadPoolExecutor = attrs.field(factory=lambda: ThreadPoolExecutor(1, "recordings"), init=False)
    _going: dict[str, SpooledRecording] = attrs.field(factory=dict, init=False)
    _wanted: dict[str, SpooledRecording] = attrs.field(factory=dict, init=False)
    _queue: "trio.MemorySendChannel[tuple[str, Future[None]]]" = attrs.field(init=False)
    _turns: "trio.MemoryReceiveChannel[tuple[str, Future[None]]]" = attrs.field(init=False)
    _all_sent: trio.Event = attrs.field(factory=trio.Event, init=False)
    _threads: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(1), init=False)

    def __attrs_post_init__(self) -> None:
        self._queue, self._turns = trio.open_memory_channel[tuple[str, Future[None]]](math.inf)

    def __enter__(self) -> "RecordingsThere":
        # Made with mode 0700. Where this block is not left, the interpreter removes it at its end.
        self._folder = tempfile.TemporaryDirectory(
            prefix="coval-load-recordings-", dir=self._parent, ignore_cleanup_errors=True
        )
        return self

    def __exit__(self, *_: object) -> None:
        for one in (*self._going, *self._wanted):
            self._forget(one)
        self._writer.shutdown()
        self._folder.cleanup()

    def open(self, identity: Identity, started_at: float) -> VoiceRecording:
        """The recording of one simulation, which begins at `started_at` on the Trio clock."""
        one = identity.simulation_output_id
        self._going[one] = SpooledRecording(Path(self._folder.name, f"{one}.wav"), started_at, self._writer)
        return self._going[one]

    def before(self, write_row: WriteRow) -> WriteRow:
        """What takes the whole row of each simulation that has ended, and gives to `write_row` what it is to the
        coordinator: where its `recording` is None, there is none to decide about."""

        def write(row: dict[str, Any]) -> None:
            one = row["simulation_output_id"]
            if self._is_weighed and one in self._going and not self._going[one].has_sound:
                self._forget(one)
                row = {**row, "recording": None}
            write_row(row)

        return write

    def decide(self, decision: messages.Recording) -> None:
        """The coordinator wants a recording, whose row it has got, or does not want it, or not any more."""
        one = decision.simulation_output_id
        if not decision.wanted:
            self._forget(one)
        elif (recording := self._going.pop(one, None)) is not None:
            self._wanted[one] = recording
            self._queue.send_nowait((one, recording.keep()))
        elif one not in self._wanted:
            self._send(messages.Sound(one, b"", False, "its worker has no such recording"))

    async def run(self) -> None:
        """Send what is wanted, until after `all_sent`. Runs beside the simulations."""
        async for one, mixed in self._turns:
            error = await self._in_thread(mixed.exception)
            if one in self._wanted:
                await self._deliver(one, self._wanted[one], error)
            self._forget(one)
        self._all_sent.set()

    async def all_sent(self) -> None:
        """Nothing more will be decided: wait until what is wanted was sent, and taken by the pipe."""
        self._queue.close()
        await self._all_sent.wait()

    def _forget(self, one: str) -> None:
        if (going := self._going.pop(one, None)) is not None:
            going.discard()
        elif (wanted := self._wanted.pop(one, None)) is not None:
            wanted.displace()

    async def _deliver(self, one: str, recording: SpooledRecording, error: BaseException | None) -> None:
        try:
            with await self._in_thread(partial(_take_out, recording.path)) as file:
                await self._send_pieces(one, file, recording.fault)
        except OSError as missing:
            fault = recording.fault or error or missing
            self._send(messages.Sound(one, b"", False, _words(fault)))

    async def _send_pieces(self, one: str, file: IO[bytes], fault: OSError | None) -> None:
        piece = await self._in_thread(partial(file.read, PIECE_BYTES))
        while one in self._wanted:
            following = await self._in_thread(partial(file.read, PIECE_BYTES))
            if not following:
                self._send(messages.Sound(one, piece, True, None if fault is None else _words(fault)))
                await self._drained()
                return
            self._send(messages.Sound(one, piece, False))
            await self._drained()
            piece = following

    async def _in_thread(self, call: Callable[[], Result]) -> Result:
        # A disk that stands still must not keep a worker that is cut off from ending.
        return await trio.to_thread.run_sync(call, abandon_on_cancel=True, limiter=self._threads)


def _take_out(path: Path) -> IO[bytes]:
    """Open a file that nobody else is to find; where a file can't lose its name while it is open it keeps it."""
    file = path.open("rb", buffering=0)
    with suppress(OSError):
        path.unlink()
    return file


def _words(fault: BaseException) -> str:
    return (fault.strerror if isinstance(fault, OSError) else None) or str(fault) or type(fault).__name__
