"""A run from its first dial to its summary on disk."""

import gc
import math
import ssl
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

import attrs
import trio

from coval_load.actors.connector import Connector
from coval_load.actors.http_way import HttpWay
from coval_load.actors.narration import Narrator
from coval_load.actors.redialling import Redialling
from coval_load.actors.services import Services
from coval_load.actors.tool_answers import MOST_TOOL_ROUNDS
from coval_load.agents.addresses import check_url, is_private
from coval_load.agents.secrets import Redactor
from coval_load.engine import metrics
from coval_load.engine.abort import abort_on_threshold
from coval_load.engine.connecting import Opener
from coval_load.engine.dialling import Dialler
from coval_load.engine.fault_log import FaultLog
from coval_load.engine.health import watch_generator
from coval_load.engine.http_pool import HttpPool, Recycling, open_pool
from coval_load.engine.keepalive import Keepalive
from coval_load.engine.metronome import Metronome
from coval_load.engine.names import Resolver, any_address
from coval_load.engine.over_time import over_time
from coval_load.engine.pulse import Pulses
from coval_load.engine.reactor import Reactor, open_reactor
from coval_load.engine.recorder import open_recorder
from coval_load.engine.results import Results
from coval_load.engine.run_folder import RunFolder, read_rows
from coval_load.engine.runner import Runner
from coval_load.engine.scenario import Scenario
from coval_load.engine.thresholds import Judged, prepare
from coval_load.engine.timeline import keep_timeline
from coval_load.engine.trend_series import Series
from coval_load.plans.casting import Casting, Way
from coval_load.plans.ending import (
    EXIT_UNTRUSTED,
    asked_drifts,
    drift_of,
    exit_code_of,
    judged_thresholds,
    note_changes,
    note_cut_off,
    note_limits,
)
from coval_load.plans.interruption import Interrupts, heed_interrupts
from coval_load.plans.keeping import Keeping, open_keeping
from coval_load.plans.plan import Plan
from coval_load.plans.rehearsal import Ensemble, Role, Troupe
from coval_load.plans.room import check_room
from coval_load.plans.samples import recorded

if TYPE_CHECKING:
    from coval_load.plans.resuming import Earlier

if sys.platform != "win32":
    import resource


@attrs.frozen(eq=False)
class Live:
    """A run that goes on: what may be looked at, and stopped."""

    plan: Plan
    folder: RunFolder
    runner: Runner
    results: Results
    pulses: Pulses
    started_utc: datetime
    interrupts: Interrupts


Watch = Callable[[Live], Awaitable[object]]
"""Runs beside the simulations and is cancelled at their end: the live terminal, the dashboard, what is exported."""


@attrs.frozen
class Finished:
    """A run that is over: `summary.json` and `run.json` as written, and what to exit with."""

    summary: Mapping[str, Any]
    run: Mapping[str, Any]
    exit_code: int


async def run_plan(
    ensemble: Ensemble,
    folder: RunFolder,
    *,
    watches: Sequence[Watch] = (),
    narrator: Narrator | None = None,
    earlier: "Earlier | None" = None,
    source: Mapping[str, Any] | None = None,
) -> Finished:
    """Run every simulation of the plan; whatever happens, the results so far are on disk afterwards.

    `earlier`: go on with what another process left in `folder`. `source` says in `run.json` where the plan came from.
    """
    redactor = Redactor(ensemble.plan.secrets)
    results = Results(clean=redactor.clean)
    prepare(ensemble.plan.thresholds, results)
    if earlier is not None:
        earlier.merge_into(results)
    _raise_descriptor_limit()
    collector = _spare_collector()
    for note in check_room(ensemble.plan)[1]:
        results.note(note)
    run = _Run(ensemble, folder, results, redactor, earlier, dict(source or {}))
    folder.hold()
    try:
        lost = partial(results.count, metrics.ROWS_LOST)
        resumed = earlier is not None
        with open_keeping(ensemble.plan, folder, results, redactor.clean, is_resumed=resumed) as keeping:
            async with (
                open_recorder(folder.simulations_file, redactor.clean, lost) as rows,
                open_recorder(folder.timeline_file, _as_it_is, lost) as timeline,
            ):
                await run.simulate(keeping.before(rows.write), timeline.write, keeping, watches, narrator)
    finally:
        finished = run.finish()
        folder.let_go()
        gc.unfreeze()
        gc.set_threshold(*collector)
    return finished


@attrs.define(eq=False)
class _Run:
    ensemble: Ensemble
    folder: RunFolder
    results: Results
    redactor: Redactor
    earlier: "Earlier | None"
    source: dict[str, Any]
    series: Series = attrs.field(init=False)
    interrupted: bool = attrs.field(default=False, init=False)
    aborted: Judged | None = attrs.field(default=None, init=False)
    began_at: float = attrs.field(default=math.nan, init=False)
    ended_at: float = attrs.field(default=math.nan, init=False)

    @series.default
    def _make_series(self) -> Series:
        series = Series(asked_drifts(self.ensemble.plan.thresholds))
        if self.earlier is not None:
            for row in read_rows(self.folder.timeline_file):
                series.add(row)
        return series

    async def simulate(
        self,
        write_row: Callable[[dict[str, Any]], object],
        write_interval: Callable[[dict[str, Any]], object],
        keeping: Keeping,
        watches: Sequence[Watch],
        narrator: Narrator | None,
    ) -> None:
        plan, results = self.ensemble.plan, self.results
        faults = FaultLog(self.folder.fault_file, self.redactor.text)
        opener = Opener(Resolver(any_address if plan.targets.allow_private else is_private), _trusted(plan))
        async with (
            open_reactor() as reactor,
            open_pool(reactor, opener, recycling=_recycling(plan, results)) as http,
            trio.open_nursery() as background,
        ):
            elapsed_s = self.earlier.elapsed_s if self.earlier else 0.0
            services = _services(reactor, results, plan, faults, trio.current_time() - elapsed_s)
            for task in (services.metronome.run, services.keepalive.run):
                background.start_soon(task)
            background.start_soon(watch_generator, results)
            run_id = self._begin(services)
            ways = _ways(self.ensemble, opener, http)
            sampled = recorded(plan)
            scenarios = [
                self._scenario(
                    troupe,
                    Casting(
                        plan,
                        troupe,
                        services,
                        ways,
                        run_id,
                        keeping.open_recording,
                        narrator,
                        sampled[troupe.scenario.name],
                    ),
                )
                for troupe in self.ensemble.troupes
            ]
            runner = Runner(scenarios, plan.timeouts, plan.limits.per_agent, results, write_row, elapsed_s)
            heed: Interrupts = await background.start(heed_interrupts, runner, narrator is None)

            def keep(row: dict[str, Any]) -> None:
                self.series.add(row)
                results.lapses.add(row)
                write_interval(row)

            def gauge() -> tuple[int, int]:
                return runner.running, runner.queued

            def abort(judged: Judged) -> None:
                self.aborted = judged
                runner.stop()

            every_s = plan.recording.timeline_every_s
            await background.start(partial(keep_timeline, results, keep, gauge, every_s, origin=services.origin))
            background.start_soon(abort_on_threshold, plan.thresholds, results, abort, services.origin)
            pulses = Pulses(runner, results, services.waiting.longest)
            started = datetime.now(UTC) - timedelta(seconds=trio.current_time() - services.origin)
            live = Live(plan, self.folder, runner, results, pulses, started, heed)
            background.start_soon(pulses.run)
            # In a nursery of their own: while they end, Ctrl-C is still heeded.
            async with trio.open_nursery() as watching:
                for watch in watches:
                    watching.start_soon(watch, live)
                try:
                    await runner.run()
                finally:
                    self.ended_at = trio.current_time()
                    self.interrupted = heed.interrupted
                self._note(runner, faults)
                watching.cancel_scope.cancel()
            background.cancel_scope.cancel()

    def _note(self, runner: Runner, faults: FaultLog) -> None:
        plan, results = self.ensemble.plan, self.results
        note_limits(plan, runner.held_back, results)
        note_changes(results)
        note_cut_off(plan, results, self.interrupted, self.aborted)
        if faults.count:
            results.note(
                f"{faults.count} faults of coval-load itself: their tracebacks are in {self.folder.fault_file.name}"
            )

    def _begin(self, services: Services) -> str:
        """Write `run.json`; returns the id of the run."""
        now = trio.current_time()
        self.began_at = services.origin
        if self.earlier is not None:
            self.folder.resume(self.earlier.run, datetime.now(UTC))
            return self.earlier.run_id
        run_id = uuid.uuid4().hex
        since_origin = now - services.origin
        self.folder.begin(
            self.ensemble.plan.masked(),
            time.perf_counter() - since_origin,
            datetime.now(UTC) - timedelta(seconds=since_origin),
            run_id=run_id,
            source=self.source,
        )
        return run_id

    def _scenario(self, troupe: Troupe, casting: Casting) -> Scenario:
        planned = troupe.scenario
        done = self.earlier.done.get(planned.name, frozenset()) if self.earlier else frozenset()
        return Scenario(planned.name, planned.shape, casting, planned.start_s, planned.seed, done)

    def finish(self) -> Finished:
        """The summary, on disk as far as the disk takes it."""
        plan = self.ensemble.plan
        changes = self.results.changes
        drifted = drift_of(plan, self.series, changes[-1]["at"] if changes else 0.0)
        summary = self.results.summary()
        elapsed_s = self.ended_at - self.began_at
        rows = judged_thresholds(plan.thresholds, self.results, elapsed_s, drifted, self.aborted)
        summary |= {"thresholds": rows, "drift": drifted, "over_time": over_time(self.series)}
        exit_code = exit_code_of(summary, self.interrupted, accept_invalid=plan.accept_invalid)
        run = self.folder.finish(summary, datetime.now(UTC), exit_code, unwritten=EXIT_UNTRUSTED)
        if self.folder.fault is not None:
            exit_code = EXIT_UNTRUSTED
            summary["notes"].append(
                f"expected to write summary.json to {self.folder.path}; got: "
                f"{self.folder.fault.strerror or self.folder.fault}: this is all there is of it"
            )
        return Finished(summary, run, exit_code)


def _as_it_is(row: Any) -> Any:
    """Nothing of an agent's stands in an interval, and a short secret may well be found in a histogram's base64."""
    return row


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


def _spare_collector() -> tuple[int, int, int]:
    """Keep the collector off the hot path; returns the thresholds to put back.

    What was loaded so far stays, so it need not be looked at again and again; and what a simulation allocates is
    mostly freed without its help, so it looks more seldom.
    """
    thresholds = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    return thresholds


def _raise_descriptor_limit() -> None:
    if sys.platform != "win32":
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
