"""A run from its first dial to its summary on disk."""

import gc
import ssl
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from typing import Any

import attrs
import trio

from coval_load.actors.connector import Connector
from coval_load.actors.http_way import MOST_TOOL_ROUNDS, HttpWay
from coval_load.actors.narration import Narrator
from coval_load.actors.redialling import Redialling
from coval_load.actors.services import Services
from coval_load.actors.stereo_recording import StereoRecording
from coval_load.agents.addresses import check_url, is_private
from coval_load.agents.secrets import Redactor
from coval_load.engine import metrics
from coval_load.engine.connecting import Opener
from coval_load.engine.dialling import Dialler
from coval_load.engine.fault_log import FaultLog
from coval_load.engine.health import watch_generator
from coval_load.engine.http_pool import HttpPool, Recycling, open_pool
from coval_load.engine.keepalive import Keepalive
from coval_load.engine.metronome import Metronome
from coval_load.engine.names import Resolver, any_address
from coval_load.engine.reactor import Reactor, open_reactor
from coval_load.engine.recorder import open_recorder
from coval_load.engine.results import Results
from coval_load.engine.run_folder import RunFolder
from coval_load.engine.runner import Runner
from coval_load.plans.casting import Casting, Ensemble, Role, Way
from coval_load.plans.interruption import Interrupts, heed_interrupts
from coval_load.plans.plan import Plan

if sys.platform != "win32":
    import resource

Watch = Callable[[Runner, Results], Awaitable[object]]
"""Runs beside the simulations and is cancelled at their end: the live line."""

EXIT_OK, EXIT_NONE_COMPLETED, EXIT_UNTRUSTED, EXIT_INTERRUPTED = 0, 3, 98, 130


@attrs.frozen
class Finished:
    """A run that is over: `summary.json` and `run.json` as written, and what to exit with."""

    summary: Mapping[str, Any]
    run: Mapping[str, Any]
    exit_code: int


@attrs.define
class Recordings:
    """The recordings of a run, written by one thread; at the end those that the disk did not take are noted."""

    _folder: RunFolder
    _results: Results
    _writer: ThreadPoolExecutor = attrs.field(factory=lambda: ThreadPoolExecutor(1, "recordings"), init=False)
    _opened: list[StereoRecording] = attrs.field(factory=list, init=False)

    def __enter__(self) -> "Recordings":
        return self

    def open(self, simulation_output_id: str, started_at: float) -> StereoRecording:
        """The recording of one simulation, which begins at `started_at` on the Trio clock."""
        recording = StereoRecording(self._folder.recording(simulation_output_id), started_at, self._writer)
        self._opened.append(recording)
        return recording

    def __exit__(self, *_: object) -> None:
        self._writer.shutdown()
        faults = [recording.fault for recording in self._opened if recording.fault is not None]
        if faults:
            self._results.note(f"{len(faults)} recordings are incomplete: {faults[0].strerror or faults[0]}")


async def run_plan(
    ensemble: Ensemble, folder: RunFolder, *, watch: Watch | None = None, narrator: Narrator | None = None
) -> Finished:
    """Run every simulation of the plan; whatever happens, the results so far are on disk afterwards."""
    plan = ensemble.plan
    redactor = Redactor(plan.secrets)
    results = Results(clean=redactor.clean)
    _raise_descriptor_limit()
    collector = _spare_collector()
    interrupted = False
    try:
        with Recordings(folder, results) as recordings:
            lost = partial(results.count, metrics.ROWS_LOST)
            async with open_recorder(folder.simulations_file, redactor.clean, lost) as recorder:
                interrupted = await _simulate(ensemble, folder, results, recorder.write, recordings, watch, narrator)
    finally:
        summary = results.summary()
        exit_code = exit_code_of(summary, interrupted)
        run = folder.finish(summary, datetime.now(UTC), exit_code)
        if folder.fault is not None:
            exit_code = EXIT_UNTRUSTED
            summary["notes"].append(
                f"expected to write summary.json to {folder.path}; got: {folder.fault.strerror or folder.fault}: "
                "this is all there is of it"
            )
        gc.unfreeze()
        gc.set_threshold(*collector)
    return Finished(summary, run, exit_code)


async def _simulate(
    ensemble: Ensemble,
    folder: RunFolder,
    results: Results,
    write_row: Callable[[dict[str, Any]], object],
    recordings: "Recordings",
    watch: Watch | None,
    narrator: Narrator | None,
) -> bool:
    """Returns whether the run was interrupted."""
    plan = ensemble.plan
    faults = FaultLog(folder.fault_file, Redactor(plan.secrets).text)
    tls = ssl.create_default_context()
    if plan.ca_file is not None:
        tls.load_verify_locations(plan.ca_file)
    opener = Opener(Resolver(any_address if plan.targets.allow_private else is_private), tls)
    async with (
        open_reactor() as reactor,
        open_pool(reactor, opener, recycling=_recycling(plan, results)) as http,
        trio.open_nursery() as background,
    ):
        services = _services(reactor, results, plan, faults)
        for task in (services.metronome.run, services.keepalive.run):
            background.start_soon(task)
        background.start_soon(watch_generator, results)
        since_origin = trio.current_time() - services.origin
        folder.begin(
            plan.masked(), time.perf_counter() - since_origin, datetime.now(UTC) - timedelta(seconds=since_origin)
        )
        casting = Casting(
            ensemble,
            services,
            _ways(ensemble, opener, http),
            uuid.uuid4().hex,
            recordings.open,
            narrator,
        )
        runner = Runner(plan.load, plan.timeouts, plan.limits.per_agent, casting, results, write_row)
        heed: Interrupts = await background.start(heed_interrupts, runner, narrator is None)
        if watch is not None:
            background.start_soon(watch, runner, results)
        await runner.run()
        _note_limits(plan, runner, results)
        _note_cut_off(plan, results, heed.interrupted)
        if faults.count:
            results.note(
                f"{faults.count} faults of coval-load itself: their tracebacks are in {folder.fault_file.name}"
            )
        background.cancel_scope.cancel()
    return heed.interrupted


def _services(reactor: Reactor, results: Results, plan: Plan, faults: FaultLog) -> Services:
    return Services(
        reactor=reactor,
        metronome=Metronome(results.frame_lateness, reactor),
        keepalive=Keepalive(),
        results=results,
        timeouts=plan.timeouts,
        origin=trio.current_time(),
        faults=faults,
    )


def _recycling(plan: Plan, results: Results) -> Recycling | None:
    if plan.most_age_s is None:
        return None
    return Recycling(plan.most_age_s, Random(plan.seed), partial(results.count, metrics.CONNECTIONS_RECYCLED))


def _ways(ensemble: Ensemble, opener: Opener, http: HttpPool) -> tuple[Way, ...]:
    dialler = Dialler(opener)
    targets = ensemble.plan.targets
    redialling = Redialling(ensemble.plan.reconnect, ensemble.plan.seed)

    def wrong_with(url: str) -> str | None:
        return check_url(url, "websocket", targets)

    def way(role: Role) -> Way:
        options = role.agent.options
        if role.protocol.transport == "websocket":
            return Connector(options, dialler, http, wrong_with, redialling)
        return HttpWay(
            pool=http,
            endpoint=options.chat_endpoint,
            discovery=role.form.discovery(),
            honors_retry_after=getattr(options, "honor_retry_after", False),
            most_tool_rounds=getattr(options, "max_tool_rounds", MOST_TOOL_ROUNDS),
            redialling=redialling,
        )

    return tuple(map(way, ensemble.roles))


def _note_cut_off(plan: Plan, results: Results, interrupted: bool) -> None:
    cancelled = results.counted(metrics.CANCELLED)
    if interrupted:
        results.note("the run was interrupted" + (f" and {cancelled} simulations were cut off" if cancelled else ""))
    elif cancelled:
        results.note(
            f"{cancelled} simulations were not over when the duration and the grace period of "
            f"{plan.timeouts.grace_s:g} s were: set timeouts.grace in the plan to what a conversation takes"
        )


def _note_limits(plan: Plan, runner: Runner, results: Results) -> None:
    for agent in plan.agents:
        limit = plan.limits.per_agent.get(agent.name)
        if agent.name not in runner.held_back or limit is None:
            continue
        usual = limit == agent.model_type.most_at_once
        whose = f"what is usual for {agent.model_type}" if usual else "limits.per_agent of the plan"
        advice = ": set limits.per_agent in the plan (or give --per-agent) to raise it" if usual else ""
        results.note(f"{agent.name}: the limit of {limit} simulations at once ({whose}) held others back{advice}")


def exit_code_of(summary: Mapping[str, Any], interrupted: bool) -> int:
    """What a run exits with, given its `summary.json`; see "Exit codes" of `docs/results.md`."""
    if interrupted:
        return EXIT_INTERRUPTED
    if summary["generator"]["verdict"] == "invalid":
        return EXIT_UNTRUSTED
    if not summary["counts"]["completed"]:
        return EXIT_NONE_COMPLETED
    return EXIT_OK


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
