"""Where the simulations of a run go on: in this process, or, behind the same interface, in others."""

import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from random import Random
from typing import Any, Protocol

import attrs
import trio

from coval_load.actors.connector import Connector
from coval_load.actors.http_way import HttpWay
from coval_load.actors.narration import Narrator
from coval_load.actors.redialling import Redialling
from coval_load.actors.services import Services
from coval_load.actors.tool_answers import MOST_TOOL_ROUNDS
from coval_load.agents.addresses import check_url, is_private
from coval_load.engine import metrics
from coval_load.engine.connecting import Opener
from coval_load.engine.dialling import Dialler
from coval_load.engine.fault_log import FaultLog
from coval_load.engine.health import watch_generator
from coval_load.engine.http_pool import HttpPool, Recycling, open_pool
from coval_load.engine.keepalive import Keepalive
from coval_load.engine.metronome import Metronome
from coval_load.engine.names import Resolver, any_address
from coval_load.engine.pulse import Waiting
from coval_load.engine.reactor import Reactor, open_reactor
from coval_load.engine.results import Results
from coval_load.engine.run_folder import RunFolder
from coval_load.engine.runner import Runner
from coval_load.engine.scenario import Cast
from coval_load.engine.settling import Floor
from coval_load.plans.casting import Casting, OpenRecording, Way
from coval_load.plans.keeping import Keeping, WriteRow
from coval_load.plans.plan import Plan
from coval_load.plans.rehearsal import Ensemble, Role, Troupe
from coval_load.plans.room import check_room
from coval_load.plans.samples import recorded

Clean = Callable[[Any], Any]


@attrs.frozen(eq=False, kw_only=True)
class Job:
    """What is to be run: everything that is settled before a venue opens. `elapsed_s`: how long an earlier process
    had already run it.
    """

    ensemble: Ensemble
    folder: RunFolder
    results: Results
    faults: FaultLog
    clean: Clean
    keeping: Keeping
    write_line: Callable[[bytes], object]
    """Takes a row of a simulation that is JSON already, masked, and needs nothing of `keeping`."""
    run_id: str
    elapsed_s: float = 0.0
    narrator: Narrator | None = None


class Stage(Protocol):
    """A venue that is open, with everything in place to start simulations."""

    @property
    def origin(self) -> float:
        """The start of the run on the Trio clock, in seconds."""
        ...

    @property
    def casts(self) -> Sequence[Cast]:
        """What makes the simulations of each scenario, in the plan's order."""
        ...

    def make_floor(self, limits: Mapping[str, int | None], write_row: WriteRow) -> Floor:
        """What settles the simulations of these casts."""
        ...

    def longest_waiting(self) -> Waiting | None:
        """Who has waited for an agent for longest, since when on the Trio clock."""
        ...

    def attend(self, runner: Runner) -> None:
        """`runner` is about to run on this stage."""
        ...

    async def wind_up(self) -> None:
        """Every simulation is settled: take in what is still to come of what was measured."""
        ...


class Venue(Protocol):
    """Where simulations go on."""

    def room(self, plan: Plan) -> Sequence[str]:
        """What may not fit here, a sentence each."""
        ...

    def clean_rows(self, clean: Clean) -> Clean:
        """What masks the secrets in rows, given what masks them anywhere."""
        ...

    def open(self, job: Job) -> AbstractAsyncContextManager[Stage]:
        """Everything a run needs until the block is left."""
        ...


@attrs.frozen(eq=False)
class Loop:
    """This process's own event loop as a `Stage`."""

    services: Services
    casts: Sequence[Casting]

    @property
    def origin(self) -> float:
        """See `Stage`."""
        return self.services.origin

    def make_floor(self, limits: Mapping[str, int | None], write_row: WriteRow) -> Floor:
        """See `Stage`."""
        return Floor(self.services.timeouts, limits, self.services.results, write_row)

    def longest_waiting(self) -> Waiting | None:
        """See `Stage`."""
        return self.services.waiting.longest()

    def attend(self, runner: Runner) -> None:
        """It needs nothing of it."""

    async def wind_up(self) -> None:
        """Nothing is still to come."""


class OwnProcess:
    """Everything in this process: see `Venue`."""

    def room(self, plan: Plan) -> Sequence[str]:
        """See `Venue`."""
        return check_room(plan)[1]

    def clean_rows(self, clean: Clean) -> Clean:
        """See `Venue`."""
        return clean

    @asynccontextmanager
    async def open(self, job: Job) -> AsyncIterator[Stage]:
        """See `Venue`."""
        async with open_loop(
            job.ensemble,
            job.results,
            job.faults,
            run_id=job.run_id,
            open_recording=job.keeping.open_recording,
            recorded=recorded(job.ensemble.plan),
            elapsed_s=job.elapsed_s,
            narrator=job.narrator,
        ) as loop:
            yield loop


@asynccontextmanager
async def open_loop(
    ensemble: Ensemble,
    results: Results,
    faults: FaultLog,
    *,
    run_id: str,
    open_recording: OpenRecording | None,
    recorded: Mapping[str, Callable[[int], bool]],
    elapsed_s: float = 0.0,
    narrator: Narrator | None = None,
) -> AsyncIterator[Loop]:
    """What drives sockets and frames here, measures itself into `results`, and makes simulations of `ensemble`.

    `recorded` says for each scenario, by name, of which numbers the audio may come to be kept.
    """
    plan = ensemble.plan
    opener = Opener(Resolver(any_address if plan.targets.allow_private else is_private), _trusted(plan))
    async with (
        open_reactor() as reactor,
        open_pool(reactor, opener, recycling=_recycling(plan, results)) as http,
        trio.open_nursery() as background,
    ):
        services = _services(reactor, results, plan, faults, trio.current_time() - elapsed_s)
        for task in (services.metronome.run, services.keepalive.run):
            background.start_soon(task)
        background.start_soon(watch_generator, results)
        ways = _ways(ensemble, opener, http)

        def casting(troupe: Troupe) -> Casting:
            is_recorded = recorded[troupe.scenario.name]
            return Casting(plan, troupe, services, ways, run_id, open_recording, narrator, is_recorded)

        yield Loop(services, tuple(map(casting, ensemble.troupes)))
        background.cancel_scope.cancel()


def _trusted(plan: Plan) -> ssl.SSLContext:
    tls = ssl.create_default_context()
    if plan.ca_file is not None:
        tls.load_verify_locations(plan.ca_file)
    return tls


def _services(reactor: Reactor, results: Results, plan: Plan, faults: FaultLog, origin: float) -> Services:
    return Services(
        reactor=reactor,
        metronome=Metronome(results.frame_lateness, reactor),
        keepalive=Keepalive(),
        results=results,
        timeouts=plan.timeouts,
        origin=origin,
        faults=faults,
    )


def _recycling(plan: Plan, results: Results) -> Recycling | None:
    if plan.most_age_s is None:
        return None
    return Recycling(plan.most_age_s, Random(plan.seed), partial(results.count, metrics.CONNECTIONS_RECYCLED))


def _ways(ensemble: Ensemble, opener: Opener, http: HttpPool) -> dict[str, Way]:
    targets = ensemble.plan.targets
    redialling = Redialling(ensemble.plan.reconnect, ensemble.plan.seed)

    def wrong_with(url: str) -> str | None:
        return check_url(url, "websocket", targets)

    def way(role: Role) -> Way:
        options = role.agent.options
        if role.protocol.transport == "websocket":
            destination = role.protocol.destination(options)
            dialler = Dialler(opener, destination.credentials)
            return Connector(destination, dialler, http, wrong_with, redialling)
        return HttpWay(
            pool=http,
            endpoint=options.chat_endpoint,
            discovery=role.form.discovery(),
            honors_retry_after=getattr(options, "honor_retry_after", False),
            most_tool_rounds=getattr(options, "max_tool_rounds", MOST_TOOL_ROUNDS),
            redialling=redialling,
        )

    first = {role.agent.name: role for role in reversed(ensemble.roles)}
    return {name: way(role) for name, role in first.items()}
