"""The dashboard's web server: a thread with a Trio loop of its own, so that nothing a browser does holds up the engine.

A reader that stops reading, or a library that waits for it, can keep this thread; it never keeps the run.
"""

import logging
import socket
import threading
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import attrs
import trio

from coval_load.engine.results import Results
from coval_load.engine.runner import Runner
from coval_load.report.dashboard.access import Address
from coval_load.report.dashboard.app import Dashboard, Run
from coval_load.report.dashboard.snapshot import Snapshot, Snapshots
from coval_load.report.exports.measurements import Family, measurements

_Given = TypeVar("_Given")
MOST_CONNECTIONS = 64
"""Of all readers together: the run needs descriptors for its own."""
_END_WITHIN_S = 1.0


def listen(address: Address) -> socket.socket:
    """A socket that listens at `address`. ValueError, for people, where that can't be."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((address.host, address.port))
        found.listen(100)
        found.setblocking(False)
    except OSError as error:
        found.close()
        raise ValueError(
            f"expected to listen on {address}; got: {error.strerror or error}: give another address with "
            "--web-address or --prometheus-address"
        ) from None
    return found


@attrs.frozen(eq=False)
class EngineRun:
    """A run asked from the server's thread; see `app.Run`. `told` is called once where the server fails."""

    name: str
    folder: str
    runner: Runner
    results: Results
    snapshots: Snapshots
    stop_run: Callable[[], object]
    engine: trio.lowlevel.TrioToken = attrs.field(factory=trio.lowlevel.current_trio_token)

    async def snapshot(self) -> Snapshot | None:
        """See `app.Run`."""
        return await self._ask(self.snapshots.take)

    async def measure(self) -> Iterable[Family]:
        """See `app.Run`."""
        return await self._ask(self._measure)

    async def stop(self) -> None:
        """See `app.Run`."""
        await self._ask(self.stop_run)

    async def change(self, scenario: int, concurrency: int) -> None:
        """See `app.Run`."""
        if not 0 <= scenario < len(self.runner.scenarios):
            raise ValueError(f"expected a scenario of the plan; got number {scenario}")
        await self._ask(partial(self.runner.change, self.runner.scenarios[scenario].name, concurrency))

    def _measure(self) -> list[Family]:
        return list(measurements(self.results, running=self.runner.running, queued=self.runner.queued))

    async def _ask(self, what: Callable[[], _Given]) -> _Given:
        asking = partial(trio.from_thread.run_sync, what, trio_token=self.engine)
        return await trio.to_thread.run_sync(asking, abandon_on_cancel=True)


async def serve(
    dashboard: Dashboard,
    listening: socket.socket,
    told: Callable[[str], object],
    end: Callable[[], Awaitable[object]] = trio.lowlevel.checkpoint,
) -> None:
    """Serve until cancelled, from a thread of its own; `told` gets a sentence if the server fails.

    Once cancelled it serves on until `end` returns.
    """
    server = _Server(dashboard.app(), listening)
    try:
        wrong = await trio.to_thread.run_sync(server.run, abandon_on_cancel=True)
        if wrong is not None:
            told(f"the dashboard ended: {wrong}")
    finally:
        with trio.CancelScope(shield=True):
            if not server.over.is_set():
                await end()
            server.end()
            await trio.to_thread.run_sync(server.over.wait, _END_WITHIN_S)


@attrs.define(eq=False)
class _Server:
    app: Any
    listening: socket.socket
    over: threading.Event = attrs.field(factory=threading.Event, init=False)
    _token: trio.lowlevel.TrioToken | None = attrs.field(default=None, init=False)
    _scope: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    _ended: bool = attrs.field(default=False, init=False)

    def run(self) -> str | None:
        """In the thread; returns what went wrong."""
        try:
            trio.run(self._serve)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is the dashboard's alone
            return f"{type(error).__name__}: {error}"
        finally:
            self.listening.close()
            self.over.set()
        return None

    def end(self) -> None:
        """From the engine's thread: end what can be ended; what can't is left to the end of the process."""
        self._ended = True
        if self._token is not None:
            with suppress(trio.RunFinishedError):
                self._token.run_sync_soon(self._scope.cancel)

    async def _serve(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        if self._ended:
            return
        gate = Gate(trio.SocketListener(trio.socket.from_stdlib_socket(self.listening)))
        with self._scope:
            await trio.serve_listeners(partial(gate.pass_to, _answering(self.app)), [gate])


@attrs.define(eq=False)
class Gate(trio.abc.Listener[trio.SocketStream]):
    """Lets in `room` connections at once; others wait in the system's queue, which takes none of our descriptors."""

    listener: trio.abc.Listener[trio.SocketStream]
    room: trio.Semaphore = attrs.field(factory=lambda: trio.Semaphore(MOST_CONNECTIONS))

    async def accept(self) -> trio.SocketStream:
        """The next connection, once there is room; whoever takes it gives it to `pass_to`."""
        await self.room.acquire()
        try:
            return await self.listener.accept()
        except BaseException:
            self.room.release()
            raise

    async def pass_to(
        self, answer: Callable[[trio.SocketStream], Awaitable[object]], stream: trio.SocketStream
    ) -> None:
        """Have `stream` answered, and let the next one in."""
        try:
            await answer(stream)
        finally:
            await trio.aclose_forcefully(stream)
            self.room.release()

    async def aclose(self) -> None:
        """Listen no longer."""
        await self.listener.aclose()


def _answering(app: Any) -> Callable[[trio.SocketStream], Awaitable[object]]:
    from hypercorn.config import Config
    from hypercorn.trio.tcp_server import TCPServer  # its `serve` lets in everybody
    from hypercorn.trio.worker_context import WorkerContext
    from hypercorn.typing import ConnectionState
    from hypercorn.utils import wrap_app

    logging.getLogger("hypercorn.error").setLevel(logging.CRITICAL)
    config = Config()
    config.keep_alive_timeout = 5  # hypercorn keeps the place of a reader that left for as long, too
    config.accesslog = None
    config.errorlog = None
    config.include_server_header = False
    wrapped, context = wrap_app(app, config.wsgi_max_body_size, "asgi"), WorkerContext(None)

    async def answer(stream: trio.SocketStream) -> None:
        await TCPServer(wrapped, config, context, ConnectionState({}), stream)  # type: ignore[arg-type]

    return answer


def run_of(
    name: str, folder: str, runner: Runner, results: Results, snapshots: Snapshots, stop: Callable[[], object]
) -> Run:
    """The run as the dashboard asks it; called on the engine's loop."""
    return EngineRun(name, folder, runner, results, snapshots, stop)
