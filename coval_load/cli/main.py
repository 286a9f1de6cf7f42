"""The `coval-load` command."""

import os
import sys
from typing import TextIO

import click

from coval_load import __version__
from coval_load.cli.check import check
from coval_load.cli.demo import demo
from coval_load.cli.output import lead_nowhere
from coval_load.cli.plan import plan
from coval_load.cli.report import report
from coval_load.cli.run import run
from coval_load.cli.soak import soak
from coval_load.reference.command import reference_agent


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def cli() -> None:
    """Load tests for conversational AI agents, over voice and chat.

    \b
    coval-load demo                            see it work, in some seconds
    coval-load check agent.json --dial         one conversation, event by event
    coval-load plan plan.yaml                  what a load test will do
    coval-load run --agent agent.json          a load test
    coval-load soak plan.yaml --duration 8h    the same load overnight
    """


for command in (demo, run, soak, check, plan, report, reference_agent):
    cli.add_command(command)


def _nowhere() -> TextIO:
    """In place of an output that was closed before we began; Python has None there."""
    # Left open: what is said at the very end goes there, too.
    return os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8", closefd=False)


def main() -> None:
    """The entry point: exit codes as documented, whatever happens."""
    sys.stdout = sys.stdout or _nowhere()
    sys.stderr = sys.stderr or _nowhere()
    try:
        cli.main(prog_name="coval-load", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except click.Abort:
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(1)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    finally:
        # Whoever read our output may have gone; there is no one left to tell, and it must not change the exit code.
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError):
                lead_nowhere(stream)
