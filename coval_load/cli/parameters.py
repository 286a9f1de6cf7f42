"""Kinds of values that options of several commands take."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from coval_load.limits import Duration


class DurationType(click.ParamType[float]):
    """`300ms`, `2s`, `10m`, `8h` -> seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds; fails with what was expected."""
        if isinstance(value, float):
            return value
        seconds = Duration().read(value)
        if not isinstance(seconds, float):
            self.fail(f"expected a duration such as 300ms, 2s, 10m or 8h; got {value!r}", param, ctx)
        return seconds


DURATION = DurationType()

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

_Command = TypeVar("_Command", bound=Callable[..., object])


FOLDER = click.Path(file_okay=False, path_type=Path)


def run_options(command: _Command) -> _Command:
    """Where the results of a run go."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print the summary to standard output as JSON."),
        click.option("--resume", type=FOLDER, help="Go on with the run in this folder: what is left of it, if killed."),
        click.option("--out", type=FOLDER, help="The run folder."),
    ):
        command = option(command)
    return command


def reach_options(command: _Command) -> _Command:
    """Options that say what may be dialled and trusted; `reach_sections` takes what they hold."""
    for option in (
        click.option("--allow-plaintext", is_flag=True, help="Dial ws:// and http:// too."),
        click.option("--allow-private", is_flag=True, help="Dial private and loopback addresses too."),
        click.option("--ca-file", type=FILE, help="Authorities to trust besides the system's (PEM)."),
    ):
        command = option(command)
    return command


def reach_sections(ca_file: Path | None, allow_private: bool, allow_plaintext: bool) -> dict[str, Any]:
    """The sections of a plan that these options stand for."""
    sections: dict[str, Any] = {}
    if ca_file is not None:
        sections["tls"] = {"ca_file": str(ca_file.absolute())}
    lifted = {"allow_private": allow_private, "allow_plaintext": allow_plaintext}
    if any(lifted.values()):
        sections["targets"] = {name: True for name, is_lifted in lifted.items() if is_lifted}
    return sections
