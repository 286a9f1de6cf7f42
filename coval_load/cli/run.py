"""`coval-load run`: a load test from a plan, or from an agent file."""

import sys
from pathlib import Path

import click

from coval_load.cli.overrides import Asked, overridable
from coval_load.cli.preparing import prepare
from coval_load.cli.running import run_and_report


@click.command(
    epilog="Examples: coval-load run plan.yaml --concurrency 200 --duration 10m, "
    "or coval-load run --agent agent.json --concurrency 20 --simulations 100"
)
@overridable
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="The run folder.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary to standard output as JSON.")
def run(asked: Asked, out: Path | None, as_json: bool) -> None:
    """Run a load test: PLAN, or --agent with a test set that comes with the package.

    Options overrule what the plan says. Exit codes: 0 all well, 2 the plan is wrong and nothing was dialled,
    3 no simulation completed, 98 the generator was the bottleneck, 99 a threshold was crossed, 130 interrupted.
    """
    ensemble = prepare(asked.source, asked.overrides)
    sys.exit(run_and_report(ensemble, out, as_json=as_json))
