"""A run over several workers: the same as in one process, but for where its simulations go on."""

import math
import socket
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import attrs
import trio

from coval_load.cluster.crew import Crew, Stand
from coval_load.cluster.crew_vitals import CrewVitals
from coval_load.cluster.dask_post import open_dask_post
from coval_load.cluster.parcel import pack
from coval_load.cluster.post import Post
from coval_load.cluster.recordings_here import RecordingsHere
from coval_load.cluster.remote import RemoteCast, RemoteFloor
from coval_load.cluster.where import Local, Where
from coval_load.engine.health import watch_generator
from coval_load.engine.plan import Selection, Timeouts
from coval_load.engine.pulse import Waiting
from coval_load.engine.results import Results
from coval_load.engine.run_folder import RunFolder
from coval_load.engine.runner import Runner
from coval_load.engine.settling import Floor
from coval_load.engine.verdict import verdict
from coval_load.engine.worker_health import COORDINATOR, WorkerHealth
from coval_load.faults import Fault, Faulty
from coval_load.plans.keeping import WriteRow
from coval_load.plans.launch import Finished, Watch, run_plan
from coval_load.plans.plan import Plan
from coval_load.plans.rehearsal import Ensemble
from coval_load.plans.room import check_room
from coval_load.plans.samples import recorded
from coval_load.plans.venue import Clean, Job, Stage

if TYPE_CHECKING:
    from coval_load.plans.resuming import Earlier


async def run_over(
    ensemble: Ensemble,
    folder: RunFolder,
    where: Where,
    *,
    watches: Sequence[Watch] = (),
    earlier: "Earlier | None" = None,
    source: Mapping[str, Any] | None = None,
) -> Finished:
    """As `plans.launch.run_plan`, over the workers of `where`.

    Raises Faulty where none of them can be used, before anything is dialled or written.
    """
    processes = where.workers if isinstance(where, Local) else 0
    async with AsyncExitStack() as stack:
        stack.enter_context(_plain_interrupts())
        try:
            post = await stack.enter_async_context(open_dask_post(where))
        except ValueError as error:
            raise Faulty([Fault("--workers" if processes else "--cluster", str(error))]) from error
        return await run_with(post, ensemble, folder, processes, watches=watches, earlier=earlier, source=source)


async def run_with(
    post: Post,
    ensemble: Ensemble,
    folder: RunFolder,
    processes: int = 0,
    *,
    watches: Sequence[Watch] = (),
    earlier: "Earlier | None" = None,
    source: Mapping[str, Any] | None = None,
) -> Finished:
    """The same over workers that `post` reaches, `processes` of them on this machine (0: it is not known where).

    Raises Faulty as `run_over` does.
    """
    run_id = earlier.run_id if earlier else uuid.uuid4().hex
    crew = Crew(post, pack(ensemble), run_id, takes_over=ensemble.plan.takes_over)
    async with trio.open_nursery() as nursery:
        await nursery.start(crew.run)
        refused = await _refused(crew)
        if refused is None:
            venue = Elsewhere(crew, processes)
            finished = await run_plan(
                ensemble, folder, venue=venue, watches=watches, earlier=earlier, source=source, run_id=run_id
            )
        nursery.cancel_scope.cancel()
    if refused is not None:
        raise refused  # out here, where no nursery makes a group of it
    return finished


@contextmanager
def _plain_interrupts() -> Iterator[None]:
    """A Ctrl-C before the run has begun to heed them is one, whatever task it came to."""
    try:
        yield
    except BaseExceptionGroup as group:
        if group.split(KeyboardInterrupt)[1] is None:
            raise KeyboardInterrupt from None
        raise


async def _refused(crew: Crew) -> Faulty | None:
    try:
        await crew.assemble()
    except Faulty as faulty:
        return faulty
    return None


@attrs.define(eq=False)
class Elsewhere:
    """The workers of `crew` as a `Venue`; `processes` of them on this machine."""

    crew: Crew
    processes: int = 0

    def room(self, plan: Plan) -> Sequence[str]:
        """See `Venue`: what this machine has says nothing of others."""
        return check_room(plan, self.processes)[1] if self.processes else ()

    def clean_rows(self, clean: Clean) -> Clean:
        """See `Venue`: they come masked."""
        return lambda row: row

    @asynccontextmanager
    async def open(self, job: Job) -> AsyncIterator[Stage]:
        """See `Venue`."""
        own = Results(clean=job.clean)
        plan = job.ensemble.plan
        origin = trio.current_time() - job.elapsed_s
        with RecordingsHere(job.keeping.recordings, recorded(plan), self.crew.ask) as sounds:
            async with trio.open_nursery() as background:
                background.start_soon(watch_generator, own)
                hall = Hall(self.crew, job, sounds, origin, own, _casts(self.crew, job))
                background.start_soon(CrewVitals(self.crew.members, job.results, own, origin, hall.health).run)
                try:
                    yield hall
                finally:
                    job.results.takes_over = plan.takes_over
                    job.results.workers[:] = hall.health()
                background.cancel_scope.cancel()


def _casts(crew: Crew, job: Job) -> tuple[RemoteCast, ...]:
    troupes = enumerate(job.ensemble.troupes)
    return tuple(RemoteCast(troupe, at, job.run_id, job.results, crew) for at, troupe in troupes)


@attrs.frozen(eq=False)
class Hall:
    """The workers of `crew` as a `Stage`; `own` has how the coordinator itself fares."""

    crew: Crew
    job: Job
    sounds: RecordingsHere
    origin: float
    own: Results
    casts: Sequence[RemoteCast]

    @property
    def timeouts(self) -> Timeouts:
        """Workers keep the deadlines of simulations; what they do is heard of somewhat later."""
        planned = self.job.ensemble.plan.timeouts
        return attrs.evolve(planned, simulation_s=math.inf, grace_s=planned.grace_s + self.crew.lead_s)

    def make_floor(self, limits: Mapping[str, int | None], write_row: WriteRow) -> Floor:
        """See `Stage`."""
        kept = self.job.ensemble.plan.recording
        as_it_came = kept.audio == "none" and not isinstance(kept.transcripts, Selection)
        return RemoteFloor(
            self.timeouts,
            limits,
            self.job.results,
            write_row,
            dealer=self.crew,
            takes_over=self.crew.takes_over,
            clean=self.job.clean,
            write_line=self.job.write_line if as_it_came else None,
        )

    def longest_waiting(self) -> Waiting | None:
        """See `Stage`."""
        told = (member.report.get("waiting") for member in self.crew.members.values() if member.state == "ready")
        waiting = [Waiting(**one) for one in told if one is not None]
        longest = min(waiting, key=lambda one: one.since_s, default=None)
        began_at = self.origin + self.crew.lead_s
        return None if longest is None else attrs.evolve(longest, since_s=longest.since_s + began_at)

    def attend(self, runner: Runner) -> None:
        """See `Stage`."""
        stand = Stand(
            results=self.job.results,
            sounds=self.sounds,
            may_record=self.job.ensemble.plan.recording.audio != "none",
            take_fault=self.job.faults.add_text,
            joined=runner.refill,
            alone=runner.cut,
        )
        self.crew.begin(self.origin, stand)

    async def wind_up(self) -> None:
        """See `Stage`."""
        await self.crew.wind_up()

    def health(self) -> list[WorkerHealth]:
        """How the coordinator and each worker fared."""
        mine = WorkerHealth(name=COORDINATOR, host=socket.gethostname(), generator=verdict(self.own.evidence()))
        return [mine, *self.crew.health()]
