"""`coval-load run`: a load test from a plan, or from an agent file."""

import sys
from pathlib import Path

import click

from coval_load.cli.exporting import Exports, export_options
from coval_load.cli.overrides import Asked, overridable
from coval_load.cli.parameters import run_options
from coval_load.cli.serving import Serving, serving_options
from coval_load.cli.workers import Workers, worker_options


@click.command(
    epilog="Examples: coval-load run plan.yaml --concurrency 200 --duration 10m, "
    "or coval-load run --agent agent.json --concurrency 20 --simulations 100"
)
@overridable
@run_options
@export_options
@serving_options
@worker_options
def run(
    asked: Asked,
    out: Path | None,
    resume: Path | None,
    as_json: bool,
    exports: Exports,
    serving: Serving,
    workers: Workers,
) -> None:
    """Run a load test: PLAN, or --agent with a test set that comes with the package.

    Options overrule what the plan says. Exit codes: 0 all well, 2 the plan is wrong and nothing was dialled,
    3 no simulation completed, 97 workers were lost, 98 the generator was the bottleneck, 99 a threshold was crossed,
    130 interrupted.
    """
    from coval_load.cli.running import Showing, resume_and_report, run_and_report

    showing = Showing(as_json=as_json, exports=exports, serving=serving, workers=workers)
    if resume is not None:
        sys.exit(resume_and_report(resume, asked, out, showing))
    sys.exit(run_and_report(asked, out, showing))
