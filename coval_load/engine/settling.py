"""From a simulation that may start to its one outcome and its row, whatever happens in between."""

import math
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import attrs
import trio

from coval_load.engine import metrics, resources
from coval_load.engine.before_start import RESERVE
from coval_load.engine.outcome import ErrorKind, Outcome, SimulationFailed, forget_frames, leaves, worst
from coval_load.engine.plan import Timeouts
from coval_load.engine.results import Results
from coval_load.engine.scenario import Actor


@attrs.frozen(eq=False)
class Ticket:
    """One simulation that is due at `due`, on the Trio clock; `at_once`: when another one made room for it."""

    number: int
    scenario: str
    agent: str
    actor: Actor
    due: float
    at_once: bool = False


class _NoDeadline:
    """As a cancel scope that nobody cancels, for a tenth of what one costs."""

    cancelled_caught = cancel_called = False

    def __enter__(self) -> "_NoDeadline":
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to do."""


NO_DEADLINE = _NoDeadline()


@attrs.define
class Floor:
    """What the scenarios of a run share: the agents' limits, the results, and where rows go.

    `limits` gives simultaneous simulations for each agent's name; `write_row` takes a finished row and never
    waits. `origin` is the start of the run on the Trio clock in seconds, `resumed_at` where this part of it began:
    the same, or later where the run goes on with what an earlier process left.
    """

    timeouts: Timeouts
    limits: Mapping[str, int | None]
    results: Results
    write_row: Callable[[dict[str, Any]], object]
    origin: float = 0.0
    resumed_at: float = 0.0
    running: int = attrs.field(default=0, init=False)
    queued: int = attrs.field(default=0, init=False)
    active: set[Ticket] = attrs.field(factory=set, init=False)
    """Simulations that run now."""
    held_back: set[str] = attrs.field(factory=set, init=False)
    """Agents whose limit made a simulation wait or be left out."""
    _agents: dict[str, trio.Semaphore] = attrs.field(factory=dict, init=False)

    def semaphore(self, agent: str) -> trio.Semaphore | None:
        """The limit of an agent; None where it has none."""
        limit = self.limits.get(agent)
        if limit is None:
            return None
        known = self._agents.get(agent)
        if known is None:
            known = self._agents[agent] = trio.Semaphore(limit)
        return known

    def offers(self) -> bool:
        """Whether a simulation of an open load that is due now is offered to its agent at all."""
        return True

    def may_follow(self, outcome: Outcome) -> bool:
        """Whether the place of a closed load goes on after a simulation that ended like this, in any case."""
        return True

    def places_of(self, wanted: int) -> int:
        """How many of the places that a closed load wants it is to have now."""
        return wanted

    def noted_start(self, late_s: float) -> None:
        """A simulation of an open load is called so late, in seconds."""
        self.results.record(metrics.START_LATENESS, late_s)

    def most_connections(self) -> int | None:
        """How many simulations may have a connection at once; None where nobody says."""
        descriptors = resources.descriptor_limits()[1]
        return None if descriptors is None else descriptors - RESERVE

    def stages(self) -> Mapping[str, int]:
        """How many of the running simulations are where."""
        return Counter(str(ticket.actor.stage) for ticket in self.active)

    async def settle(self, ticket: Ticket, *, waited: bool) -> Outcome:
        """Run a simulation that has its places. `waited`: what its actions are late by is not counted from `due`.

        Returns what `Actor.run` came to.
        """
        actor, outcome = ticket.actor, Outcome("cancelled")
        started_at = trio.current_time()
        actor.account.record(metrics.QUEUE_TIME, started_at - ticket.due)
        actor.account.count(metrics.STARTED)
        self.running += 1
        self.active.add(ticket)
        try:
            with self._deadline() as scope:
                await actor.run(started_at if waited else ticket.due)
            if scope.cancelled_caught:
                raise self._too_long()
            outcome = Outcome("completed")
        except* Exception as group:  # noqa: BLE001 - the one place that turns any fault into an outcome
            failures = [actor.failure_of(error) for error in leaves(group)]
            if scope.cancel_called:  # what was raised may only be what came of that
                failures.append(actor.failure_of(self._too_long()))
            outcome = Outcome("failed", worst(failures))
            forget_frames(group)
        except* trio.Cancelled:
            outcome = Outcome("cancelled")
            raise
        finally:
            self.running -= 1
            self.active.discard(ticket)
            self._finish(ticket, outcome, started_at)
        return outcome

    def _deadline(self) -> "trio.CancelScope | _NoDeadline":
        return NO_DEADLINE if self.timeouts.simulation_s == math.inf else trio.move_on_after(self.timeouts.simulation_s)

    def never_started(self, ticket: Ticket) -> None:
        """The run ended before it got its places."""
        ticket.actor.account.count(metrics.NEVER_STARTED)
        self._finish(ticket, Outcome("cancelled"), None)

    def _too_long(self) -> SimulationFailed:
        return SimulationFailed(
            ErrorKind.SIMULATION_TIMEOUT,
            f"expected the conversation to end within {self.timeouts.simulation_s:g} s; it was cut off: "
            "raise timeouts.simulation in the plan, or look for an agent that never stops",
        )

    def _finish(self, ticket: Ticket, outcome: Outcome, started_at: float | None) -> None:
        try:
            ticket.actor.finished(outcome)
        except Exception as error:  # noqa: BLE001 - a fault of ours, and this simulation's alone
            earlier = [] if outcome.error is None else [outcome.error]
            outcome = Outcome("failed", worst([*earlier, ticket.actor.failure_of(error)]))
        self.results.finished(outcome, ticket.actor.account)
        self._write(ticket, outcome, started_at)

    def _write(self, ticket: Ticket, outcome: Outcome, started_at: float | None) -> None:
        self.write_row(self.row_of(ticket, outcome, started_at))

    def row_of(self, ticket: Ticket, outcome: Outcome, started_at: float | None) -> dict[str, Any]:
        """The line of a simulation that began at `started_at` on the Trio clock, or never."""
        row = ticket.actor.row()
        left_queue_at = trio.current_time() if started_at is None else started_at
        error = outcome.error
        return {
            **row,
            "scenario": ticket.scenario,
            "number": ticket.number,
            "metrics": {"queue_time": left_queue_at - ticket.due, **row["metrics"]},
            "scheduled_at": ticket.due - self.origin,
            "started_at": None if started_at is None else started_at - self.origin,
            "ended_at": trio.current_time() - self.origin,
            "outcome": outcome.status,
            "error": None if error is None else error.row(),
        }
