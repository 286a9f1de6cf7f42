"""The workers of a run as tasks of a Dask cluster: asks for them, carries what is sent, tells what happens.

All of this runs in the thread and the loop of the Dask client.
"""

import asyncio
import uuid
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import attrs

from coval_load.cluster.bridge import END, GATHER_S, KILL, MOST_WAITING, describe, fitting
from coval_load.cluster.dask_start import Trust, open_queue
from coval_load.cluster.post import Arrived, Broken, Expected, Gone, News

_END_WITHIN_S = 2.0
_RELEASE_WITHIN_S = 1.0
_ITEMS_TO_WORKER = 4
_ITEMS_TO_COORDINATOR = 256


@attrs.define(eq=False)
class Engine:
    """One worker: a task in a thread of the Dask worker at `address`."""

    name: str
    address: str
    waiting: deque[bytes] = attrs.field(factory=deque)
    waiting_bytes: int = 0
    last_word: str = ""
    has_arrived: bool = False
    is_gone: bool = False
    is_dropped: bool = False
    inbox: Any = None
    future: Any = None
    something: asyncio.Event = attrs.field(factory=asyncio.Event)

    def take(self) -> list[bytes]:
        """What goes out as the next item."""
        pieces = fitting(self.waiting)
        self.waiting_bytes -= sum(map(len, pieces))
        return pieces

    def drop(self) -> None:
        """Dask is to forget its task, or would do it again should a worker with the same address turn up."""
        self.is_dropped = True
        if self.future:
            self.future.release()

    def forget(self) -> None:
        """Nothing more is to be sent but, maybe, a last word."""
        self.waiting.clear()
        self.waiting_bytes = 0
        self.something.set()


@attrs.define(eq=False)
class Engines:
    """All workers, by name. `tell` is called for each thing that happens."""

    client: Any
    trust: Trust
    command: Sequence[str]
    tell: Callable[[News], None]
    engines: dict[str, Engine] = attrs.field(factory=dict, init=False)
    _id: str = attrs.field(factory=lambda: f"coval-load-{uuid.uuid4().hex}", init=False)
    _outbox: Any = attrs.field(default=None, init=False)
    _addresses: dict[str, list[Engine]] = attrs.field(factory=dict, init=False)
    _removals: int = attrs.field(default=0, init=False)
    _look: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)
    _is_over: bool = attrs.field(default=False, init=False)
    _tasks: "set[asyncio.Task[None]]" = attrs.field(factory=set, init=False)
    _watchers: "set[asyncio.Task[None]]" = attrs.field(factory=set, init=False)

    async def open(self) -> None:
        """Ask for a worker in each thread of each Dask worker that is there, and from now on of each that joins.

        ValueError, for people, where the secrets of agents would travel in plain text.
        """
        self._outbox = await self._queue("to-coordinator", _ITEMS_TO_COORDINATOR)
        self.client.subscribe_topic("all", self._heard)
        for address in await self.client.nthreads():
            if objection := self.trust.objection(address):
                raise ValueError(objection)
        self._look.set()
        self._start(self._look_around())
        self._start(self._receive())

    def send(self, name: str, data: bytes) -> None:
        """See `Post.send`."""
        engine = self.engines.get(name)
        if engine is None or engine.is_gone or self._is_over:
            return
        engine.waiting.append(data)
        engine.waiting_bytes += len(data)
        engine.something.set()
        if engine.waiting_bytes > MOST_WAITING and len(engine.waiting) > 1:
            engine.last_word = KILL
            self._gone(engine, f"it does not take what is sent to it: {engine.waiting_bytes} bytes wait", is_dead=False)

    def kill(self, name: str) -> None:
        """See `Post.kill`."""
        if engine := self.engines.get(name):
            engine.last_word = KILL
            engine.forget()

    async def close(self) -> None:
        """End all workers, and take back what the scheduler has of this run. Takes some seconds at most."""
        if not self._is_over:
            with suppress(Exception):
                await asyncio.wait_for(self._end_all(), _END_WITHIN_S)
        was_broken, self._is_over = self._is_over, True
        tasks = self._tasks | self._watchers
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if not was_broken and self._outbox:
            with suppress(Exception):
                await self._release()

    def _heard(self, event: Any) -> None:
        message = event[1]
        action = message.get("action") if isinstance(message, dict) else None
        if action == "add-worker":
            self._look.set()
        elif action == "remove-worker":
            self._removals += 1
            for engine in self._addresses.pop(message["worker"], []):
                self._start(self._part(engine, f"the Dask worker at {engine.address} is gone"))
                engine.drop()

    async def _look_around(self) -> None:
        while await self._look.wait():
            self._look.clear()
            removals = self._removals
            threads = await self.client.nthreads()
            if removals != self._removals:
                self._look.set()  # whether what was answered is from before or after, nobody knows
                continue
            new = [self._expect(address, threads[address]) for address in threads if address not in self._addresses]
            await asyncio.gather(*(self._begin(engine) for engines in new for engine in engines))

    def _expect(self, address: str, threads: int) -> list[Engine]:
        engines = [Engine(f"worker-{len(self.engines) + number}", address) for number in range(1, threads + 1)]
        self._addresses[address] = engines
        self.engines |= {engine.name: engine for engine in engines}
        for engine in engines:
            self.tell(Expected(engine.name, urlsplit(address).hostname or address))
            if objection := self.trust.objection(address):
                self._gone(engine, objection, is_dead=True)
        return engines

    async def _begin(self, engine: Engine) -> None:
        engine.inbox = await self._queue(engine.name, _ITEMS_TO_WORKER)
        if engine.is_gone or engine.is_dropped:
            return
        engine.future = self.client.submit(
            _task(),
            engine.name,
            engine.inbox.name,
            self._outbox.name,
            tuple(self.command),
            key=f"{self._id}-{engine.name}",
            workers=[engine.address],
            allow_other_workers=False,
            pure=False,
            retries=0,
        )
        self._start(self._send(engine))
        self._watchers.add(asyncio.create_task(self._guard(self._watch(engine))))

    async def _watch(self, engine: Engine) -> None:
        error = await engine.future.exception()
        why = f"its task failed: {describe(error)}" if error else f"its task is {engine.future.status}"
        engine.drop()
        await self._part(engine, why)

    async def _part(self, engine: Engine, why: str) -> None:
        """By the queue: what came before is told before, and where that was a better reason, this one is not told."""
        await self._outbox.put((engine.name, why, False))

    async def _send(self, engine: Engine) -> None:
        while await engine.something.wait():
            engine.something.clear()
            while pieces := engine.take():
                await engine.inbox.put(pieces)
            if engine.last_word:
                await engine.inbox.put(engine.last_word)
                return
            await asyncio.sleep(GATHER_S)

    async def _receive(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            since = clock()
            item = await self._outbox.get()
            if item == END:
                return
            self._take(item)
            if clock() - since < GATHER_S:
                for item in await self._outbox.get(batch=True):
                    self._take(item)

    def _take(self, item: Any) -> None:
        engine = self.engines[item[0]]
        if len(item) == 3:
            self._gone(engine, item[1], is_dead=item[2])
        elif not engine.is_gone:
            engine.has_arrived = True
            for piece in item[1]:
                self.tell(Arrived(engine.name, piece))

    def _gone(self, engine: Engine, why: str, *, is_dead: bool) -> None:
        if engine.is_gone:
            return
        engine.is_gone = True
        engine.last_word = engine.last_word or END
        engine.forget()
        self.tell(Gone(engine.name, why, is_dead))

    async def _end_all(self) -> None:
        for engine in self.engines.values():
            engine.last_word = engine.last_word or END
            engine.something.set()
        never = [one.future for one in self.engines.values() if one.future and not one.has_arrived and not one.is_gone]
        if never:
            await self.client.cancel(never)
        await asyncio.gather(*self._watchers)
        await self._outbox.put(END)

    async def _release(self) -> None:
        """Queues count who has opened them; whoever waits in one, in the scheduler, waits until there is an item."""
        inboxes = [engine.inbox for engine in self.engines.values() if engine.inbox]
        with suppress(Exception):
            await asyncio.wait_for(asyncio.gather(*map(_empty, [self._outbox, *inboxes])), _RELEASE_WITHIN_S)
        for _ in range(len(self.engines) + 2):
            self._outbox.close()
        for inbox in 3 * inboxes:
            inbox.close()

    async def _queue(self, name: str, most: int) -> Any:
        return await open_queue(self.client, f"{self._id}-{name}", most)

    def _start(self, carrying: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(self._guard(carrying))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guard(self, carrying: Coroutine[Any, Any, None]) -> None:
        try:
            await carrying
        except Exception as error:  # noqa: BLE001 -- Dask raises all kinds
            if not self._is_over:
                self._is_over = True
                self.tell(Broken(f"the Dask scheduler can't be reached: {describe(error)}"))


def _task() -> Callable[..., str]:
    """What Dask is to do. It travels as code, not by name: so only workers need this package, and the scheduler not."""

    def serve_there(*told: Any) -> str:
        from coval_load.cluster.bridge import serve

        return serve(*told)

    return serve_there


async def _empty(queue: Any) -> None:
    await queue.get(batch=True)
    await queue.put(END)
    await asyncio.sleep(0)
    await queue.get(batch=True)
