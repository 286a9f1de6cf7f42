"""One pass over `simulations.jsonl` for all who want to see its rows."""

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import attrs
import orjson

from coval_load.faults import Fault, Faulty

ROWS_FILE = "simulations.jsonl"

_PAGE = 4096


class Visitor(Protocol):
    """Sees each simulation once."""

    def add(self, row: Mapping[str, Any], offset: int) -> None:
        """`row` is one simulation, `offset` the byte at which its line begins, for `read_at`.

        Rows come in the order they were written. Error handling: KeyError, TypeError, ValueError, AttributeError or
        IndexError where `row` is none; `scan` makes a Faulty of it.
        """
        ...


def scan(folder: Path, run: Mapping[str, Any], visitors: Iterable[Visitor]) -> None:
    """Show every visitor the simulations of the run in `folder`, whose `run.json` is `run`.

    A simulation is known by its scenario and its number, a row without a number is one of its own. Only the last row
    of each is shown: a run that was resumed has more of some. A last line that a kill tore off is left out, and a file
    that is missing has no rows. A row is held no longer than it is shown; of a resumed run 8 bytes are kept for each
    simulation.

    Error handling: Faulty, naming the row, where the file can't be read or has a line that is no row.
    """
    path = folder / ROWS_FILE
    replaced = _replaced(path) if run.get("resumed") else frozenset[int]()
    shown = tuple(visitors)

    def show(row: dict[str, Any], offset: int) -> None:
        if offset not in replaced:
            for visitor in shown:
                visitor.add(row, offset)

    read_lines(path, show)


def read_lines(path: Path, add: Callable[[dict[str, Any], int], object]) -> None:
    """Call `add` with each row of a file of JSON lines and the byte it begins at; none where there is no such file.

    Error handling: as `scan`.
    """
    for number, (offset, row) in enumerate(_rows(path), start=1):
        try:
            add(row, offset)
        except Faulty:
            raise
        except Exception as error:  # a histogram's decoder has many words for bytes that are none
            raise Faulty([_no_row(path, number, error)]) from error


def read_at(folder: Path, offsets: Iterable[int]) -> Iterator[dict[str, Any]]:
    """The rows that begin at `offsets`, in the order of these; OSError or ValueError where there are none."""
    for line in _lines_at(folder, offsets):
        row = orjson.loads(line)
        if not isinstance(row, dict):
            raise ValueError(f"expected a JSON object in {folder / ROWS_FILE}, got {line[:80]!r}")
        yield row


def row_bytes_at(folder: Path, offsets: Iterable[int]) -> Iterator[int]:
    """How many bytes each of the rows that begin at `offsets` has; OSError where there is no file of them."""
    return (len(line) for line in _lines_at(folder, offsets))


def _lines_at(folder: Path, offsets: Iterable[int]) -> Iterator[bytes]:
    wanted = list(offsets)
    if not wanted:  # nor need there be a file
        return
    with (folder / ROWS_FILE).open("rb") as file:
        for offset in wanted:
            file.seek(offset)
            yield file.readline()


@attrs.define
class _Last:
    """Where the last row of each simulation begins; `replaced` are the rows before it."""

    replaced: set[int] = attrs.field(factory=set, init=False)
    # Offset and one, in pages, as numbers need not begin at 0.
    _pages: dict[tuple[str, int], "array[int]"] = attrs.field(factory=dict, init=False)

    def add(self, row: Mapping[str, Any], offset: int) -> None:
        number = row.get("number")
        if not isinstance(number, int):
            return
        scenario = row.get("scenario")
        where = (scenario if isinstance(scenario, str) else "", number // _PAGE)
        page = self._pages.get(where)
        if page is None:
            page = self._pages[where] = array("Q", bytes(_PAGE * array("Q").itemsize))
        if page[number % _PAGE]:
            self.replaced.add(page[number % _PAGE] - 1)
        page[number % _PAGE] = offset + 1


def _replaced(path: Path) -> set[int]:
    last = _Last()
    for offset, row in _rows(path):
        last.add(row, offset)
    return last.replaced


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        with path.open("rb") as file:
            yield from _whole_lines(path, file)
    except FileNotFoundError:
        return
    except OSError as error:
        raise Faulty([_unreadable(path, error)]) from error


def _whole_lines(path: Path, file: Iterable[bytes]) -> Iterator[tuple[int, dict[str, Any]]]:
    offset = 0
    for number, line in enumerate(file, start=1):
        if not line.endswith(b"\n"):
            return
        if line != b"\n":
            yield offset, _row(path, number, line)
        offset += len(line)


def _row(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise Faulty([_no_json(path, number, line)]) from error
    if not isinstance(row, dict):
        raise Faulty([_no_json(path, number, line)])
    return row


def _unreadable(path: Path, error: OSError) -> Fault:
    return Fault("", f"expected {path} of a run; got {error.strerror or error}: give the folder of a run")


def _no_json(path: Path, number: int, line: bytes) -> Fault:
    return Fault("", f"{path}, line {number}: expected a JSON object, got {line[:80]!r}: repair or remove that line")


def _no_row(path: Path, number: int, error: Exception) -> Fault:
    what = f"no {error}" if isinstance(error, KeyError) else str(error) or type(error).__name__
    return Fault("", f"{path}, row {number}: expected a row as docs/results.md has it; got {what}: remove that line")
