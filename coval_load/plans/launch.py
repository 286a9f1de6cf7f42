"""A run from its first dial to its summary on disk."""

import math
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs
import trio

from coval_load.actors.narration import Narrator
from coval_load.agents.secrets import Redactor
from coval_load.engine import metrics
from coval_load.engine.abort import abort_on_threshold
from coval_load.engine.fault_log import FaultLog
from coval_load.engine.over_time import over_time
from coval_load.engine.process_tuning import raise_descriptor_limit, spared_collector
from coval_load.engine.pulse import Pulses
from coval_load.engine.recorder import open_recorder
from coval_load.engine.results import Results
from coval_load.engine.run_folder import RunFolder, read_rows
from coval_load.engine.runner import Runner
from coval_load.engine.scenario import Cast, Scenario
from coval_load.engine.thresholds import Judged, prepare
from coval_load.engine.timeline import keep_timeline
from coval_load.engine.trend_series import Series
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
from coval_load.plans.rehearsal import Ensemble, Troupe
from coval_load.plans.venue import Job, OwnProcess, Stage, Venue

if TYPE_CHECKING:
    from coval_load.plans.resuming import Earlier


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
    venue: Venue | None = None,
    watches: Sequence[Watch] = (),
    narrator: Narrator | None = None,
    earlier: "Earlier | None" = None,
    source: Mapping[str, Any] | None = None,
    run_id: str | None = None,
) -> Finished:
    """Run every simulation of the plan; whatever happens, the results so far are on disk afterwards.

    `venue`: where they go on; in this process, where nothing else is said. `earlier`: go on with what another
    process left in `folder`. `source` says in `run.json` where the plan came from. `run_id`: what a new run is called.
    """
    venue = venue or OwnProcess()
    redactor = Redactor(ensemble.plan.secrets)
    results = Results(clean=redactor.clean)
    prepare(ensemble.plan.thresholds, results)
    if earlier is not None:
        earlier.merge_into(results)
    raise_descriptor_limit()
    for note in venue.room(ensemble.plan):
        results.note(note)
    run = _Run(ensemble, folder, results, redactor, earlier, dict(source or {}))
    folder.hold()
    with spared_collector():
        try:
            await run.go(venue, narrator, watches, run_id or uuid.uuid4().hex)
        finally:
            finished = run.finish()
            folder.let_go()
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

    async def go(self, venue: Venue, narrator: Narrator | None, watches: Sequence[Watch], run_id: str) -> None:
        plan, folder, results, clean = self.ensemble.plan, self.folder, self.results, self.redactor.clean
        lost = partial(results.count, metrics.ROWS_LOST)
        resumed = self.earlier is not None
        with open_keeping(plan, folder, results, clean, is_resumed=resumed) as keeping:
            async with (
                open_recorder(folder.simulations_file, venue.clean_rows(clean), lost) as rows,
                open_recorder(folder.timeline_file, _as_it_is, lost) as timeline,
            ):
                job = self.job(keeping, rows.write_line, narrator, run_id)
                await self.simulate(venue, job, keeping.before(rows.write), timeline.write, watches)

    def job(
        self, keeping: Keeping, write_line: Callable[[bytes], object], narrator: Narrator | None, run_id: str
    ) -> Job:
        return Job(
            ensemble=self.ensemble,
            folder=self.folder,
            results=self.results,
            faults=FaultLog(self.folder.fault_file, self.redactor.text),
            clean=self.redactor.clean,
            keeping=keeping,
            write_line=write_line,
            run_id=self.earlier.run_id if self.earlier else run_id,
            elapsed_s=self.earlier.elapsed_s if self.earlier else 0.0,
            narrator=narrator,
        )

    async def simulate(
        self,
        venue: Venue,
        job: Job,
        write_row: Callable[[dict[str, Any]], object],
        write_interval: Callable[[dict[str, Any]], object],
        watches: Sequence[Watch],
    ) -> None:
        # The venue closes first: what it measures of itself at its end stands in the last interval.
        async with trio.open_nursery() as background:
            async with venue.open(job) as stage:
                await self._simulate(stage, job, write_row, write_interval, watches, background)
            background.cancel_scope.cancel()

    async def _simulate(
        self,
        stage: Stage,
        job: Job,
        write_row: Callable[[dict[str, Any]], object],
        write_interval: Callable[[dict[str, Any]], object],
        watches: Sequence[Watch],
        background: trio.Nursery,
    ) -> None:
        plan, results = self.ensemble.plan, self.results
        self._begin(stage.origin, job.run_id)
        scenarios = list(map(self._scenario, self.ensemble.troupes, stage.casts))
        floor = stage.make_floor(plan.limits.per_agent, write_row)
        limits = plan.limits.per_agent
        runner = Runner(scenarios, plan.timeouts, limits, results, write_row, job.elapsed_s, floor)
        stage.attend(runner)
        heed: Interrupts = await background.start(heed_interrupts, runner, job.narrator is None)

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
        await background.start(partial(keep_timeline, results, keep, gauge, every_s, origin=stage.origin))
        background.start_soon(abort_on_threshold, plan.thresholds, results, abort, stage.origin)
        pulses = Pulses(runner, results, stage.longest_waiting)
        started = datetime.now(UTC) - timedelta(seconds=trio.current_time() - stage.origin)
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
            await stage.wind_up()
            self._note(runner, job.faults)
            watching.cancel_scope.cancel()

    def _note(self, runner: Runner, faults: FaultLog) -> None:
        plan, results = self.ensemble.plan, self.results
        note_limits(plan, runner.held_back, results)
        note_changes(results)
        note_cut_off(plan, results, self.interrupted, self.aborted)
        if faults.count:
            results.note(
                f"{faults.count} faults of coval-load itself: their tracebacks are in {self.folder.fault_file.name}"
            )

    def _begin(self, origin: float, run_id: str) -> None:
        """Write `run.json`."""
        self.began_at = origin
        if self.earlier is not None:
            self.folder.resume(self.earlier.run, datetime.now(UTC))
            return
        since_origin = trio.current_time() - origin
        self.folder.begin(
            self.ensemble.plan.masked(),
            time.perf_counter() - since_origin,
            datetime.now(UTC) - timedelta(seconds=since_origin),
            run_id=run_id,
            source=self.source,
        )

    def _scenario(self, troupe: Troupe, cast: Cast) -> Scenario:
        planned = troupe.scenario
        done = self.earlier.done.get(planned.name, frozenset()) if self.earlier else frozenset()
        return Scenario(planned.name, planned.shape, cast, planned.start_s, planned.seed, done)

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
