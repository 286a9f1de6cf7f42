"""How checks say what was expected and what came."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from coval_load.limits import show

T = TypeVar("T")

LONGEST_MESSAGE = 2_000
"""Characters of a check's message; what is beyond is left out."""

_SHOWN = 3
_LONGEST_SHOWN = 80


def excerpt(text: str) -> str:
    """`text` in quotes, on one line, the end of a long one left out."""
    escaped = _cut(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{_on_one_line(escaped)}"'


def plainly(text: str) -> str:
    """A name of the user's on one line, the end of a long one left out."""
    return _on_one_line(_cut(text))


def _on_one_line(text: str) -> str:
    return "".join(c if c.isprintable() else _ESCAPES.get(c, f"\\u{ord(c):04x}") for c in text)


_ESCAPES = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}


def _cut(text: str) -> str:
    # An ellipsis of its own, not that of `show`: where it cut a secret short, what is left of it is still found.
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 1] + "…"


def shown(value: object) -> str:
    """A JSON value in a message."""
    return excerpt(value) if isinstance(value, str) else show(value)


def where(turn: int | None) -> str:
    """Which turn a check is about; empty for all."""
    match turn:
        case None:
            return ""
        case 0:
            return " before the caller's first turn"
        case -1:
            return " to the caller's last turn"
        case _ if turn < 0:
            return f" to the caller's turn {-turn} from the end"
        case _:
            return f" to the caller's turn {turn}"


def after(turn: int | None) -> str:
    """As `where`, of what is no answer to a turn."""
    return where(turn).replace(" to ", " after ", 1)


def listed(items: Sequence[T], say: Callable[[T], str]) -> str:
    """The first few of `items`, and how many more there are; `none` where there is none."""
    if not items:
        return "none"
    rest = len(items) - _SHOWN
    words = ", ".join(map(say, items[:_SHOWN]))
    return f"{words} and {rest} more" if rest > 0 else words


def judge_any(
    found: Sequence[T], fits: Callable[[T], bool], say: Callable[[T], str], expected: str, *, negate: bool
) -> str | None:
    """Whether any of `found` fits, or, with `negate`, none; otherwise what was `expected` and what came."""
    fitting = [item for item in found if fits(item)]
    if bool(fitting) is not negate:
        return None
    if negate:
        return f"expected no {expected}; got {listed(fitting, say)}"
    return f"expected {an(expected)}; got {listed(found, say)}"


def an(noun: str) -> str:
    """`noun` with its article."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
