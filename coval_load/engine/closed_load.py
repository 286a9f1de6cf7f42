"""A scenario of so many at once: one task for each place, which starts a simulation when its last one is over."""

from collections.abc import Iterator

import attrs
import trio

from coval_load.engine import metrics
from coval_load.engine.outcome import Outcome
from coval_load.engine.scenario import Scenario
from coval_load.engine.settling import Floor, Ticket
from coval_load.engine.shapes.constant import Constant
from coval_load.engine.shapes.interface import ClosedShape, Step
from coval_load.engine.shapes.simulations import Simulations

AT_ONCE_S = 1.0
"""A simulation that failed in less has hardly called anybody."""
ROUNDS_WITHOUT_REST = 3
FIRST_REST_S = 0.1
LONGEST_REST_S = 5.0
"""A night of an agent that refuses all calls is then some megabytes of rows, not a full disk."""


def rest_s(rounds: int) -> float:
    """How long a place rests after so many rounds, of all places, of simulations that failed at once; it doubles."""
    if rounds <= ROUNDS_WITHOUT_REST:
        return 0.0
    return float(min(FIRST_REST_S * 2 ** min(rounds - ROUNDS_WITHOUT_REST - 1, 10), LONGEST_REST_S))


@attrs.define(eq=False)
class ClosedLoad:
    """Follows the steps of a closed shape from `began_at` on the Trio clock.

    Where only time ends the load and all simulations fail at once, places rest before their next ones.
    """

    scenario: Scenario
    shape: ClosedShape
    floor: Floor
    began_at: float
    _wanted: int = attrs.field(default=0, init=False)
    _nursery: trio.Nursery | None = attrs.field(default=None, init=False)
    _places: set[int] = attrs.field(factory=set, init=False)
    _numbers: Iterator[int] = attrs.field(init=False)
    _stopped: trio.Event = attrs.field(factory=trio.Event, init=False)
    _failed_in_a_row: int = attrs.field(default=0, init=False)
    """Simulations that failed at once since the last one that did not."""
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
        self._nursery = simulations
        for step in self._steps_left():
            at = self.began_at + step.at_s
            with trio.move_on_at(at):
                await self._ended.wait()
            if self._ended.is_set():
                return
            await self._take(step, max(at, self.floor.resumed_at), simulations)
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

    @property
    def wanted(self) -> int:
        """How many at once it asks for now."""
        return self._wanted

    @property
    def is_changeable(self) -> bool:
        """Whether it goes on, and asks for the same concurrency throughout."""
        goes_on = self._nursery is not None and not self._stopped.is_set() and not self._ended.is_set()
        return goes_on and isinstance(self.shape, Constant | Simulations)

    def change(self, concurrency: int) -> None:
        """From now on `concurrency` at once; a place that goes away finishes its conversation first."""
        assert self._nursery is not None
        # At once: of tasks that begin together nobody knows which comes first, and the last change has to hold.
        before, self._wanted = self._wanted, concurrency
        self._nursery.start_soon(self._open, before, trio.current_time(), self._nursery)

    def refill(self) -> None:
        """Open again places that were given up, as many as it is to have; see `Floor.places_of`."""
        if self._nursery is not None and not self._stopped.is_set() and not self._exhausted:
            self._nursery.start_soon(self._open, 0, trio.current_time(), self._nursery)

    def stop(self) -> None:
        """Start no more; those that wait for an agent's limit never start."""
        self._stopped.set()
        for scope in self._queue:
            scope.cancel()

    async def _take(self, step: Step, due: float, simulations: trio.Nursery) -> None:
        before, self._wanted = self._wanted, step.concurrency
        await self._open(before, due, simulations)

    async def _open(self, before: int, due: float, simulations: trio.Nursery) -> None:
        # Every place below the former number is there already; one above it may still be finishing its last.
        for place in range(before, self._wanted):
            if len(self._places) >= self.floor.places_of(self._wanted):
                return
            if place not in self._places:
                self._places.add(place)
                simulations.start_soon(self._place, place, due)
                await trio.lowlevel.checkpoint()  # a thousand that begin at once would hold the loop for 100 ms

    async def _place(self, place: int, due: float) -> None:
        at_once = False
        try:
            while place < self._wanted and not self._stopped.is_set():
                number = next(self._numbers, None)
                if number is None:
                    self._exhausted = True
                    return
                began = trio.current_time()
                outcome = await self._one(number, due, at_once)
                if not self.floor.may_follow(outcome) and len(self._places) > self.floor.places_of(self._wanted):
                    return
                failed_at_once = outcome.status == "failed" and trio.current_time() - began < AT_ONCE_S
                self._failed_in_a_row = self._failed_in_a_row + 1 if failed_at_once else 0
                await self._rest()
                due, at_once = trio.current_time(), True
                await trio.lowlevel.checkpoint()
        finally:
            self._places.discard(place)
            if self._exhausted and not self._places:
                self._ended.set()

    async def _rest(self) -> None:
        seconds = rest_s(self._failed_in_a_row // max(self._wanted, 1))
        if not seconds or self.shape.duration_s is None:
            return
        self.floor.results.note(
            "all simulations failed at once for a while, so that callers waited before their next ones, up to "
            f"{LONGEST_REST_S:g} s: a closed load does not flood an agent that is down"
        )
        with trio.move_on_after(seconds):
            await self._stopped.wait()

    async def _one(self, number: int, due: float, at_once: bool) -> Outcome:
        actor, agent = self.scenario.cast(number), self.scenario.cast.labels(number).agent
        ticket = Ticket(number, self.scenario.name, agent, actor, due, at_once)
        actor.account.count(metrics.OFFERED)
        semaphore = self.floor.semaphore(agent)
        held_back = semaphore is not None and semaphore.value == 0
        admitted = False
        try:
            admitted = not self._stopped.is_set() if semaphore is None else await self._wait(semaphore, ticket)
        finally:
            if not admitted:
                self.floor.never_started(ticket)
        if not admitted:
            return Outcome("cancelled")
        try:
            return await self.floor.settle(ticket, waited=held_back)
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
        if self._stopped.is_set():
            scope.cancel()
        try:
            with scope:
                await semaphore.acquire()
                got = True
        finally:
            self._queue.discard(scope)
            self.floor.queued -= 1
        return got
