"""One task reads every socket: it waits on the selector's own file descriptor and drains all that are ready.

A task and a stream for each direction of each connection was measured at two to six times the cost
(see docs/architecture.md); here bytes are handled where they land, in one synchronous call chain.
"""

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from typing import Protocol

import attrs
import trio

from coval_load.engine.readiness import READ, WRITE, Readiness, Ready, has_one_descriptor, open_readiness

_SHARE = 100
"""Sockets drained before other tasks get a turn, so that a burst can't make the metronome late."""

_STAMP_EVERY = 16
"""Sockets that share one arrival stamp: at about 20 us each, a stamp is never more than 0.4 ms early."""


class Watched(Protocol):
    """What the reactor reads for. Its methods are called synchronously and must not block."""

    def fileno(self) -> int: ...

    def readable(self, at: float) -> None:
        """Bytes can be read; `at` is the arrival stamp, in seconds of the Trio clock."""
        ...

    def writable(self) -> None:
        """What waited in the outbox can be written."""
        ...

    def broke(self, error: Exception) -> None:
        """`readable` or `writable` raised: the fault is this connection's alone."""
        ...


def _set_event() -> trio.Event:
    event = trio.Event()
    event.set()
    return event


@attrs.define
class Reactor:
    """Every connection of a run, read by one task.

    Where the platform's selector has no file descriptor of its own (Windows), or `one_task` is false, each
    connection gets a task that does the same through the same interface.
    """

    _nursery: trio.Nursery
    one_task: bool = True
    _readiness: Readiness = attrs.field(factory=open_readiness, init=False)
    _by_descriptor: dict[int, Watched] = attrs.field(factory=dict, init=False)
    _writing: set[int] = attrs.field(factory=set, init=False)
    """The descriptors of those that want to write."""
    _alone: dict[int, trio.CancelScope] = attrs.field(factory=dict, init=False)
    _writing_alone: dict[int, trio.CancelScope] = attrs.field(factory=dict, init=False)
    _watched: set[int] = attrs.field(factory=set, init=False)
    _returned: trio.Event = attrs.field(factory=_set_event, init=False)
    _left_out: list[Ready] = attrs.field(factory=list, init=False)

    def watch(self, connection: Watched) -> None:
        """Read `connection` until `forget` is called."""
        self._watched.add(id(connection))
        if self.one_task:
            descriptor = connection.fileno()
            self._readiness.register(descriptor, READ)
            self._by_descriptor[descriptor] = connection
        else:
            scope = self._alone[id(connection)] = trio.CancelScope()
            self._nursery.start_soon(self._read_alone, connection, scope)

    def wants_to_write(self, connection: Watched, wanted: bool) -> None:
        """Call `writable` when the kernel takes bytes again, or stop doing so."""
        if id(connection) not in self._watched:
            return
        if not self.one_task:
            self._want_to_write_alone(connection, wanted)
            return
        descriptor = connection.fileno()
        self._readiness.modify(descriptor, READ | WRITE if wanted else READ)
        (self._writing.add if wanted else self._writing.discard)(descriptor)

    def forget(self, connection: Watched) -> None:
        """Stop reading; must be called before the socket is closed. Harmless when called again."""
        if id(connection) not in self._watched:
            return
        self._watched.discard(id(connection))
        if self.one_task:
            descriptor = connection.fileno()
            self._readiness.unregister(descriptor)
            self._writing.discard(descriptor)
            del self._by_descriptor[descriptor]
        else:
            self._want_to_write_alone(connection, False)
            self._alone.pop(id(connection)).cancel()

    async def run(self) -> None:
        """Read until cancelled."""
        if not self.one_task:
            await trio.sleep_forever()
        descriptor = self._readiness.fileno()
        while True:
            await trio.lowlevel.wait_readable(descriptor)  # others have their turn, however much is ready
            if self._returned.is_set():
                self.drain()
            else:
                await self._returned.wait()

    def drain(self) -> None:
        """Handle what is ready, up to a bound; what is left is ready the next time too."""
        find = self._by_descriptor.get
        clock = trio.lowlevel.current_clock().current_time
        at = clock()
        # The kernel lists them in the same order each time: who was left out goes first, or would never be read.
        batch = self._left_out or self._readiness.poll(0)
        self._left_out = batch[_SHARE:]
        for number, (descriptor, ready) in enumerate(batch[:_SHARE], 1):
            # One that was forgotten since may have left its number to another, which then finds nothing to read,
            # but would take what it wrote for written only now.
            connection = find(descriptor)
            if connection is None:
                continue
            try:
                if ready != WRITE:
                    connection.readable(at)
                if ready != READ and descriptor in self._writing:
                    connection.writable()
            except Exception as error:  # noqa: BLE001 - whatever it was, it is this connection's fault alone
                connection.broke(error)
            if not number % _STAMP_EVERY:
                at = clock()

    def lend(self) -> bool:
        """Let another task call `drain` at short intervals instead; returns whether it has to."""
        if self.one_task and self._returned.is_set():
            self._returned = trio.Event()
        return self.one_task

    def take_back(self) -> None:
        """Wait for bytes by itself again."""
        self._returned.set()

    def close(self) -> None:
        """Release what it waits on."""
        self._readiness.close()

    async def _read_alone(self, connection: Watched, scope: trio.CancelScope) -> None:
        with scope:
            while self._alone.get(id(connection)) is scope:
                await trio.lowlevel.wait_readable(connection.fileno())
                if not scope.cancel_called:  # forgotten after it was woken
                    _handle(connection, READ, trio.current_time())

    def _want_to_write_alone(self, connection: Watched, wanted: bool) -> None:
        if not wanted:
            scope = self._writing_alone.pop(id(connection), None)
            if scope is not None:
                scope.cancel()
        elif id(connection) not in self._writing_alone:
            scope = self._writing_alone[id(connection)] = trio.CancelScope()
            self._nursery.start_soon(self._write_alone, connection, scope)

    async def _write_alone(self, connection: Watched, scope: trio.CancelScope) -> None:
        with scope:
            while self._writing_alone.get(id(connection)) is scope:
                await trio.lowlevel.wait_writable(connection.fileno())
                if not scope.cancel_called:
                    _handle(connection, WRITE, trio.current_time())


def _handle(connection: Watched, ready: int, at: float) -> None:
    try:
        if ready & READ:
            connection.readable(at)
        if ready & WRITE:
            connection.writable()
    except Exception as error:  # noqa: BLE001 - whatever it was, it is this connection's fault alone
        connection.broke(error)


@asynccontextmanager
async def open_reactor(one_task: bool | None = None) -> AsyncIterator[Reactor]:
    """A running reactor. `one_task` None: one task where the platform allows it."""
    if one_task is None:
        one_task = has_one_descriptor()
    with ExitStack() as afterwards:
        async with trio.open_nursery() as nursery:
            reactor = Reactor(nursery, one_task=one_task)
            afterwards.callback(reactor.close)
            nursery.start_soon(reactor.run)
            try:
                yield reactor
            finally:
                nursery.cancel_scope.cancel()
