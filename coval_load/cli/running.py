"""Runs a prepared plan with a live line, and prints its summary."""

import sys
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click
import trio

from coval_load.cli.exporting import NO_EXPORTS, Exports, export, refuse_unwritable, say_summary
from coval_load.cli.output import say
from coval_load.cli.overrides import Asked
from coval_load.cli.page import write_page
from coval_load.cli.preparing import in_colour, prepare, refuse
from coval_load.cli.serving import NOT_SERVED, Serving
from coval_load.cli.showing import watched
from coval_load.cli.workers import ONE_PROCESS, Workers, processes_of, tell
from coval_load.engine.run_folder import RunFolder, create, reopen
from coval_load.faults import Fault, Faulty
from coval_load.plans.ending import EXIT_INTERRUPTED
from coval_load.plans.launch import Finished, run_plan
from coval_load.plans.rehearsal import Ensemble
from coval_load.plans.room import check_room
from coval_load.report.exports import github  # noqa: F401  what tells of a run is there before it begins
from coval_load.report.summary_text import summary_text

if TYPE_CHECKING:
    from coval_load.cluster.where import Where
    from coval_load.plans.resuming import Earlier


@attrs.frozen(kw_only=True)
class Showing:
    """What goes along with a run, a new one or one that goes on: who sees it how, and who carries it out."""

    as_json: bool = False
    exports: Exports = NO_EXPORTS
    serving: Serving = NOT_SERVED
    workers: Workers = ONE_PROCESS

    def tell_of(self, finished: Finished, folder: RunFolder) -> int:
        """Print the summary; returns the exit code."""
        print_summary(finished, folder, as_json=self.as_json, exports=self.exports)
        return finished.exit_code


def run_and_report(asked: Asked, out: Path | None, showing: Showing) -> int:
    """The whole job; returns the exit code."""
    ensemble = prepare(asked.source, asked.overrides)
    where = showing.workers.where(ensemble.plan)
    refuse_without_room(ensemble, where)
    refuse_unwritable(showing.exports)
    return _carry_out(ensemble, lambda: open_folder(out, ensemble.plan.name), where, showing, source=asked.tell())


def resume_and_report(folder: Path, asked: Asked, out: Path | None, showing: Showing) -> int:
    """Go on with the run in `folder`; its plan is where `run.json` says, or the one that `asked` names."""
    from coval_load.plans.resuming import check_same, read_earlier, read_run
    from coval_load.report.units import clock

    if out is not None or attrs.evolve(asked, plan=None) != Asked():
        raise click.UsageError("expected nothing beside --resume DIR but the plan; the run keeps what it began with")
    refuse_unwritable(showing.exports)
    try:
        run = read_run(folder)
        began = Asked.told(run["source"])
        ensemble = prepare(attrs.evolve(began, plan=asked.plan or began.plan).source, began.overrides)
        check_same(folder, run, ensemble.plan.masked())
        ensemble = attrs.evolve(ensemble, plan=attrs.evolve(ensemble.plan, name=run["name"]))  # agents are told of it
        where = showing.workers.where(ensemble.plan)
        reopened = reopen(folder, run)
        reopened.hold()
        try:
            earlier = read_earlier(folder, run, ensemble.plan.thresholds)
        except BaseException:
            reopened.let_go()
            raise
    except (Faulty, ValueError) as error:
        refuse(error if isinstance(error, Faulty) else Faulty([Fault("--resume", str(error))]))
    if earlier.leaves(ensemble.plan):
        say(sys.stderr, f"going on after {clock(earlier.elapsed_s)}, with what is left\n")
    else:
        say(sys.stderr, f"nothing is left: the run was over after {clock(earlier.elapsed_s)}\n")
        if earlier.is_whole and run.get("exit_code") not in (None, EXIT_INTERRUPTED):
            reopened.let_go()
            return showing.tell_of(Finished(earlier.summary, run, run["exit_code"]), reopened)
        where = None
    return _carry_out(ensemble, lambda: reopened, where, showing, earlier=earlier)


def _carry_out(
    ensemble: Ensemble,
    begin: Callable[[], RunFolder],
    where: "Where | None",
    showing: Showing,
    *,
    earlier: "Earlier | None" = None,
    source: Mapping[str, Any] | None = None,
) -> int:
    """`begin` gives the folder, when nothing else can be refused."""
    with showing.serving.open() as served:
        folder = begin()
        tell(where)
        watches = [watched(ensemble, lambda: served.web), *served.watches]
        run = partial(_way_to(where), ensemble, folder, watches=watches, earlier=earlier, source=source)
        try:
            finished = trio.run(run)
        except (Faulty, KeyboardInterrupt) as error:
            if earlier is None:
                folder.withdraw()
            if isinstance(error, Faulty):
                refuse(error)
            raise
    return showing.tell_of(finished, folder)


def _way_to(where: "Where | None") -> Callable[..., Awaitable[Finished]]:
    if where is None:
        return run_plan
    from coval_load.cluster.launch import run_over

    return partial(run_over, where=where)


def refuse_without_room(ensemble: Ensemble, where: "Where | None" = None) -> None:
    """Exits with 2 where this machine has no room for what the plan asks for."""
    faults, _ = check_room(ensemble.plan, processes_of(where))
    if faults:
        refuse(Faulty(faults))


def open_folder(out: Path | None, name: str) -> RunFolder:
    """The run folder; exits with 2 where `out` can't be one."""
    try:
        return create(out, name, datetime.now(UTC))
    except Faulty as faulty:
        refuse(faulty)


def print_summary(finished: Finished, folder: RunFolder, *, as_json: bool, exports: Exports = NO_EXPORTS) -> None:
    """With `as_json` JSON alone goes to standard output, and what a person reads to standard error.

    Where these can't be written to, nothing is raised: the exit code is to tell how the run ended.
    """
    stream = sys.stderr if as_json else sys.stdout
    text = summary_text(finished.summary, finished.run, in_colour(stream), str(folder.path))
    say_summary(finished.summary, text, as_json=as_json)
    told = write_page(folder.path, finished.summary, finished.run, as_json=as_json)
    export(folder.path, finished.summary, finished.run, exports, as_json=as_json, diagnosis=told.diagnosis)
