"""The `coval-load` command."""

import importlib
import os
import sys
from collections.abc import Mapping
from typing import TextIO

import click

from coval_load import __version__
from coval_load.cli.output import lead_nowhere

_COMMANDS: Mapping[str, str] = {
    "demo": "coval_load.cli.demo:demo",
    "run": "coval_load.cli.run:run",
    "soak": "coval_load.cli.soak:soak",
    "check": "coval_load.cli.check:check",
    "plan": "coval_load.cli.plan:plan",
    "report": "coval_load.cli.report:report",
    "compare": "coval_load.cli.compare:compare",
    "reference-agent": "coval_load.reference.command:reference_agent",
}

_HELP: Mapping[str, str] = {
    "demo": "Call a reference agent that this starts on loopback, over TLS, and print the summary.",
    "run": "Run a load test: PLAN, or --agent with a test set that comes with the package.",
    "soak": "Run PLAN, or --agent, with a steady load for --duration, and tell what changed over that time.",
    "check": "Validate FILE, an agent (connect-an-agent body) or a plan, and report all faults at once.",
    "plan": "Show what PLAN will do: how many simulations, how many at once, when, and what will have to wait.",
    "report": "Print the summary of the run in DIR, also of one that was killed before it wrote any, "
    "and write its page.",
    "compare": "Show what changed from the first RUN to each other one, and what of it is more than chance.",
    "reference-agent": "Run a reference agent until interrupted.",
}
"""How each command begins what it says of itself: to ask them, all would have to be imported, which takes a second."""


class _Commands(click.Group):
    """Imports a command when it is asked for, and none of them to list them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, _, name = _COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        listed = click.Group(commands=[click.Command(name, help=_HELP[name]) for name in self.list_commands(ctx)])
        listed.format_commands(ctx, formatter)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def cli() -> None:
    """Load tests for conversational AI agents, over voice and chat.

    \b
    coval-load demo                            see it work, in some seconds
    coval-load check agent.json --dial         one conversation, event by event
    coval-load plan plan.yaml                  what a load test will do
    coval-load run --agent agent.json          a load test
    coval-load run plan.yaml --web             the same, live in a browser
    coval-load soak plan.yaml --duration 8h    the same load overnight
    coval-load report DIR                      a run's summary and report.html again
    coval-load compare DIR DIR                 what changed between two runs
    """


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
