"""What takes so long, where something does."""

import sys
from pathlib import Path

from coval_load.cli.output import say
from coval_load.report.scan import ROWS_FILE

LONG_FROM_BYTES = 200_000_000
"""Of `simulations.jsonl`: to look through so much takes 5 s or more, which nobody should have to wonder about."""


def say_how_much(folder: Path, what_for: str) -> None:
    """That the rows in `folder` are looked through `what_for`, where there are many."""
    file = folder / ROWS_FILE
    size = file.stat().st_size if file.exists() else 0
    if size >= LONG_FROM_BYTES:
        say(sys.stderr, f"looking through {size / 1e6:,.0f} MB of conversations for {what_for}\n")
