"""One worker of a run, as a task of a Dask worker: a process of its own, and what carries bytes to it and back.

The process is no part of the Dask worker, so that its loop shares an interpreter lock with nobody. Should the Dask
worker be killed, the process sees the end of its standard input. Whatever else happens, it is ended and reaped here.

What is in the queues: to a worker, lists of pieces, `END` or `KILL`; from workers `(worker, pieces)`, and at last
`(worker, why, is_dead)`.
"""

import os
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from signal import Signals
from typing import Any, Protocol

import attrs

from coval_load.cluster.lease import LEASE_S
from coval_load.cluster.pipes import read_piece, write_piece

END = "end"
"""To a worker: its standard input is closed; where it does not end then, it is killed."""
KILL = "kill"
"""To a worker: it is killed."""
MOST_WAITING = 64 * 1024 * 1024
"""Bytes on their way, each way: a process that does not read so many is killed, one that writes more waits."""
LARGEST_ITEM = 8 * 1024 * 1024
"""Bytes of several pieces in one item of a queue; a larger piece travels alone."""
GATHER_S = 0.01
"""What follows an item within this time goes as one, each way: an item takes a millisecond, whatever is in it."""
END_WITHIN_S = 3.0
"""From the end of its standard input to the end of a process that is asked to end."""
_LATER_S = 1.0
_PUT_WITHIN_S = 30.0
_SAY_WITHIN_S = 5.0


class Queue(Protocol):
    """What is used of `distributed.Queue`, from threads. Whatever it raises says that nobody can be reached."""

    def put(self, value: Any, timeout: float | None = None, **callback_timeout: float) -> object:
        """Waits for a place, `timeout` seconds; and `callback_timeout` for the scheduler to say so."""
        ...

    def get(self) -> Any:
        """Waits for an item."""
        ...


def serve(worker: str, inbox_name: str, outbox_name: str, command: Sequence[str] = ()) -> str:
    """Run one worker's process to its end: what a Dask task does. Says how it ended, in words.

    `command` is what starts the process; `python -m coval_load.cluster` where none is given. Raises OSError where it
    can't be started. Nothing secret is in the process's arguments or its environment.
    """
    from distributed import Queue as DaskQueue
    from distributed import get_client

    open_queue: Any = DaskQueue
    client = get_client()
    inbox, outbox = open_queue(inbox_name, client=client), open_queue(outbox_name, client=client)
    try:
        return carry(worker, inbox, outbox, command or (sys.executable, "-m", "coval_load.cluster"))
    finally:
        for queue in (inbox, outbox):
            with suppress(Exception):
                queue.close()


def carry(worker: str, inbox: Queue, outbox: Queue, command: Sequence[str]) -> str:
    """As `serve`, with queues that are open."""
    # Whatever it puts aside goes with it, also when it is killed.
    with tempfile.TemporaryDirectory(prefix="coval-load-worker-", ignore_cleanup_errors=True) as folder:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            env={**os.environ, "TMPDIR": folder},
        )
        return _Bridge(worker, inbox, outbox, process).run()


@attrs.define(eq=False)
class Pieces:
    """Pieces on their way from one thread to another, so many bytes of them as may be."""

    _most: int = MOST_WAITING
    _pieces: deque[bytes] = attrs.field(factory=deque, init=False)
    _bytes: int = attrs.field(default=0, init=False)
    _closed: bool = attrs.field(default=False, init=False)
    _changed: threading.Condition = attrs.field(factory=threading.Condition, init=False)

    def offer(self, pieces: Sequence[bytes]) -> bool:
        """Takes them without waiting; says whether it did. Once closed, drops them."""
        with self._changed:
            fits = self._bytes + sum(map(len, pieces)) <= self._most or not self._pieces
            if fits and not self._closed:
                self._add(pieces)
            return fits or self._closed

    def put(self, piece: bytes) -> None:
        """Waits until there is a place. Once closed, drops it."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._bytes + len(piece) <= self._most or not self._pieces)
            if not self._closed:
                self._add([piece])

    def take(self) -> list[bytes]:
        """Waits for pieces: those that fit into an item. None are left, and none will come, where there are none."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or bool(self._pieces))
            taken = fitting(self._pieces)
            self._bytes -= sum(map(len, taken))
            self._changed.notify_all()
            return taken

    def close(self) -> None:
        """No more will come; those that are there are still to be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _add(self, pieces: Sequence[bytes]) -> None:
        self._pieces.extend(pieces)
        self._bytes += sum(map(len, pieces))
        self._changed.notify_all()


def fitting(pieces: deque[bytes]) -> list[bytes]:
    """Takes the first of `pieces` off that go into one item of a queue, one at least where there are any."""
    taken: list[bytes] = []
    size = 0
    while pieces and (not taken or size + len(pieces[0]) <= LARGEST_ITEM):
        size += len(pieces[0])
        taken.append(pieces.popleft())
    return taken


@attrs.define(eq=False)
class _Bridge:
    worker: str
    inbox: Queue
    outbox: Queue
    process: "subprocess.Popen[bytes]"
    to_process: Pieces = attrs.field(factory=Pieces, init=False)
    from_process: Pieces = attrs.field(factory=Pieces, init=False)
    heard: threading.Event = attrs.field(factory=threading.Event, init=False)
    """Anything came from the coordinator."""
    was_read: threading.Event = attrs.field(factory=threading.Event, init=False)
    blame: str = attrs.field(default="", init=False)

    def run(self) -> str:
        threads = [self._start(one) for one in (self._listen, self._write, self._read, self._watch_lease)]
        self._report()
        self._end()
        self.heard.set()
        self._say((self.worker, self._why(), True), self.outbox)
        if threads[0].is_alive():
            self._say(END, self.inbox)
        for thread in threads:
            thread.join(END_WITHIN_S)
        return self._why()

    def _start(self, carrying: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=carrying, name=f"{self.worker} {carrying.__name__}", daemon=True)
        thread.start()
        return thread

    def _listen(self) -> None:
        try:
            while (item := self.inbox.get()) != END:
                self._hear(item)
        except Exception as error:  # noqa: BLE001 -- Dask raises all kinds
            self._unreachable(error)
        self._end()
        self.was_read.wait(END_WITHIN_S)  # a process that it started may have its standard output, and live on
        self.from_process.close()

    def _watch_lease(self) -> None:
        """The process ends itself when nothing is heard; one that was stopped can't."""
        while self.process.poll() is None:
            if not self.heard.wait(LEASE_S + _LATER_S):
                self._kill(f"it was killed, since nothing was heard of the coordinator for {LEASE_S:g} s")
                return
            self.heard.clear()

    def _hear(self, item: Any) -> None:
        self.heard.set()
        if item == KILL:
            self._kill("it was killed, as the coordinator asked for")
        elif not self.to_process.offer(item):
            self._kill(f"it left {MOST_WAITING} bytes unread")

    def _write(self) -> None:
        assert self.process.stdin
        with suppress(OSError, ValueError), self.process.stdin as stdin:
            while pieces := self.to_process.take():
                for piece in pieces:
                    write_piece(stdin, piece)

    def _read(self) -> None:
        assert self.process.stdout
        with self.process.stdout as stdout:
            try:
                while (piece := read_piece(stdout)) is not None:
                    self.from_process.put(piece)
            except (OSError, ValueError) as error:
                self._kill(f"what it wrote can't be read: {error}")
        self.from_process.close()
        self.was_read.set()

    def _report(self) -> None:
        try:
            while pieces := self.from_process.take():
                self.outbox.put((self.worker, pieces), timeout=_PUT_WITHIN_S, callback_timeout=2 * _PUT_WITHIN_S)
                self.was_read.wait(GATHER_S)
        except Exception as error:  # noqa: BLE001 -- Dask raises all kinds
            self._unreachable(error)

    def _unreachable(self, error: Exception) -> None:
        self.blame = self.blame or f"the Dask scheduler can't be reached: {describe(error)}"
        self.from_process.close()

    def _end(self) -> None:
        self.to_process.close()
        try:
            self.process.wait(END_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._kill(f"it was killed, since it did not end within {END_WITHIN_S:g} s of being asked to")
            self.process.wait()

    def _kill(self, blame: str) -> None:
        self.blame = self.blame or blame
        self.process.kill()

    def _why(self) -> str:
        return self.blame or describe_end(self.process.returncode)

    def _say(self, item: Any, queue: Queue) -> None:
        with suppress(Exception):
            queue.put(item, timeout=_SAY_WITHIN_S, callback_timeout=_SAY_WITHIN_S)


def describe(error: BaseException) -> str:
    """What Dask raised, in words for people: of a closed connection it says much that tells them nothing."""
    name = type(error).__name__
    return "the connection was closed" if name == "CommClosedError" else f"{name}: {error}"


def describe_end(status: int) -> str:
    """What a process's exit status says, in words: `Popen.returncode`."""
    if status >= 0:
        return f"its process ended with exit code {status}"
    try:
        return f"its process was killed by {Signals(-status).name}"
    except ValueError:
        return f"its process was killed by signal {-status}"
