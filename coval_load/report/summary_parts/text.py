"""Lines of at most 80 columns."""

import re
import textwrap
from collections.abc import Iterable, Iterator

from coval_load.report.paint import printable

WIDTH = 80
_CUT = " …"
_UNIT = re.compile(r"(?<=\b)(\d[\d.,]*) (?=(?:ms|s|%|MB)(?:\W|$))")
"""A number and its unit, which stand on one line."""
_TIED = "\u00a0"


def wrapped(text: str, indent: str, width: int = WIDTH, *, hanging: str | None = None) -> list[str]:
    """`text` over as many lines as it takes, 20 at most; `hanging` indents all but the first."""
    lines = textwrap.wrap(
        _UNIT.sub(f"\\1{_TIED}", printable(text)),
        width,
        initial_indent=indent,
        subsequent_indent=indent if hanging is None else hanging,
        break_on_hyphens=False,  # what it says to give, as --ca-file, is to be copied
        max_lines=20,
        placeholder=_CUT,
    )
    return [line.replace(_TIED, " ") for line in lines]


def without_middle(text: str, indent: str, lines_at_most: int) -> list[str]:
    """The beginning of a message, which says what was expected, and its end, which says what to do."""
    lines = wrapped(text, indent)
    if len(lines) <= lines_at_most:
        return lines
    lines = wrapped(text, indent, WIDTH - len(_CUT))
    first, last = lines[: lines_at_most - 2], lines[-2:]
    return [*first[:-1], first[-1] + _CUT, *last]


def cut_off(lines: Iterable[str], left: int, indent: str = "") -> Iterator[str]:
    """`lines`, and how many more there would be."""
    yield from lines
    if left > 0:
        yield f"{indent}and {left:,} more (summary.json has all)"


def percent(share: float) -> str:
    """`12.0 %`; what is there and less than a tenth of a percent is not shown as none."""
    return "< 0.1 %" if 0 < share < 0.0005 else f"{share * 100:.1f} %"
