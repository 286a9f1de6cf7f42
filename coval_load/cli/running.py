"""Runs a prepared plan with a live line, and prints its summary."""

import sys
from datetime import UTC, datetime
from pathlib import Path

import click
import orjson
import trio

from coval_load.cli.preparing import in_colour, refuse
from coval_load.engine import metrics
from coval_load.engine.results import Results
from coval_load.engine.run_folder import RunFolder, create
from coval_load.engine.runner import Runner
from coval_load.faults import Faulty
from coval_load.plans.ending import duration_of, total_of
from coval_load.plans.launch import Finished, Watch, run_plan
from coval_load.plans.rehearsal import Ensemble
from coval_load.report.live_line import Progress, show_progress
from coval_load.report.summary_text import summary_text


def run_and_report(ensemble: Ensemble, out: Path | None, *, as_json: bool = False) -> int:
    """The whole job; returns the exit code."""
    folder = open_folder(out, ensemble.plan.name)
    finished = trio.run(_run, ensemble, folder)
    print_summary(finished, folder, as_json=as_json)
    return finished.exit_code


def open_folder(out: Path | None, name: str) -> RunFolder:
    """The run folder; exits with 2 where `out` can't be one."""
    try:
        return create(out, name, datetime.now(UTC))
    except Faulty as faulty:
        refuse(faulty)


def print_summary(finished: Finished, folder: RunFolder, *, as_json: bool) -> None:
    """With `as_json` JSON alone goes to standard output, and what a person reads to standard error."""
    stream = sys.stderr if as_json else sys.stdout
    text = summary_text(finished.summary, finished.run, in_colour(stream), str(folder.path))
    click.echo(text, nl=False, file=stream, color=True)
    if as_json:
        sys.stdout.buffer.write(orjson.dumps(finished.summary, option=orjson.OPT_INDENT_2) + b"\n")
        sys.stdout.buffer.flush()


async def _run(ensemble: Ensemble, folder: RunFolder) -> Finished:
    return await run_plan(ensemble, folder, watch=watched(ensemble))


def watched(ensemble: Ensemble) -> Watch:
    """Shows on standard error how a run of `ensemble` goes."""
    total, duration_s = total_of(ensemble.plan), duration_of(ensemble.plan)

    async def watch(runner: Runner, results: Results) -> None:
        def snapshot() -> Progress:
            return Progress(
                running=runner.running,
                queued=runner.queued,
                completed=results.counted(metrics.COMPLETED),
                failed=results.counted(metrics.FAILED),
                elapsed_s=trio.current_time() - runner.started_at,
                total=total,
                duration_s=duration_s,
                response_latency_p50_s=results.percentile(metrics.RESPONSE_LATENCY, 50),
                response_latency_p95_s=results.percentile(metrics.RESPONSE_LATENCY, 95),
                send_lateness_p99_s=results.percentile(metrics.SEND_LATENESS, 99),
            )

        await show_progress(snapshot, sys.stderr, plain=not in_colour(sys.stderr))

    return watch
