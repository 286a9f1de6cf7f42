"""Results in the formats of other tools: the options, and the files that they ask for."""

import functools
import os
import secrets
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import attrs
import click

from coval_load.cli.output import say
from coval_load.cli.parameters import FOLDER
from coval_load.cli.preparing import refuse
from coval_load.faults import Fault, Faulty
from coval_load.report.visible import visible

if TYPE_CHECKING:
    from coval_load.report.diagnosis.finding import Diagnosis

_OPTIONS = (
    click.option(
        "--junit", type=click.Path(dir_okay=False, path_type=Path), help="Write JUnit XML to this file, for CI."
    ),
    click.option(
        "--hgrm", type=FOLDER, help="Write each metric's histogram into this folder, for HdrHistogram's plotter."
    ),
    click.option("--parquet", type=FOLDER, help="Write simulations and turns as Parquet into this folder."),
)


@attrs.frozen
class Exports:
    """The files that the command line asks for, besides the run folder."""

    junit: Path | None = None
    hgrm: Path | None = None
    parquet: Path | None = None

    @property
    def folders(self) -> Iterator[tuple[str, Path]]:
        """(option, folder that it writes into) of each that is asked for."""
        if self.junit is not None:
            yield "--junit", self.junit.parent
        if self.hgrm is not None:
            yield "--hgrm", self.hgrm
        if self.parquet is not None:
            yield "--parquet", self.parquet


NO_EXPORTS = Exports()


def export_options(command: Callable[..., object]) -> Callable[..., object]:
    """Give `command` the options of exports; it gets them as the keyword `exports`, an `Exports`."""
    names = [field.name for field in attrs.fields(Exports)]

    @functools.wraps(command)
    def with_exports(*args: Any, **values: Any) -> object:
        return command(*args, exports=Exports(**{name: values.pop(name) for name in names}), **values)

    taking: Callable[..., object] = with_exports
    for option in reversed(_OPTIONS):
        taking = option(taking)
    return taking


def refuse_unwritable(exports: Exports) -> None:
    """Make the folders; exits with 2 where one can't be written into, or an extra is missing.

    Before anything is dialled: a run of hours must not find out at its end.
    """
    faults = [fault for option, folder in exports.folders if (fault := _unwritable(option, folder)) is not None]
    if exports.parquet is not None:
        from coval_load.report.exports import parquet

        if not parquet.is_installed():
            faults.append(Fault("--parquet", parquet.MISSING))
    if faults:
        refuse(Faulty(faults))


def _unwritable(option: str, folder: Path) -> Fault | None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        return Fault(option, f"expected a folder to write into at {folder}; got: {error.strerror or error}")


def write_exports(folder: Path, summary: Mapping[str, Any], run: Mapping[str, Any], exports: Exports) -> bool:
    """Write what `exports` asks for of the run in `folder`; returns whether all of it was written.

    `summary` and `run` are what `summary.json` and `run.json` hold. Error handling: nothing is raised. What can't be
    written is told on standard error, and the others are written all the same.
    """
    asked = (
        ("--junit", exports.junit, _write_junit),
        ("--hgrm", exports.hgrm, _write_hgrm),
        ("--parquet", exports.parquet, _write_parquet),
    )
    written = [
        _tried(option, path, functools.partial(write, path, folder, summary, run))
        for option, path, write in asked
        if path is not None
    ]
    return all(written)


def _tried(option: str, path: Path, write: Callable[[], object]) -> bool:
    try:
        write()
    except Exception as error:  # noqa: BLE001 - a run's results must not be lost over a file beside them
        lacking = isinstance(error, ModuleNotFoundError)
        told = _reason(error) if lacking else f"expected to write {path}; got: {_reason(error)}"
        say(sys.stderr, f"{option}: {visible(told)}\n")
        return False
    return True


def _reason(error: Exception) -> str:
    if isinstance(error, OSError | Faulty | ModuleNotFoundError):
        return getattr(error, "strerror", None) or str(error)
    return f"{type(error).__name__}: {error}"


def _write_junit(path: Path, folder: Path, summary: Mapping[str, Any], run: Mapping[str, Any]) -> None:
    from coval_load.cli.waiting import say_how_much
    from coval_load.engine.run_folder import write_atomically
    from coval_load.report.exports import junit
    from coval_load.report.scan import scan

    say_how_much(folder, "--junit")
    cases = junit.TestCases()
    scan(folder, run, [cases])
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, junit.junit_xml(summary, run, cases))


def _write_hgrm(path: Path, _: Path, summary: Mapping[str, Any], __: Mapping[str, Any]) -> None:
    from coval_load.report.exports.hgrm import write_hgrm

    write_hgrm(path, summary)


def _write_parquet(path: Path, folder: Path, _: Mapping[str, Any], run: Mapping[str, Any]) -> None:
    from coval_load.cli.waiting import say_how_much
    from coval_load.report.exports.parquet import ParquetTables
    from coval_load.report.kept import Kept
    from coval_load.report.scan import scan

    say_how_much(folder, "--parquet")
    with ParquetTables(path, run, Kept(folder)) as tables:
        scan(folder, run, [tables])


def say_summary(summary: Mapping[str, Any], text: str, *, as_json: bool) -> None:
    """`text`, which tells of `summary`, to standard output; with `as_json` JSON there, and `text` to standard error.

    In a step of a GitHub workflow so that no word of an agent's is taken for a workflow command.
    """
    say_told(text, sys.stderr if as_json else sys.stdout)
    if as_json:
        import orjson

        from coval_load.report.exports import github

        written = orjson.dumps(summary, option=orjson.OPT_INDENT_2) + b"\n"
        say(sys.stdout, github.inert_json(written) if github.is_github(os.environ) else written)


def say_told(text: str, stream: TextIO) -> None:
    """`text`, which may hold an agent's words, so that a GitHub workflow takes none of them for a command."""
    if text:
        from coval_load.report.exports import github

        say(stream, github.fenced(text, secrets.token_hex(16)) if github.is_github(os.environ) else text)


def export(
    folder: Path,
    summary: Mapping[str, Any],
    run: Mapping[str, Any],
    exports: Exports,
    *,
    as_json: bool,
    diagnosis: "Diagnosis | None" = None,
) -> None:
    """What is left to do when the summary of a run was printed: files, and what GitHub shows; nothing is raised."""
    from coval_load.report.exports import github

    write_exports(folder, summary, run, exports)
    github.write_for_github(summary, run, os.environ, sys.stderr if as_json else sys.stdout, diagnosis)
