"""The entry point, small enough to be there before Ctrl-C is pressed."""

import sys


def main() -> None:
    """As `coval_load.cli.main.main`, whose import takes half a second and may be interrupted like anything else."""
    try:
        from coval_load.cli.main import main as run_command
    except KeyboardInterrupt:
        sys.exit(130)
    run_command()
