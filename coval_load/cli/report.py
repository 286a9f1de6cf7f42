"""`coval-load report`: the summary of a run from its folder."""

import sys
from pathlib import Path

import click
import orjson

from coval_load.cli.preparing import in_colour
from coval_load.faults import Faulty
from coval_load.report.recovery import recover
from coval_load.report.summary_text import summary_text


@click.command(epilog="Example: coval-load report coval-runs/20260304T120000Z-support-line")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the summary to standard output as JSON.")
def report(folder: Path, as_json: bool) -> None:
    """Print the summary of the run in DIR, also of one that was killed before it wrote any.

    Exit codes: 0 it was printed, 2 DIR has no run in it or a file of it can't be read.
    """
    try:
        recovered = recover(folder)
    except Faulty as faulty:
        raise click.ClickException(str(faulty)) from faulty
    stream = sys.stderr if as_json else sys.stdout
    text = summary_text(recovered.summary, recovered.run, in_colour(stream), str(folder))
    click.echo(text, nl=False, file=stream, color=True)
    if as_json:
        sys.stdout.buffer.write(orjson.dumps(recovered.summary, option=orjson.OPT_INDENT_2) + b"\n")
        sys.stdout.buffer.flush()
