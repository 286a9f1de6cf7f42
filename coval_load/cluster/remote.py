"""Simulations that go on in other processes, for the engine that decides about them: as any others."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Protocol

import attrs
import orjson
import trio

from coval_load.actors.simulation import Identity
from coval_load.cluster.messages import Ended
from coval_load.engine.labels import Labels
from coval_load.engine.outcome import ErrorKind, Failure, Outcome, Stage
from coval_load.engine.plan import Timeouts
from coval_load.engine.results import Results
from coval_load.engine.settling import Floor, Ticket
from coval_load.engine.shapes.interface import OpenShape
from coval_load.engine.tally import Account
from coval_load.plans.casting import identify
from coval_load.plans.keeping import WriteRow
from coval_load.plans.rehearsal import Troupe


class Dealer(Protocol):
    """Who has simulations carried out: see `crew.Crew`."""

    async def deal(self, simulation: "RemoteSimulation") -> None:
        """Hand it to a worker; waits as long as there is none."""
        ...

    def cancel(self, simulation: "RemoteSimulation") -> None:
        """Have it ended; its row is still to come."""
        ...

    def forget(self, simulation: "RemoteSimulation") -> None:
        """Nobody waits for it any more."""
        ...

    def misses(self) -> bool:
        """Whether the next simulation of an open load falls to a worker that was lost."""
        ...

    def places_of(self, wanted: int) -> int:
        """How many of the places of a closed load fall to workers that are there."""
        ...

    def most_connections(self) -> int | None:
        """How many connections all workers together may have at once; None where one does not say."""
        ...

    def stages(self) -> Iterable[Mapping[str, int]]:
        """Where the simulations of each worker are, as it last said."""
        ...


class Told(Exception):
    """A worker says that a simulation failed."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class CountsOnly(Account):
    """What is measured is reported by who measures it; what became of a simulation is counted by who dealt it."""

    def record(self, metric: str, seconds: float) -> None:
        """Nothing."""

    def record_many(self, metric: str, seconds: Iterable[float]) -> None:
        """Nothing."""


@attrs.frozen
class Order:
    """When and how a simulation is to begin; times on the coordinator's Trio clock."""

    due: float
    at_once: bool
    waited: bool


@attrs.define(eq=False)
class RemoteSimulation:
    """An `engine.scenario.Actor` that another process carries out. `scenario` is the index of its scenario."""

    number: int
    scenario: int
    account: Account
    dealer: Dealer
    identify: Callable[[], Identity] = attrs.field(repr=False)
    is_open: bool = False
    """Whether its scenario is an open load: when it is due does not follow from when others ended."""
    order: Order | None = attrs.field(default=None, init=False)
    worker: str | None = attrs.field(default=None, init=False)
    """The name of the worker that has, or had it."""
    worker_number: int = attrs.field(default=0, init=False)
    line: bytes | None = attrs.field(default=None, init=False)
    """Its row, masked, as the worker sent it."""
    status: str = attrs.field(default="", init=False)
    """How it ended, as the worker sees it."""
    _failure: Failure | None = attrs.field(default=None, init=False)
    _closed: trio.Event | None = attrs.field(default=None, init=False)
    _over: trio.Event = attrs.field(factory=trio.Event, init=False)

    @property
    def stage(self) -> Stage:
        """Only the worker knows."""
        return Stage.QUEUE

    async def run(self, due: float) -> None:
        """From being dealt until its worker says how it ended, or is lost. Raises Told."""
        await self.dealer.deal(self)
        try:
            await self._over.wait()
        except trio.Cancelled:
            with trio.CancelScope(shield=True):
                self.dealer.cancel(self)
                await self._over.wait()
            if self._closed is None:
                raise
        finally:
            self.dealer.forget(self)
        if self._failure is None:
            return
        try:
            if self._closed is not None:
                await self._closed.wait()
        finally:
            raise Told(self._failure)

    def ended(self, message: Ended) -> None:
        """Its worker sent its row."""
        error = message.error
        if message.status == "failed" and error is not None:
            self._failure = Failure(ErrorKind(error["kind"]), Stage(error["stage"]), error["message"], error["turn"])
        self.line, self.status = message.row, message.status
        self._over.set()

    def lost(self, why: str, closed: trio.Event) -> bool:
        """Its worker is gone, and what it had with it; `closed` is set once its connections surely are closed.

        False where it had ended before.
        """
        if self._over.is_set():
            return False
        self._failure = Failure(ErrorKind.WORKER_LOST, Stage.CONVERSATION, why)
        self._closed = closed
        self._over.set()
        return True

    def failure_of(self, error: BaseException) -> Failure:
        """See `Actor`."""
        if isinstance(error, Told):
            return error.failure
        return Failure(ErrorKind.INTERNAL, Stage.QUEUE, f"coval-load failed: {type(error).__name__}: {error}")

    def row(self) -> dict[str, Any]:
        """See `Actor`: of one that no worker has told of."""
        return self.identify().blank_row(self.worker_number)

    def finished(self, outcome: Outcome) -> None:
        """See `Actor`."""


@attrs.define(eq=False)
class RemoteCast:
    """Makes the simulations of one scenario, the `at`-th of the plan."""

    troupe: Troupe
    at: int
    run_id: str
    results: Results
    dealer: Dealer
    _is_open: bool = attrs.field(init=False)
    _accounts: dict[int, CountsOnly] = attrs.field(factory=dict, init=False)

    @_is_open.default
    def _shape_is_open(self) -> bool:
        return isinstance(self.troupe.scenario.shape, OpenShape)

    def labels(self, number: int) -> Labels:
        """See `engine.scenario.Cast`."""
        return self.troupe.labels(number)

    def __call__(self, number: int) -> RemoteSimulation:
        """See `engine.scenario.Cast`."""
        account, who = self._account(self.labels(number)), partial(identify, self.run_id, self.troupe, number)
        return RemoteSimulation(number, self.at, account, self.dealer, who, self._is_open)

    def _account(self, labels: Labels) -> CountsOnly:
        account = self.results.account(labels)
        known = self._accounts.get(id(account))  # results keep their accounts, so an id stays its own
        if known is None:
            known = self._accounts[id(account)] = CountsOnly(account.tallies)
        return known


class RemoteFloor(Floor):
    """Settles simulations that go on elsewhere: who runs them measures, and makes their rows.

    `write_line` takes a row as it came, where nothing is to be made of it; None: something is.
    """

    def __init__(
        self,
        timeouts: Timeouts,
        limits: Mapping[str, int | None],
        results: Results,
        write_row: WriteRow,
        *,
        dealer: Dealer,
        takes_over: bool,
        clean: Callable[[Any], Any],
        write_line: Callable[[bytes], object] | None = None,
    ) -> None:
        super().__init__(timeouts, limits, results, write_row)
        self._dealer, self._takes_over, self._clean, self._write_line = dealer, takes_over, clean, write_line

    def offers(self) -> bool:
        """See `Floor`: not what a lost worker would have had."""
        return not self._dealer.misses()

    def places_of(self, wanted: int) -> int:
        """See `Floor`: not what lost workers would have had."""
        return self._dealer.places_of(wanted)

    def may_follow(self, outcome: Outcome) -> bool:
        """See `Floor`: a place that a worker was lost with goes with it, unless others take it over."""
        lost = outcome.error is not None and outcome.error.kind is ErrorKind.WORKER_LOST
        return self._takes_over or not lost

    def noted_start(self, late_s: float) -> None:
        """How late a simulation is called is measured where it is called from."""

    def most_connections(self) -> int | None:
        """See `Floor`."""
        return self._dealer.most_connections()

    def stages(self) -> Mapping[str, int]:
        """See `Floor`."""
        total: Counter[str] = Counter()
        for stages in self._dealer.stages():
            total.update(stages)
        return total

    async def settle(self, ticket: Ticket, *, waited: bool) -> Outcome:
        """See `Floor`."""
        actor = ticket.actor
        assert isinstance(actor, RemoteSimulation)
        actor.order = Order(ticket.due, ticket.at_once, waited)
        return await super().settle(ticket, waited=waited)

    def row_of(self, ticket: Ticket, outcome: Outcome, started_at: float | None) -> dict[str, Any]:
        """See `Floor`."""
        actor = ticket.actor
        assert isinstance(actor, RemoteSimulation)
        if actor.line is None:
            return dict(self._clean(super().row_of(ticket, outcome, started_at)))
        error = None if outcome.error is None else outcome.error.row()
        return {**orjson.loads(actor.line), "outcome": outcome.status, "error": error}

    def _write(self, ticket: Ticket, outcome: Outcome, started_at: float | None) -> None:
        actor = ticket.actor
        assert isinstance(actor, RemoteSimulation)
        if self._write_line is not None and actor.line is not None and actor.status == outcome.status:
            self._write_line(actor.line)
        else:
            super()._write(ticket, outcome, started_at)
