"""Values out of files that an earlier release, a kill or a hand may have left in any form."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from coval_load.report.visible import visible

MOST_S = 1e9
"""No run lasts thirty years: a larger time is no time."""

_SHOWN = 60
_MESSAGE = 300


def number(value: object) -> float | None:
    """A finite number from 0 on; None for all else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not 0 <= value < math.inf:  # False for NaN, too
        return None
    return float(min(value, 1e300))


def seconds(value: object) -> float | None:
    """A time in the run; None for what is none."""
    if type(value) is float:  # nearly all are, and there are many
        return value if 0 <= value <= MOST_S else None
    found = number(value)
    return None if found is None or found > MOST_S else found


def amount(value: object) -> int:
    """A count; 0 for what is none."""
    found = number(value)
    return 0 if found is None else int(min(found, 1e15))


def mapping(value: object) -> Mapping[str, Any]:
    """A JSON object; an empty one for all else."""
    return value if type(value) is dict or isinstance(value, Mapping) else {}  # the second takes its time


def rows(value: object) -> Iterable[Mapping[str, Any]]:
    """The objects in an array; nothing for all else."""
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list | tuple) else []


def text(value: object) -> str:
    """A string; an empty one for all else."""
    return value if isinstance(value, str) else ""


def named(value: object, at_most: int = _SHOWN) -> str:
    """A name on one line as one can see it, cut to `at_most` letters."""
    shown = _on_one_line(text(value)[: at_most * 2])
    return shown if len(shown) <= at_most else shown[: at_most - 1] + "…"


def message(value: object) -> str:
    """A message on one line: its beginning, which says what was expected, and its end, which says what to do."""
    whole = text(value)
    shown = _on_one_line(whole if len(whole) <= 4 * _MESSAGE else whole[: 2 * _MESSAGE] + whole[-2 * _MESSAGE :])
    if len(shown) <= _MESSAGE:
        return shown
    return f"{shown[: _MESSAGE * 2 // 3]} … {shown[-_MESSAGE // 3 :]}"


def _on_one_line(shown: str) -> str:
    return " ".join(visible(shown).split())
