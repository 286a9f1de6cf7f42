"""`coval-load soak`: the same load for hours or days, and whether the agent wears out."""

import sys
from pathlib import Path

import attrs
import click

from coval_load.cli.exporting import Exports, export_options
from coval_load.cli.overrides import Asked, overridable
from coval_load.cli.parameters import DURATION, run_options
from coval_load.cli.serving import Serving, serving_options
from coval_load.cli.workers import Workers, worker_options


@click.command(epilog="Example: coval-load soak plan.yaml --duration 8h --threshold 'response_latency: drift < 5%'")
@overridable
@click.option("--ramp-up", type=DURATION, help="How slow it starts; a twentieth of the duration, at most 5m.")
@click.option("--ramp-down", type=DURATION, help="How slow it ends; at once.")
@run_options
@export_options
@serving_options
@worker_options
def soak(
    asked: Asked,
    ramp_up: float | None,
    ramp_down: float | None,
    out: Path | None,
    resume: Path | None,
    as_json: bool,
    exports: Exports,
    serving: Serving,
    workers: Workers,
) -> None:
    """Run PLAN, or --agent, with a steady load for --duration, and tell what changed over that time.

    The summary says whether latency, errors or the generator's memory grew. Memory stays the same however long it
    takes; one that was killed goes on with --resume DIR. Exit codes are those of run.
    """
    from coval_load.cli.running import Showing, resume_and_report, run_and_report

    showing = Showing(as_json=as_json, exports=exports, serving=serving, workers=workers)
    if resume is not None:
        sys.exit(resume_and_report(resume, asked, out, showing))
    ramps = {"ramp_up": ramp_up, "ramp_down": ramp_down}
    given = {name: seconds for name, seconds in ramps.items() if seconds is not None}
    sys.exit(run_and_report(attrs.evolve(asked, soak=given), out, showing))
