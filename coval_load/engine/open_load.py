"""A scenario of so many a second: each simulation starts when it is due, waits if the plan says so, or is dropped."""

from random import Random

import attrs
import trio

from coval_load.engine import metrics
from coval_load.engine.scenario import Scenario
from coval_load.engine.settling import Floor, Ticket
from coval_load.engine.shapes.interface import OpenShape


@attrs.define(eq=False)
class OpenLoad:
    """Follows the due times of an open shape from `began_at` on the Trio clock; never waits for the agent."""

    scenario: Scenario
    shape: OpenShape
    floor: Floor
    began_at: float
    _stopping: bool = attrs.field(default=False, init=False)
    _places: trio.Semaphore = attrs.field(init=False)
    _queue: set[trio.CancelScope] = attrs.field(factory=set, init=False)

    @_places.default
    def _all_places(self) -> trio.Semaphore:
        return trio.Semaphore(self.shape.most_at_once)

    async def start_all(self, simulations: trio.Nursery) -> None:
        """Start what is due, when it is due; returns at the end of the shape."""
        for number, offset in enumerate(self.shape.due_times(Random(self.scenario.seed))):
            due = self.began_at + offset
            if due < self.floor.resumed_at or number in self.scenario.done:
                continue
            await trio.sleep_until(due)
            self.floor.noted_start(trio.current_time() - due)
            self._offer(number, due, simulations)
        await trio.sleep_until(self.began_at + self.shape.duration_s)

    def stop(self) -> None:
        """Start no more; those that wait never start."""
        self._stopping = True
        for scope in self._queue:
            scope.cancel()

    def _offer(self, number: int, due: float, simulations: trio.Nursery) -> None:
        labels = self.scenario.cast.labels(number)
        account = self.floor.results.account(labels)
        account.count(metrics.OFFERED)
        if not self.floor.offers():
            account.count(metrics.DROPPED)
            return
        taken = self._take_places(labels.agent)
        if not taken and (self.shape.when_full == "drop" or len(self._queue) >= self.scenario.queued_at_most):
            account.count(metrics.DROPPED)
            return
        actor = self.scenario.cast(number)
        ticket = Ticket(number, self.scenario.name, labels.agent, actor, due, at_once=not taken)
        if taken:
            simulations.start_soon(self._one, ticket)
            return
        account.count(metrics.QUEUED)
        scope = trio.CancelScope()
        self._queue.add(scope)
        simulations.start_soon(self._wait, ticket, scope)

    def _take_places(self, agent: str) -> bool:
        """Take the agent's limit and a place under the cap, or neither."""
        semaphore = self.floor.semaphore(agent)
        if semaphore is not None and not semaphore.value:
            self.floor.held_back.add(agent)
            return False
        if not self._places.value:
            return False
        if semaphore is not None:
            semaphore.acquire_nowait()
        self._places.acquire_nowait()
        return True

    async def _wait(self, ticket: Ticket, scope: trio.CancelScope) -> None:
        # The agent's limit first: who waits for one agent must not hold a place that another agent's caller could have.
        semaphore = self.floor.semaphore(ticket.agent)
        has_limit = admitted = False
        self.floor.queued += 1
        try:
            with scope:
                if semaphore is not None:
                    await semaphore.acquire()
                    has_limit = True
                await self._places.acquire()
                admitted = True
        finally:
            self._queue.discard(scope)
            self.floor.queued -= 1
            if not admitted:
                if has_limit and semaphore is not None:
                    semaphore.release()
                self.floor.never_started(ticket)
        if admitted:
            await self._one(ticket)

    async def _one(self, ticket: Ticket) -> None:
        semaphore = self.floor.semaphore(ticket.agent)
        try:
            await self.floor.settle(ticket, waited=False)
        finally:
            self._places.release()
            if semaphore is not None:
                semaphore.release()
