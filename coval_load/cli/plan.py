"""`coval-load plan`: what a plan will do, before it does it."""

import sys
from functools import partial
from pathlib import Path

import click
import orjson

from coval_load.cli.overrides import Asked, overridable
from coval_load.cli.preparing import in_colour, prepare
from coval_load.engine.modelled import AsRecorded, TurnByTurn, read_delay
from coval_load.faults import Faulty
from coval_load.plans.preview import Lasting, TooManyError, preview, sketch
from coval_load.report.plan_text import plan_text
from coval_load.report.recovery import recover

DEFAULT_RESPONSE = "400ms..800ms"


@click.command(epilog="Example: coval-load plan plan.yaml --response p50=600ms,p95=1.2s")
@overridable
@click.option("--response", help="How long the agent takes to respond: 600ms, 400ms..900ms or p50=600ms,p95=1.2s.")
@click.option(
    "--from",
    "earlier",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A run folder: conversations last as long as those completed there.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the preview to standard output as JSON.")
def plan(asked: Asked, response: str | None, earlier: Path | None, as_json: bool) -> None:
    """Show what PLAN will do: how many simulations, how many at once, when, and what will have to wait.

    The plan's load is tried in virtual time without an agent, in seconds. Nothing is dialled. Options overrule what
    the plan says. Exit codes: 0 all well, 2 the plan is wrong.
    """
    if response is not None and earlier is not None:
        raise click.UsageError("expected --response or --from; got both, leave one out")
    lasting, basis = _from_run(earlier) if earlier is not None else _from_text(response)
    ensemble = prepare(asked.source, asked.overrides)
    known = ensemble.plan
    try:
        seen = preview(sketch(ensemble), known.limits.per_agent, known.timeouts, lasting).as_json()
    except TooManyError as error:
        raise click.ClickException(str(error)) from error
    stream = sys.stderr if as_json else sys.stdout
    click.echo(plan_text(known.name, seen, basis, in_colour(stream)), nl=False, file=stream, color=True)
    if as_json:
        sys.stdout.buffer.write(orjson.dumps({"name": known.name, **seen}, option=orjson.OPT_INDENT_2) + b"\n")
        sys.stdout.buffer.flush()


def _from_text(response: str | None) -> tuple[Lasting, str]:
    text = response or DEFAULT_RESPONSE
    try:
        delay = read_delay(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--response") from error
    advice = "" if response else " (--response says otherwise, --from takes an earlier run's)"
    return partial(TurnByTurn, delay), f"with responses after {text}{advice}"


def _from_run(folder: Path) -> tuple[Lasting, str]:
    try:
        summary = recover(folder).summary
        recorded = AsRecorded.of(summary)
    except Faulty as faulty:
        raise click.BadParameter("; ".join(map(str, faulty.faults)), param_hint="--from") from faulty
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--from") from error
    return partial(AsRecorded.of, summary), f"with the lengths of {recorded.samples:,} conversations of {folder.name}"
