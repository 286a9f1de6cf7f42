"""`coval-load run`: a load test from a plan, or from an agent file."""

import sys
from pathlib import Path

import click

from coval_load.cli.parameters import DURATION, FILE, reach_options, reach_sections
from coval_load.cli.preparing import prepare
from coval_load.cli.running import run_and_report
from coval_load.plans.overrides import Overrides, plan_from_agent


@click.command(
    epilog="Examples: coval-load run plan.yaml --concurrency 200 --duration 10m, "
    "or coval-load run --agent agent.json --concurrency 20 --simulations 100"
)
@click.argument("plan", required=False, type=FILE)
@click.option("--agent", "agents", multiple=True, type=FILE, help="A connect-an-agent body; in place of the plan's.")
@click.option("--test-set", type=FILE, help="Test cases; in place of the plan's.")
@click.option("--concurrency", type=click.IntRange(1), help="Simulations at once.")
@click.option("--simulations", type=click.IntRange(1), help="How many in all.")
@click.option("--duration", type=DURATION, help="Start no more after this long, such as 10m.")
@click.option("--per-agent", type=click.IntRange(1), help="Simulations at once that one agent gets; WebSocket chat: 8.")
@reach_options
@click.option("--record-audio", is_flag=True, help="Keep a stereo recording of each voice conversation.")
@click.option("--seed", type=click.IntRange(0), help="The same seed deals the same test cases.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="The run folder.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary to standard output as JSON.")
def run(
    plan: Path | None,
    agents: tuple[Path, ...],
    test_set: Path | None,
    concurrency: int | None,
    simulations: int | None,
    duration: float | None,
    per_agent: int | None,
    ca_file: Path | None,
    allow_private: bool,
    allow_plaintext: bool,
    record_audio: bool,
    seed: int | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Run a load test: PLAN, or --agent with a test set that comes with the package.

    Options overrule what the plan says. Exit codes: 0 all well, 2 the plan is wrong and nothing was dialled,
    3 no simulation completed, 98 the generator was the bottleneck, 99 a threshold was crossed, 130 interrupted.
    """
    if plan is None and not agents:
        raise click.UsageError("expected a PLAN or --agent AGENT.json; got neither: see coval-load run --help")
    sections = reach_sections(ca_file, allow_private, allow_plaintext)
    if per_agent is not None:
        sections["limits"] = {"per_agent": per_agent}
    if record_audio:
        sections["record"] = {"audio": "all"}
    overrides = Overrides(
        agents=agents,
        test_set=test_set,
        concurrency=concurrency,
        simulations=simulations,
        duration_s=duration,
        seed=seed,
        sections=sections,
    )
    ensemble = prepare(plan if plan is not None else plan_from_agent(agents[0], test_set), overrides)
    sys.exit(run_and_report(ensemble, out, as_json=as_json))
