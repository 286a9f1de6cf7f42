"""One conversation with whoever watches it: each step on a line, with what the agent does wrong at the end."""

import sys
import tempfile
import textwrap
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs
import click
import orjson

from coval_load.agents.secrets import Redactor
from coval_load.cli.preparing import in_colour
from coval_load.engine.run_folder import create, read_rows
from coval_load.plans.ending import EXIT_INTERRUPTED, EXIT_NONE_COMPLETED, EXIT_OK
from coval_load.plans.launch import run_plan
from coval_load.plans.rehearsal import Ensemble

_COLUMNS = 80
_COLOURS = {"could not read a message": "red", "ignored a message": "yellow", "the connection ended": "yellow"}
_WIDTH, _HEAD = 300, 100
"""Characters shown of a long line, and how many of them are its beginning: the latest message stands at the end."""


@attrs.define
class Timeline:
    """Prints each step as it happens; runs of audio messages are counted instead of shown."""

    redactor: Redactor
    stream: Any
    colour: bool
    _start: float | None = attrs.field(default=None, init=False)
    _last: tuple[str, str] = attrs.field(default=("", ""), init=False)
    _repeated: int = attrs.field(default=0, init=False)
    _reader_gone: bool = attrs.field(default=False, init=False)

    def tell(self, at: float, what: str, detail: str = "", more: str = "") -> None:
        """See `actors.narration.Narrator`."""
        if self._start is None:
            self._start = at
        if (what, detail) == self._last:
            self._repeated += 1
            return
        self.flush()
        self._last = (what, detail)
        self._print(f"{at - self._start:9.3f}", what, detail)
        if more:
            self._print(" " * 9, "", f"  {more}")

    def flush(self) -> None:
        """Say how often the last step came again."""
        if self._repeated:
            self._print(" " * 9, "", f"  ... and {self._repeated} more like it")
        self._repeated = 0

    def _print(self, when: str, what: str, detail: str) -> None:
        shown = self.redactor.text(detail)
        shown = _printable(shown)
        shown = shown if len(shown) <= _WIDTH else f"{shown[:_HEAD]}… {shown[_HEAD - _WIDTH :]}"
        line = f"{when}  {what}" + (f": {shown}" if what and shown else shown)
        try:
            if not self._reader_gone:
                click.echo(
                    click.style(line, fg=_COLOURS.get(what)) if self.colour else line, file=self.stream, color=True
                )
        except OSError:  # a pipe whose reader had enough: the conversation goes on
            self._reader_gone = True


async def dial_once(ensemble: Ensemble, as_json: bool) -> int:
    """Hold one conversation; returns the exit code."""
    stream = sys.stderr if as_json else sys.stdout
    timeline = Timeline(Redactor(ensemble.plan.secrets), stream, in_colour(stream))
    with tempfile.TemporaryDirectory(prefix="coval-load-") as temporary:
        folder = create(Path(temporary) / "run", ensemble.plan.name, datetime.now(UTC))
        finished = await run_plan(ensemble, folder, narrator=timeline)
        row = next(read_rows(folder.simulations_file), None)
    timeline.flush()
    if row is None:
        return EXIT_INTERRUPTED
    _print_end(row, finished.summary["notes"], stream)
    if as_json:
        sys.stdout.buffer.write(orjson.dumps(row, option=orjson.OPT_INDENT_2) + b"\n")
    if finished.exit_code == EXIT_INTERRUPTED:
        return EXIT_INTERRUPTED
    return EXIT_OK if row["outcome"] == "completed" else EXIT_NONE_COMPLETED


def _print_end(row: dict[str, Any], notes: list[str], stream: Any) -> None:
    click.echo("", file=stream)
    error = row["error"]
    if error is not None:
        where = f"stage {error['stage']}" + (f", turn {error['turn']}," if error["turn"] else "")
        click.echo(f"failed in {where} as {error['kind']}:", file=stream)
        click.echo(_wrapped(_printable(error["message"]), indent="  "), file=stream)
    else:
        click.echo(f"{row['outcome']}: the agent can be tested", file=stream)
    for metric, seconds in row["metrics"].items():
        if not metric.startswith("scheduled_"):
            click.echo(f"  {metric:<16} {seconds * 1000:9.1f} ms", file=stream)
    said = (turn for turn in row["transcript"] if turn["role"] == "assistant" and turn.get("type") is None)
    for number, turn in enumerate(said, 1):
        latency = turn.get("metrics", {}).get("response_latency")
        if latency is not None:
            click.echo(f"  reply {number:<10} {latency * 1000:9.1f} ms after the caller's turn", file=stream)
    for note in notes:
        click.echo(f"note: {_printable(note)}", file=stream)


def _wrapped(text: str, indent: str) -> str:
    # Not within --ca-file: what it says to give is to be copied.
    return textwrap.fill(text, _COLUMNS, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)


def _printable(text: str) -> str:
    """What an agent sent must not move the cursor of whoever reads it."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
