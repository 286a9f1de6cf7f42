"""A closed load: one nursery, one task for each simulation, one semaphore for each agent, two nested deadlines."""

import math
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import attrs
import trio

from coval_load.engine import metrics
from coval_load.engine.outcome import ErrorKind, Failure, Outcome, SimulationFailed, Stage, leaves, worst
from coval_load.engine.plan import Load, Timeouts
from coval_load.engine.results import Results


class Actor(Protocol):
    """One simulation, as far as the engine knows it."""

    @property
    def agent(self) -> str:
        """The name of the agent whose limit it counts against."""
        ...

    @property
    def stage(self) -> Stage:
        """Where it is now, for the row of one that fails."""
        ...

    async def run(self, due: float) -> None:
        """From dial, which was due at `due`, to hang-up. Raises SimulationFailed, or what nobody foresaw."""
        ...

    def failure_of(self, error: BaseException) -> Failure:
        """What `error`, raised by `run`, is called."""
        ...

    def row(self) -> dict[str, Any]:
        """What stands in `simulations.jsonl` beside times and outcome."""
        ...

    def finished(self, outcome: Outcome) -> None:
        """Called once, synchronously, whatever happened: let go of everything."""
        ...


@attrs.define
class Runner:
    """Runs the simulations of a plan and settles each to one outcome.

    `cast(number)` makes simulation `number`; `limits` gives simultaneous simulations for each agent's name;
    `write_row` takes a finished row and never waits.
    """

    load: Load
    timeouts: Timeouts
    limits: Mapping[str, int | None]
    cast: Callable[[int], Actor]
    results: Results
    write_row: Callable[[dict[str, Any]], object]
    started_at: float = attrs.field(default=math.nan, init=False)
    running: int = attrs.field(default=0, init=False)
    queued: int = attrs.field(default=0, init=False)
    held_back: set[str] = attrs.field(factory=set, init=False)
    _stopping: bool = attrs.field(default=False, init=False)
    _starting: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    _all: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    _queue: set[trio.CancelScope] = attrs.field(factory=set, init=False)
    _agents: dict[str, trio.Semaphore] = attrs.field(factory=dict, init=False)
    _freed: deque[float] = attrs.field(factory=deque, init=False)

    async def run(self) -> None:
        """Returns when every simulation that was offered has been settled."""
        self.started_at = trio.current_time()
        duration = math.inf if self.load.duration_s is None else self.load.duration_s
        self._starting.deadline = min(self._starting.deadline, self.started_at + duration)
        self._all.deadline = min(self._all.deadline, self.started_at + duration + self.timeouts.grace_s)
        with self._all:
            async with trio.open_nursery() as simulations:
                with self._starting:
                    await self._start_all(simulations)
                self._stop_queue()

    def stop(self) -> None:
        """No new simulations; the running ones have the grace period to finish."""
        self._starting.cancel()
        self._all.deadline = min(self._all.deadline, trio.current_time() + self.timeouts.grace_s)
        self._stop_queue()

    def cut(self) -> None:
        """End everything now."""
        self._stopping = True
        self._starting.cancel()
        self._all.cancel()

    async def _start_all(self, simulations: trio.Nursery) -> None:
        places = trio.Semaphore(self.load.concurrency)
        number = 0
        while self.load.simulations is None or number < self.load.simulations:
            await places.acquire()
            due = self._freed.popleft() if self._freed else self.started_at
            simulations.start_soon(self._one, number, due, places)
            number += 1
        for _ in range(self.load.concurrency):
            await places.acquire()

    def _stop_queue(self) -> None:
        self._stopping = True
        for scope in self._queue:
            scope.cancel()

    async def _one(self, number: int, due: float, places: trio.Semaphore) -> None:
        actor = self.cast(number)
        self.results.count(metrics.OFFERED)
        admitted = False
        try:
            semaphore = self._semaphore(actor.agent)
            try:
                held_back = semaphore is not None and semaphore.value == 0
                admitted = not self._stopping if semaphore is None else await self._take_turn(semaphore, actor.agent)
            finally:
                if not admitted:
                    self._finish(actor, Outcome("cancelled"), due, None)
            if admitted:
                try:
                    await self._settle(actor, due, held_back=held_back)
                finally:
                    if semaphore is not None:
                        semaphore.release()
        finally:
            self._freed.append(trio.current_time())
            places.release()

    def _semaphore(self, agent: str) -> trio.Semaphore | None:
        limit = self.limits.get(agent)
        if limit is None:
            return None
        return self._agents.setdefault(agent, trio.Semaphore(limit))

    async def _take_turn(self, semaphore: trio.Semaphore, agent: str) -> bool:
        """Wait for the agent's limit; False if the run stops first."""
        try:
            semaphore.acquire_nowait()
            return not self._stopping or self._give_back(semaphore)
        except trio.WouldBlock:
            self.held_back.add(agent)
        self.queued += 1
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
            self.queued -= 1
        return got

    @staticmethod
    def _give_back(semaphore: trio.Semaphore) -> bool:
        semaphore.release()
        return False

    async def _settle(self, actor: Actor, due: float, *, held_back: bool) -> None:
        outcome = Outcome("cancelled")
        started_at = trio.current_time()
        self.results.record(metrics.QUEUE_TIME, started_at - due)
        self.results.count(metrics.STARTED)
        self.running += 1
        try:
            with trio.move_on_after(self.timeouts.simulation_s) as scope:
                await actor.run(started_at if held_back else due)
            if scope.cancelled_caught:
                raise self._too_long()
            outcome = Outcome("completed")
        except* Exception as group:  # noqa: BLE001 - the one place that turns any fault into an outcome
            failures = [actor.failure_of(error) for error in leaves(group)]
            if scope.cancel_called:  # what was raised may only be what came of that
                failures.append(actor.failure_of(self._too_long()))
            outcome = Outcome("failed", worst(failures))
        except* trio.Cancelled:
            outcome = Outcome("cancelled")
            raise
        finally:
            self.running -= 1
            self._finish(actor, outcome, due, started_at)

    def _too_long(self) -> SimulationFailed:
        return SimulationFailed(
            ErrorKind.SIMULATION_TIMEOUT,
            f"expected the conversation to end within {self.timeouts.simulation_s:g} s; it was cut off: "
            "raise timeouts.simulation in the plan, or look for an agent that never stops",
        )

    def _finish(self, actor: Actor, outcome: Outcome, due: float, started_at: float | None) -> None:
        try:
            actor.finished(outcome)
        except Exception as error:  # noqa: BLE001 - a fault of ours, and this simulation's alone
            earlier = [] if outcome.error is None else [outcome.error]
            outcome = Outcome("failed", worst([*earlier, actor.failure_of(error)]))
        self._write(actor, outcome, due, started_at)

    def _write(self, actor: Actor, outcome: Outcome, due: float, started_at: float | None) -> None:
        self.results.finished(outcome)
        self.results.agent(actor.agent).finished(outcome)
        row = actor.row()
        left_queue_at = trio.current_time() if started_at is None else started_at
        row["metrics"] = {"queue_time": left_queue_at - due, **row["metrics"]}
        error = outcome.error
        self.write_row(
            {
                **row,
                "scheduled_at": due - self.started_at,
                "started_at": None if started_at is None else started_at - self.started_at,
                "ended_at": trio.current_time() - self.started_at,
                "outcome": outcome.status,
                "error": None if error is None else error.row(),
            }
        )
