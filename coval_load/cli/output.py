"""Standard output and standard error, whoever reads them, and as long as they do."""

import os
from contextlib import suppress
from typing import TextIO

import click


def say(stream: TextIO, text: str | bytes) -> None:
    """Write `text` to `stream` at once. That its reader has gone, or its disk is full, is nobody to be told.

    A stream that can't be written to goes nowhere from then on, so that nothing fails at the process's end either.
    """
    try:
        try:
            click.echo(text, nl=False, file=stream, color=True)
        except UnicodeEncodeError:
            click.echo(str(text).encode(stream.encoding, "replace"), nl=False, file=stream)
        stream.flush()
    except (OSError, ValueError):
        lead_nowhere(stream)


def lead_nowhere(stream: TextIO) -> None:
    """Whatever is still written to `stream` is dropped."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
