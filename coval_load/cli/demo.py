"""`coval-load demo`: a reference agent of our own, a load test against it, and what came of it."""

import sys
from importlib.resources import files
from pathlib import Path

import click

from coval_load.cli.parameters import DURATION
from coval_load.cli.serving import Served, Serving, serving_options
from coval_load.plans.overrides import Overrides
from coval_load.reference.model_types import MODEL_TYPE

END_OF_TURN_SILENCE_S = 0.5
"""Enough for an agent that never stops for so long within a reply."""


@click.command(epilog="Example: coval-load demo --model-type chat --concurrency 8 --duration 10s")
@click.option(
    "--model-type",
    type=MODEL_TYPE,
    default="voice",
    show_default=True,
    help="What kind of agent to call.",
)
@click.option("--concurrency", type=click.IntRange(1), default=20, show_default=True, help="Simulations at once.")
@click.option("--duration", type=DURATION, help="Start new simulations for so long; else each place is taken once.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary to standard output as JSON.")
@serving_options
def demo(model_type: str, concurrency: int, duration: float | None, as_json: bool, serving: Serving) -> None:
    """Call a reference agent that this starts on loopback, over TLS, and print the summary.

    The agent is a process of its own that hears the end of the caller's turn and answers 600 ms later, give or
    take 200 ms. Nothing leaves this machine.
    """
    import trio

    with serving.open() as served:
        sys.exit(trio.run(_demo, model_type, concurrency, duration, as_json, served))


async def _demo(model_type: str, concurrency: int, duration: float | None, as_json: bool, served: Served) -> int:
    from coval_load.reference.process import start_reference_agent

    arguments = ["--model-type", model_type, "--delay", "600ms", "--spread", "200ms", "--brief"]
    async with start_reference_agent(arguments, meanwhile=_load) as agent:
        from coval_load.cli.preparing import prepare
        from coval_load.cli.running import open_folder, print_summary
        from coval_load.cli.showing import watched
        from coval_load.plans.launch import Finished, run_plan

        ensemble = prepare(agent.plan_file, _overrides(concurrency, duration))
        folder = open_folder(None, ensemble.plan.name)
        click.echo(f"{concurrency} callers against a reference agent at {agent.endpoint}", err=True)
        finished: Finished = await run_plan(
            ensemble, folder, watches=[watched(ensemble, lambda: served.web), *served.watches]
        )
    print_summary(finished, folder, as_json=as_json)
    return finished.exit_code


def _load() -> None:
    """What a run needs, while the agent starts beside: each takes about a second, or most of one."""
    from coval_load.cli import running, showing  # noqa: F401
    from coval_load.plans import loading, rehearsal  # noqa: F401


def _overrides(concurrency: int, duration: float | None) -> Overrides:
    return Overrides(
        test_set=Path(str(files("coval_load.plans").joinpath("demo_test_set.yaml"))),
        concurrency=concurrency,
        simulations=None if duration else concurrency,
        duration_s=duration,
        sections={
            "name": "demo",
            "persona": {"end_of_turn_silence_seconds": END_OF_TURN_SILENCE_S},
            "limits": {"per_agent": 10 * concurrency},
            "record": {"timeline": "1s"},
        },
    )
