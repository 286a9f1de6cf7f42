"""A cluster in virtual time: a `Post` to workers that only take time, what may go wrong with it, and how it truly was.

    async with simulated_cluster(workers=4, from_worker_s=(0.001, 0.05)) as cluster:
        ...  # `cluster` is the post
        cluster.crash("worker-2")

Within `trio.testing.MockClock(autojump_threshold=0)` or `run_in_virtual_time`, which takes a third of the time.
"""

import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from heapq import heappop, heappush
from random import Random
from typing import Any

import attrs
import trio
from modelled_parts import Book, Model, Truth
from simulated_worker import OwnClock, SimulatedWorker

from coval_load.cluster.post import Arrived, Broken, Expected, Gone, News

Range = tuple[float, float]


@attrs.define(eq=False)
class Calendar:
    """What is to be done when, in one task however much it is."""

    at_most_s: float
    _entries: list[tuple[float, int, Callable[[], object]]] = attrs.field(factory=list, init=False)
    _entered: int = attrs.field(default=0, init=False)
    _sooner: trio.Event = attrs.field(factory=trio.Event, init=False)
    spent_s: float = attrs.field(default=0.0, init=False)
    """Real time that all that was done took: none of the coordinator's."""

    @property
    def now(self) -> float:
        return trio.current_time()

    def at(self, when: float, act: Callable[..., object], *arguments: Any) -> None:
        if not self._entries or when < self._entries[0][0]:
            self._sooner.set()
        self._entered += 1
        heappush(self._entries, (when, self._entered, partial(act, *arguments)))

    def after(self, seconds: float, act: Callable[..., object], *arguments: Any) -> None:
        self.at(self.now + seconds, act, *arguments)

    async def run(self) -> None:
        ends_at = self.now + self.at_most_s
        while self.now <= ends_at:
            began_s = time.perf_counter()
            while self._entries and self._entries[0][0] <= self.now:
                heappop(self._entries)[2]()
            self.spent_s += time.perf_counter() - began_s
            self._sooner = trio.Event()
            with trio.move_on_at(self._entries[0][0] if self._entries else math.inf):
                await self._sooner.wait()
        raise AssertionError(f"expected the run to be over within {self.at_most_s:g} s of virtual time")


@attrs.define(eq=False)
class Way:
    """One direction: in order, each after a delay of its own."""

    calendar: Calendar
    random: Random
    delay_s: Range
    is_cut: bool = attrs.field(default=False, init=False)
    free_at: float = attrs.field(default=-math.inf, init=False)
    """Nothing arrives before."""

    def carry(self, arrive: Callable[[], object]) -> None:
        if not self.is_cut:
            self.free_at = max(self.free_at, self.calendar.now + self.random.uniform(*self.delay_s))
            self.calendar.at(self.free_at, self._arrive, arrive)

    def _arrive(self, arrive: Callable[[], object]) -> None:
        if not self.is_cut:
            arrive()


@attrs.define(eq=False)
class Seat:
    """One worker, and the ways to and from it."""

    worker: SimulatedWorker
    there: Way
    back: Way
    is_gone: bool = False


@attrs.define(eq=False, kw_only=True)
class SimulatedCluster:
    """See `cluster.post.Post`. Ranges are in seconds, drawn from evenly; clocks stand off by up to `offset_s`, and gain
    or lose up to `drift`.

    `told_after_s`: from the end of a process to `Gone`; `missed_after_s`: from a cut to Dask's missing it, None where
    it never does.
    """

    model: Model = attrs.field(factory=Model)
    seed: int = 0
    to_worker_s: Range = (0.0005, 0.002)
    from_worker_s: Range = (0.0005, 0.002)
    boot_s: Range = (0.3, 0.9)
    load_s: Range = (0.05, 0.2)
    offset_s: float = 1e5
    drift: float = 50e-6
    lease_s: float = 10.0
    told_after_s: float = 0.05
    missed_after_s: float | None = 30.0
    at_most_s: float = 3600.0
    workers_per_host: int = 2
    make_book: Callable[[Any, Model], Any] = Book.read
    truth: Truth = attrs.field(factory=Truth, init=False)
    calendar: Calendar = attrs.field(init=False)
    seats: dict[str, Seat] = attrs.field(factory=dict, init=False)
    """By the worker's name: `worker-1`, `worker-2`, ..."""
    sent: list[tuple[str, bytes]] = attrs.field(factory=list, init=False)
    """All that the coordinator sent, where `keeps_sent`."""
    keeps_sent: bool = False
    pieces_sent: int = attrs.field(default=0, init=False)
    bytes_sent: int = attrs.field(default=0, init=False)
    _random: Random = attrs.field(init=False)
    _books: dict[tuple[bytes, str], Any] = attrs.field(factory=dict, init=False)
    _is_broken: bool = attrs.field(default=False, init=False)
    _put: "trio.MemorySendChannel[News]" = attrs.field(init=False)
    _taken: "trio.MemoryReceiveChannel[News]" = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.calendar = Calendar(self.at_most_s)
        self._random = Random(self.seed)
        self._put, self._taken = trio.open_memory_channel[News](math.inf)

    def send(self, worker: str, data: bytes) -> None:
        """See `Post`."""
        self.pieces_sent += 1
        self.bytes_sent += len(data)
        if self.keeps_sent:
            self.sent.append((worker, data))
        if seat := self.seats.get(worker):
            seat.there.carry(partial(seat.worker.hear, data))

    def kill(self, worker: str) -> None:
        """See `Post`."""
        if seat := self.seats.get(worker):
            seat.there.carry(partial(seat.worker.die, "it was killed, as the coordinator asked for"))

    async def receive(self) -> News:
        """See `Post`."""
        return await self._taken.receive()

    def join(self, *, unable: tuple[str, ...] = (), late_s: float = 0.0) -> str:
        """Another worker is asked for, and comes up in a while; `late_s`: it begins all that much late. Its name."""
        name = f"worker-{len(self.seats) + 1}"
        draw = self._random.uniform
        clock = OwnClock(draw(-self.offset_s, self.offset_s), draw(-self.drift, self.drift))
        there, back = (Way(self.calendar, self._random, delay) for delay in (self.to_worker_s, self.from_worker_s))
        worker = SimulatedWorker(
            name=name,
            host=f"host-{1 + len(self.seats) // self.workers_per_host}",
            clock=clock,
            calendar=self.calendar,
            truth=self.truth,
            read_book=self._read_book,
            say=partial(self._carry_back, name),
            on_end=partial(self._ended, name),
            lease_s=self.lease_s,
            load_s=draw(*self.load_s),
            late_s=late_s,
            unable=list(unable),
        )
        self.seats[name] = Seat(worker, there, back)
        self._news(Expected(name, worker.host))
        self.calendar.after(draw(*self.boot_s), worker.boot)
        return name

    def crash(self, worker: str) -> None:
        """Its process is killed: its connections close at once, and Dask says so."""
        self.seats[worker].worker.die("its process was killed by SIGKILL")

    def hang(self, worker: str) -> None:
        """It stands still, as if stopped: silent, with its connections open, until it is killed or thaws."""
        self.seats[worker].worker.is_hung = True

    def thaw(self, worker: str) -> None:
        """It goes on, with all it had not heard; or ends, where its lease has run out."""
        self.seats[worker].worker.thaw()

    def stall(self, worker: str, seconds: float) -> None:
        """What is sent from now on, either way, arrives when so much time has gone by: a short loss of the network."""
        for way in (self.seats[worker].there, self.seats[worker].back):
            way.free_at = max(way.free_at, self.calendar.now + seconds)

    def cut_off(self, worker: str) -> None:
        """Nothing reaches it or comes from it any more; it goes on until its lease runs out."""
        self._cut(self.seats[worker])
        if self.missed_after_s is not None:
            self.calendar.after(self.missed_after_s, self._miss, worker)

    def cut_off_host(self, host: str) -> None:
        """The same for all that are there."""
        for name, seat in self.seats.items():
            if seat.worker.host == host:
                self.cut_off(name)

    def break_scheduler(self) -> None:
        """Nobody reaches anybody any more."""
        self._news(Broken("the Dask scheduler can't be reached"))
        self._is_broken = True
        for seat in self.seats.values():
            self._cut(seat)

    @property
    def alive(self) -> list[str]:
        """Workers whose process runs."""
        return [name for name, seat in self.seats.items() if not seat.worker.is_dead]

    def clock_of(self, worker: str) -> OwnClock:
        return self.seats[worker].worker.clock

    def _carry_back(self, name: str, data: bytes, when_there: Callable[[], object] | None) -> None:
        def arrive() -> None:
            if not self.seats[name].is_gone:
                self._news(Arrived(name, data))
                if when_there is not None:
                    when_there()

        self.seats[name].back.carry(arrive)

    def _ended(self, name: str, why: str) -> None:
        back = self.seats[name].back
        self.calendar.after(self.told_after_s, back.carry, partial(self._gone, name, why, is_dead=True))

    def _miss(self, name: str) -> None:
        self._gone(name, "Dask has not heard of its worker any more", is_dead=False)

    def _gone(self, name: str, why: str, *, is_dead: bool) -> None:
        if not self.seats[name].is_gone:
            self.seats[name].is_gone = True
            self._news(Gone(name, why, is_dead))

    def _cut(self, seat: Seat) -> None:
        seat.there.is_cut = seat.back.is_cut = True

    def _news(self, news: News) -> None:
        if not self._is_broken:
            self._put.send_nowait(news)

    def _read_book(self, setting: Any) -> Any:
        key = (setting.plan, setting.run_id)
        if key not in self._books:
            self._books[key] = self.make_book(setting, self.model)
        return self._books[key]


@asynccontextmanager
async def simulated_cluster(workers: int = 2, **given: Any) -> AsyncIterator[SimulatedCluster]:
    """So many workers, asked for now; `given` are fields of `SimulatedCluster`."""
    cluster = SimulatedCluster(**given)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(cluster.calendar.run)
        for _ in range(workers):
            cluster.join()
        yield cluster
        nursery.cancel_scope.cancel()
