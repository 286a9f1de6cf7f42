"""The post over a Dask cluster: Trio on this side, and on the other a thread with a loop of Dask's kind."""

import asyncio
import math
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import attrs
import trio

from coval_load.cluster.post import Broken, News, Post
from coval_load.cluster.where import Remote, Where

CLOSE_WITHIN_S = 8.0
"""For the thread to end when the post is closed, whatever is dead by then; it takes less unless it hangs."""


@asynccontextmanager
async def open_dask_post(where: Where, command: Sequence[str] = ()) -> AsyncIterator[Post]:
    """A post to the workers of `where`: one for each thread of each Dask worker, those that join later too.

    `command` is what starts a worker's process, `python -m coval_load.cluster` where none is given. ValueError, for
    people, where the cluster can't be reached or may not be used. When this is left, also by cancellation, all workers
    are ended.
    """
    post = _DaskPost()
    thread = threading.Thread(target=post.run, args=(where, command), name="dask", daemon=True)
    thread.start()
    try:
        await post.opened.wait()
        if post.fault:
            raise post.fault
        yield post
    finally:
        with trio.CancelScope(shield=True, deadline=trio.current_time() + CLOSE_WITHIN_S):
            post.stop()
            await post.ended.wait()
            thread.join()  # it has nothing left to do
        post.inbox.close()
        post.news.close()


@attrs.define(eq=False)
class _DaskPost:
    fault: Exception | None = attrs.field(default=None, init=False)
    opened: trio.Event = attrs.field(factory=trio.Event, init=False)
    ended: trio.Event = attrs.field(factory=trio.Event, init=False)
    news: "trio.MemorySendChannel[News]" = attrs.field(init=False)
    inbox: "trio.MemoryReceiveChannel[News]" = attrs.field(init=False)
    _trio: trio.lowlevel.TrioToken = attrs.field(factory=trio.lowlevel.current_trio_token, init=False)
    _loop: "asyncio.AbstractEventLoop | None" = attrs.field(default=None, init=False)
    _stopping: "asyncio.Event | None" = attrs.field(default=None, init=False)
    _is_to_stop: bool = attrs.field(default=False, init=False)
    _orders: deque[tuple[str, bytes | None]] = attrs.field(factory=deque, init=False)
    _engines: Any = attrs.field(default=None, init=False)
    _connecting: "asyncio.Task[None] | None" = attrs.field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self.news, self.inbox = trio.open_memory_channel[News](math.inf)

    def send(self, worker: str, data: bytes) -> None:
        self._order(worker, data)

    def kill(self, worker: str) -> None:
        self._order(worker, None)

    async def receive(self) -> News:
        return await self.inbox.receive()

    def stop(self) -> None:
        self._is_to_stop = True
        self._in_loop(self._stop)

    def _order(self, worker: str, data: bytes | None) -> None:
        self._orders.append((worker, data))
        if len(self._orders) == 1:  # else those before it are still to be looked at
            self._in_loop(self._obey)

    def _in_loop(self, does: Callable[[], object]) -> None:
        if self._loop:
            with suppress(RuntimeError):  # it has ended
                self._loop.call_soon_threadsafe(does)

    # What is below runs in the thread.

    def run(self, where: Where, command: Sequence[str]) -> None:
        try:
            asyncio.run(self._run(where, command))
        except asyncio.CancelledError:
            pass
        except Exception as error:  # noqa: BLE001 -- told, or raised on the other side
            self._in_trio(self._fail, error)
        self._in_trio(self.ended.set)

    async def _run(self, where: Where, command: Sequence[str]) -> None:
        from coval_load.cluster.dask_engines import Engines
        from coval_load.cluster.dask_start import Trust, open_client

        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        self._connecting = asyncio.current_task() if isinstance(where, Remote) else None
        async with open_client(where) as client:
            self._connecting = None
            self._engines = engines = Engines(client, Trust(where), command, self._tell)
            try:
                await engines.open()
                self._in_trio(self.opened.set)
                while not self._is_to_stop:
                    await self._stopping.wait()
            finally:
                await engines.close()

    def _stop(self) -> None:
        if self._stopping:
            self._stopping.set()
        if self._connecting:
            self._connecting.cancel()

    def _obey(self) -> None:
        while self._orders:
            worker, data = self._orders.popleft()
            if self._engines and data is not None:
                self._engines.send(worker, data)
            elif self._engines:
                self._engines.kill(worker)

    def _tell(self, news: News) -> None:
        self._in_trio(self.news.send_nowait, news)

    def _in_trio(self, does: Callable[..., object], *args: object) -> None:
        with suppress(trio.RunFinishedError):
            self._trio.run_sync_soon(_unless_closed, does, args)

    # This one runs in Trio again.

    def _fail(self, error: Exception) -> None:
        if self.opened.is_set():
            self.news.send_nowait(Broken(f"the Dask cluster can't be used any more: {type(error).__name__}: {error}"))
        else:
            self.fault = error
            self.opened.set()


def _unless_closed(does: Callable[..., object], args: tuple[object, ...]) -> None:
    with suppress(trio.ClosedResourceError, trio.BrokenResourceError):
        does(*args)
