"""A scenario of so many at once: one task for each place, which starts a simulation when its last one is over."""

from collections.abc import Iterator

import attrs
import trio

from coval_load.engine import metrics
from coval_load.engine.scenario import Scenario
from coval_load.engine.settling import Floor, Ticket
from coval_load.engine.shapes.interface import ClosedShape, Step


@attrs.define(eq=False)
class ClosedLoad:
    """Follows the steps of a closed shape from `began_at` on the Trio clock."""

    scenario: Scenario
    shape: ClosedShape
    floor: Floor
    began_at: float
    _wanted: int = attrs.field(default=0, init=False)
    _places: set[int] = attrs.field(factory=set, init=False)
    _numbers: Iterator[int] = attrs.field(init=False)
    _stopping: bool = attrs.field(default=False, init=False)
    _exhausted: bool = attrs.field(default=False, init=False)
    _ended: trio.Event = attrs.field(factory=trio.Event, init=False)
    _queue: set[trio.CancelScope] = attrs.field(factory=set, init=False)

    @_numbers.default
    def _numbers_left(self) -> Iterator[int]:
        number = 0
        while self.shape.simulations is None or number < self.shape.simulations:
            if number not in self.scenario.done:
                yield number
            number += 1

    async def start_all(self, simulations: trio.Nursery) -> None:
        """Open and close places as the shape says; returns when nothing is left to start."""
        for step in self._steps_left():
            at = self.began_at + step.at_s
            with trio.move_on_at(at):
                await self._ended.wait()
            if self._ended.is_set():
                return
            self._take(step, max(at, self.floor.resumed_at), simulations)
        await self._ended.wait()

    def _steps_left(self) -> Iterator[Step]:
        # Of a run that goes on, only where its past led to: to take one step after the other would call more.
        passed_s = self.floor.resumed_at - self.began_at
        reached = None
        for step in self.shape.steps():
            if step.at_s <= passed_s:
                reached = step
                continue
            if reached is not None:
                yield reached
                reached = None
            yield step
        if reached is not None:
            yield reached

    def stop(self) -> None:
        """Start no more; those that wait for an agent's limit never start."""
        self._stopping = True
        for scope in self._queue:
            scope.cancel()

    def _take(self, step: Step, due: float, simulations: trio.Nursery) -> None:
        # Every place below the former number is there already; one above it may still be finishing its last.
        before, self._wanted = self._wanted, step.concurrency
        for place in range(before, self._wanted):
            if place not in self._places:
                self._places.add(place)
                simulations.start_soon(self._place, place, due)

    async def _place(self, place: int, due: float) -> None:
        try:
            while place < self._wanted and not self._stopping:
                number = next(self._numbers, None)
                if number is None:
                    self._exhausted = True
                    return
                await self._one(number, due)
                due = trio.current_time()
                await trio.lowlevel.checkpoint()
        finally:
            self._places.discard(place)
            if self._exhausted and not self._places:
                self._ended.set()

    async def _one(self, number: int, due: float) -> None:
        actor, agent = self.scenario.cast(number), self.scenario.cast.labels(number).agent
        ticket = Ticket(number, self.scenario.name, agent, actor, due)
        actor.account.count(metrics.OFFERED)
        semaphore = self.floor.semaphore(agent)
        held_back = semaphore is not None and semaphore.value == 0
        admitted = False
        try:
            admitted = not self._stopping if semaphore is None else await self._wait(semaphore, ticket)
        finally:
            if not admitted:
                self.floor.never_started(ticket)
        if not admitted:
            return
        try:
            await self.floor.settle(ticket, waited=held_back)
        finally:
            if semaphore is not None:
                semaphore.release()

    async def _wait(self, semaphore: trio.Semaphore, ticket: Ticket) -> bool:
        """Wait for the agent's limit; False if the run stops first."""
        if semaphore.value:
            semaphore.acquire_nowait()
            return True
        self.floor.held_back.add(ticket.agent)
        ticket.actor.account.count(metrics.QUEUED)
        self.floor.queued += 1
        got = False
        scope = trio.CancelScope()
        self._queue.add(scope)
        if self._stopping:
            scope.cancel()
        try:
            with scope:
                await semaphore.acquire()
                got = True
        finally:
            self._queue.discard(scope)
            self.floor.queued -= 1
        return got
