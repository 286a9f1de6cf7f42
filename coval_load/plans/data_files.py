"""Files with a test case in each line: JSON Lines and CSV."""

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import attrs

from coval_load.faults import Fault, Faulty
from coval_load.json_text import read_json
from coval_load.limits import show
from coval_load.plans.places import Cells, Lines, Places, line_path

NUMBERS = ("weight", "iterations")
"""Columns that hold numbers."""

_NUMBER = re.compile(r"[+-]?[0-9]{1,30}(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?")
_TURN = re.compile(r"turn_([0-9]+)")


@attrs.frozen
class Rows:
    """Test cases as written, where each stands, and the faults of the lines that could not be read.

    Of a file whose `numbers_are_text`, those of `NUMBERS` are to be read once variables are filled in.
    """

    cases: tuple[Any, ...] = attrs.field(repr=False)
    places: Places
    faults: tuple[Fault, ...]
    numbers_are_text: bool = False


def read_json_lines(text: str, path: str) -> Rows:
    """A test case in each line that is not empty. Faults have `path` in front of the line. Never raises."""
    cases: list[Any] = []
    lines: list[int] = []
    faults: list[Fault] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip(" \t\r"):
            continue
        try:
            cases.append(read_json(line))
            lines.append(number)
        except ValueError as error:
            message = str(error).replace("(line 1, column", "(column")
            faults.append(Fault(line_path(path, number), f"expected a test case as JSON; {message}"))
    if not cases and not faults:
        faults.append(Fault(path, "expected a test case in each line; got no line"))
    return Rows(tuple(cases), Lines(path, lines), tuple(faults))


def read_csv(text: str, path: str, *, has_script: bool) -> Rows:
    """A test case in each line below the header, which names the columns.

    `has_script` says that the turns stand elsewhere, and are to be in no column. Raises `Faulty` where the header
    is at fault.
    """
    lines = _lines(csv.reader(io.StringIO(text, newline=""), strict=True), path)
    first = next(lines, None)
    if isinstance(first, Fault):
        raise Faulty([first])
    if first is None:
        raise Faulty([Fault(path, "expected a line that names the columns; got an empty file")])
    header = _Header(path, first[0], tuple(name.strip() for name in first[1]))
    if faults := list(header.faults(has_script=has_script)):
        raise Faulty(faults)
    return _read_rows(header, lines)


def read_number(cell: Any) -> Any:
    """The number in a cell; what is none is left as it is, for the loader to refuse."""
    if not isinstance(cell, str) or not _NUMBER.fullmatch(cell.strip()):
        return cell
    return float(cell) if set(cell) & set(".eE") else int(cell)


def _lines(reader: Any, path: str) -> Iterator[tuple[int, list[str]] | Fault]:
    """Cells with the line that their row begins in; a fault instead ends them."""
    line = 1
    try:
        for cells in reader:
            if cells:
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        yield Fault(line_path(path, line), f"expected CSV, with quotes in pairs and doubled within; got: {error}")


@attrs.frozen
class _Header:
    path: str
    line: int
    names: tuple[str, ...]

    @property
    def turns(self) -> Mapping[int, str]:
        """Position -> name of the columns with turns, in the order of the turns."""
        order = {"text": 0} | {name: int(found[1]) for name in self.names if (found := _TURN.fullmatch(name))}
        positions = [position for position, name in enumerate(self.names) if name in order]
        return {p: self.names[p] for p in sorted(positions, key=lambda p: order[self.names[p]])}

    def faults(self, *, has_script: bool) -> Iterator[Fault]:
        for position, name in enumerate(self.names, 1):
            if not name:
                yield self._fault(str(position), "expected a name; got none, name it or take the column out")
        for name, times in Counter(filter(None, self.names)).items():
            if times > 1:
                yield self._fault(name, f"expected each column once; got it {times} times")
        yield from self._turn_faults(has_script=has_script)

    def _turn_faults(self, *, has_script: bool) -> Iterator[Fault]:
        names = tuple(self.turns.values())
        if has_script and names:
            yield self._fault(names[0], "expected no turns, since the plan gives those of all test cases; take one out")
        elif not has_script and not names:
            yield Fault(
                line_path(self.path, self.line),
                f"expected a column text, or turn_1, turn_2 and so on; got {show(', '.join(self.names))}: add it, or "
                "write the turns in the plan as test_set: {file: ..., turns: [...]}",
            )
        if "text" in names and len(names) > 1:
            yield self._fault("text", "expected it or turn_1, turn_2 and so on; got both, take one out")
        for name in names:
            if name.startswith("turn_0"):
                yield self._fault(name, "expected turns to be numbered turn_1, turn_2 and so on")

    def _fault(self, column: str, message: str) -> Fault:
        return Fault(line_path(self.path, self.line, f"column {column}"), message)


def _read_rows(header: _Header, lines: Iterator[tuple[int, list[str]] | Fault]) -> Rows:
    cases: list[dict[str, Any]] = []
    numbers: list[int] = []
    turns_of: list[Sequence[str]] = []
    faults: list[Fault] = []
    make_case, turns = _case_maker(header), header.turns
    every_turn = tuple(turns.values())
    for line in lines:
        if isinstance(line, Fault):
            faults.append(line)
            continue
        number, cells = line
        if len(cells) != len(header.names):
            faults.append(_miscounted(header, number, cells))
            continue
        cases.append(make_case(cells, len(cases) + 1))
        numbers.append(number)
        taken = tuple(name for position, name in turns.items() if cells[position])
        turns_of.append(every_turn if len(taken) == len(every_turn) else taken)
    if not cases and not faults:
        faults.append(Fault(header.path, "expected a test case in each line below the header; got no line"))
    return Rows(tuple(cases), Cells(header.path, numbers, turns_of), tuple(faults), numbers_are_text=True)


def _case_maker(header: _Header) -> Callable[[list[str], int], dict[str, Any]]:
    positions = {name: position for position, name in enumerate(header.names)}
    turns = header.turns
    own = {name: positions[name] for name in ("id", *NUMBERS) if name in positions}
    taken = {*own.values(), *turns}
    attributes = [(name, position) for name, position in positions.items() if position not in taken]

    def make_case(cells: list[str], number: int) -> dict[str, Any]:
        case: dict[str, Any] = {"id": f"row-{number}"}
        case |= {name: cells[position] for name, position in own.items() if cells[position]}
        if turns:
            case["turns"] = [{"type": "text", "text": cells[position]} for position in turns if cells[position]]
        return case | {"attributes": {name: cells[position] for name, position in attributes}}

    return make_case


def _miscounted(header: _Header, line: int, cells: list[str]) -> Fault:
    names = header.names
    place = f"column {names[len(cells)]}" if len(cells) < len(names) else f"column {len(names) + 1}"
    return Fault(
        line_path(header.path, line, place),
        f"expected as many cells as the header has columns, {len(names)}; got {len(cells)}",
    )
