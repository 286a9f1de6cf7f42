"""Parts of a screen, as many lines of each as there is room for."""

from collections.abc import Sequence

import attrs
from rich.text import Text


@attrs.frozen
class Part:
    """Lines that belong together. Room is given in rounds, in each to `rank` 0 first: `least`, `fair`, all.

    Where lines are left out, the last one that is shown says how many `things` are; without a name for them, nothing.
    The first `heads` lines are no things.
    """

    lines: Sequence[Text]
    rank: int
    least: int = 1
    fair: int = 1
    things: str | None = None
    heads: int = 0


def fit(parts: Sequence[Part], height: int) -> list[Text]:
    """At most `height` lines: the parts in their order, empty lines between them as long as there is room.

    The last part stands at the bottom.
    """
    given = _share_out(parts, max(height, 0))
    shown = [_cut(part, lines) for part, lines in zip(parts, given, strict=True) if lines]
    left = max(height, 0) - sum(map(len, shown))
    gaps = len(shown) - 1
    lines: list[Text] = []
    for number, part in enumerate(shown):
        if 0 < number < gaps and left > 1:
            lines.append(Text())
            left -= 1
        if 0 < number == gaps:
            lines += [Text() for _ in range(max(height, 0) - len(lines) - len(part))]
        lines += part
    return lines


def _share_out(parts: Sequence[Part], height: int) -> list[int]:
    given, left = [0] * len(parts), height
    by_rank = sorted(range(len(parts)), key=lambda number: parts[number].rank)
    for wanted in zip(*((part.least, part.fair, len(part.lines)) for part in parts), strict=True):
        for number in by_rank:
            more = min(max(min(wanted[number], len(parts[number].lines)) - given[number], 0), left)
            given[number] += more
            left -= more
    return given


def _cut(part: Part, lines: int) -> list[Text]:
    shown = list(part.lines[:lines])
    hidden = len(part.lines) - lines
    if hidden and part.things and lines > part.heads + 1:
        shown[-1] = Text(f"  and {hidden + 1} more {part.things}", "dim")
    return shown
