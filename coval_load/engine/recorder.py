"""Rows to `simulations.jsonl`: handed over without waiting, on disk half a second later."""

import os
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import attrs
import trio

from coval_load.engine.plain_json import dump_json, plain

QUEUED_ROWS_AT_MOST = 100_000
QUEUED_BYTES_AT_MOST = 64 * 1024 * 1024
"""Reached only when the disk stands still: beyond these, rows are counted as lost."""

_GATHERING_S = 0.2
_TRY_AGAIN_S = 0.5
_CLOSE_WITHIN_S = 30.0
_BATCH_BYTES = 4 * 1024 * 1024

_UNWRITABLE = (TypeError, ValueError, LookupError, AttributeError, RecursionError)


def as_json(row: dict[str, Any], clean: Callable[[Any], Any]) -> bytes | None:
    """A row without its secrets, as far as JSON has words for it; None where it can't be cleaned of them."""
    try:
        return dump_json(clean(row))
    except _UNWRITABLE:
        pass
    try:  # secrets are looked for in text; what `plain` makes into text must be seen by `clean` too
        return dump_json(clean(plain(row)))
    except _UNWRITABLE:
        return None


@attrs.define
class Recorder:
    """The open file of rows. Made by `open_recorder`; a thread of its own writes what `write` hands over.

    Rows are serialised by the caller, not by the thread: it is the same work under the same interpreter
    lock, but in portions of one row it delays a due frame less than a batch in another thread would, and
    what is changed in a row afterwards does not matter.
    """

    _file: int
    _clean: Callable[[Any], Any]
    _on_lost: Callable[[int], None]
    _rows_at_most: int = QUEUED_ROWS_AT_MOST
    _bytes_at_most: int = QUEUED_BYTES_AT_MOST
    _lines: deque[bytes] = attrs.field(factory=deque, init=False)
    _queued_bytes: int = attrs.field(default=0, init=False)
    _wake: threading.Condition = attrs.field(factory=threading.Condition, init=False)
    _closing: bool = attrs.field(default=False, init=False)
    _torn: bool = attrs.field(default=False, init=False)

    def write(self, row: dict[str, Any]) -> None:
        """Queue one row; it is on disk at most half a second later. Never waits, never raises.

        A row that JSON has no words for is written as far as it has (see `dump_json`). One that there is
        no room for, or that can't be cleaned of secrets, is lost: `on_lost(1)`.
        """
        line = as_json(row, self._clean)
        if line is None or not self._queue(line + b"\n"):
            self._on_lost(1)

    def write_line(self, line: bytes) -> None:
        """The same of a row that is JSON already, without its secrets and without a newline."""
        if not self._queue(line + b"\n"):
            self._on_lost(1)

    def _queue(self, line: bytes) -> bool:
        with self._wake:
            full = len(self._lines) >= self._rows_at_most
            if full or self._queued_bytes + len(line) > self._bytes_at_most or self._closing:
                return False
            was_empty = not self._lines
            self._lines.append(line)
            self._queued_bytes += len(line)
            if (
                was_empty
            ):  # else the thread is about to look anyway, and to wake it for each row costs more than the row
                self._wake.notify()
        return True

    def _run(self) -> None:
        """The thread: gather for a moment, write, and try again later what the disk did not take."""
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._lines or self._closing)
                self._wake.wait_for(lambda: self._closing, _GATHERING_S)
                closing = self._closing
                batch = self._batch()
            if not batch:
                return
            if self._write_batch(batch):
                continue
            if closing:
                return
            with self._wake:
                self._wake.wait_for(lambda: self._closing, _TRY_AGAIN_S)

    def _batch(self) -> list[bytes]:
        batch: list[bytes] = []
        size = 0
        for line in self._lines:
            if batch and size + len(line) > _BATCH_BYTES:
                break
            batch.append(line)
            size += len(line)
        return batch

    def _write_batch(self, batch: list[bytes]) -> bool:
        """Write whole lines and take those written off the queue; returns whether all were."""
        data = b"".join(batch)
        if self._torn:
            data = b"\n" + data
        written = 0
        try:
            while written < len(data):
                written += os.write(self._file, data[written:])
        except OSError:
            self._take_off(self._keep_whole_lines(data[:written]))
            return False
        self._torn = False
        self._take_off(len(batch))
        return True

    def _keep_whole_lines(self, written: bytes) -> int:
        """Cut off the line that is half written; returns how many whole ones stand."""
        torn = len(written) - (written.rfind(b"\n") + 1)
        whole = written.count(b"\n") - (self._torn and written[:1] == b"\n")
        if written:
            self._torn = False
        if torn:
            try:
                os.ftruncate(self._file, os.fstat(self._file).st_size - torn)
            except OSError:
                self._torn = True
        return whole

    def _take_off(self, rows: int) -> None:
        with self._wake:
            for _ in range(rows):
                self._queued_bytes -= len(self._lines.popleft())

    def _close(self, thread: threading.Thread) -> None:
        with self._wake:
            self._closing = True
            self._wake.notify()
        thread.join(_CLOSE_WITHIN_S)
        if thread.is_alive():
            return  # the disk hangs; the file stays open, for the thread still writes to it
        with suppress(OSError):  # a pipe or a file system without it: the rows were handed over all the same
            os.fsync(self._file)
        os.close(self._file)


@asynccontextmanager
async def open_recorder(
    path: Path,
    clean: Callable[[Any], Any],
    on_lost: Callable[[int], None],
    *,
    rows_at_most: int = QUEUED_ROWS_AT_MOST,
    bytes_at_most: int = QUEUED_BYTES_AT_MOST,
) -> AsyncIterator[Recorder]:
    """Append rows to `path`; leaving the block writes all that is queued and waits for the disk once.

    `clean` masks the secrets in a row. `on_lost(rows)` is called on the loop's own thread: at once for a
    row that found no room, at the end for those the disk never took. A process that is killed leaves each
    line whole that was written before; only the last can be torn (`read_rows` leaves that out).

    Error handling: OSError where `path` can't be opened; after that nothing is raised.
    """
    # A plain call, not a thread's: it is made once, before anything is due.
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0), 0o644)
    recorder = Recorder(file, clean, on_lost, rows_at_most, bytes_at_most)
    # A daemon: a disk that hangs must not keep the process from ending.
    thread = threading.Thread(target=recorder._run, name="recorder", daemon=True)
    thread.start()
    try:
        yield recorder
    finally:
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(recorder._close, thread)
        if recorder._lines:
            on_lost(len(recorder._lines))
