"""Where a test case stands, as faults tell it: an item of a list, a line of a file, a column of a line."""

import json
import re
from collections.abc import Collection, Sequence
from typing import Protocol

import attrs

from coval_load.faults import Fault


class Places(Protocol):
    """Paths of what stands in the test cases of one test set."""

    def path(self, at: int, inside: str = "") -> str:
        """The path of `inside`, itself a path such as `turns[0].text`, in the test case number `at`."""
        ...


@attrs.frozen
class Items:
    """Test cases of a list at `list_path`."""

    list_path: str

    def path(self, at: int, inside: str = "") -> str:
        return Fault(inside, "").under(f"{self.list_path}[{at}]").path


@attrs.frozen
class Lines:
    """Test cases of a file, named at `file_path`, that has one in each of `lines`."""

    file_path: str
    lines: Sequence[int]

    def path(self, at: int, inside: str = "") -> str:
        return line_path(self.file_path, self.lines[at], inside)


@attrs.frozen
class Cells:
    """As `Lines`, where each value has a column; `turn_columns` are those of the turns of each case."""

    file_path: str
    lines: Sequence[int]
    turn_columns: Sequence[Sequence[str]]

    def path(self, at: int, inside: str = "") -> str:
        name = self._column(at, inside)
        return line_path(self.file_path, self.lines[at], f"column {name}" if name else "")

    def _column(self, at: int, inside: str) -> str:
        turn = re.match(r"turns\[([0-9]+)\]", inside)
        if turn:
            return self.turn_columns[at][int(turn[1])]
        if inside.startswith("attributes["):
            return str(json.loads(inside.removeprefix("attributes[")[:-1]))
        return "" if inside == "turns" else inside.removeprefix("attributes.")


@attrs.frozen
class Scripted:
    """Test cases of a file for all of which `keys` stand at `script_path`, and the rest where `own` says."""

    script_path: str
    keys: Collection[str]
    own: Places

    def path(self, at: int, inside: str = "") -> str:
        if re.split(r"[.\[]", inside)[0] in self.keys:
            return Fault(inside, "").under(self.script_path).path
        return self.own.path(at, inside)


def line_path(path: str, line: int, inside: str = "") -> str:
    """The path of `inside` in a line, counted from 1, of the file that is named at `path`."""
    return f"{path}, line {line}, {inside}" if inside else f"{path}, line {line}"
