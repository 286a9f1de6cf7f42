"""The entry point, small enough to be there before Ctrl-C is pressed."""

import os
import sys


def main() -> None:
    """As `coval_load.cli.main.main`, whose import takes half a second and may be interrupted like anything else."""
    # What numpy computes here is small: threads of its own would only take a core from the agent, or from the engine.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        from coval_load.cli.main import main as run_command
    except KeyboardInterrupt:
        sys.exit(130)
    run_command()
