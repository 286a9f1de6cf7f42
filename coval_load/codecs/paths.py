"""Dot-notation paths into parsed JSON: `a.b.0.c`."""

import enum
from typing import Any, Final, Literal, TypeAlias

import attrs


class NotThere(enum.Enum):
    """The type of `NOT_THERE`, which is what a path that leads nowhere finds. JSON's null is a value."""

    NOT_THERE = "not there"

    def __bool__(self) -> Literal[False]:
        return False


NOT_THERE: Final = NotThere.NOT_THERE

Found: TypeAlias = Any | NotThere

_MOST_INDEX_DIGITS = 9


@attrs.frozen
class Path:
    """A parsed path: object keys and array indices. The empty path finds the whole document.

    A step is taken as an index only in an array, where it has to be the plain decimal form of one
    (`0`, `17`; not `-1`, `01` or `+1`). An empty step (`a..b`) is the empty object key.
    """

    segments: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> "Path":
        """The path written as `text`; every text is a path."""
        return cls(tuple(text.split(".")) if text else ())

    @property
    def key(self) -> str | None:
        """The only segment of a path of one, else None."""
        return self.segments[0] if len(self.segments) == 1 else None

    def find(self, document: Any) -> Found:
        """What lies at the path in `document`, or `NOT_THERE` where a step is missing. Never raises."""
        found = document
        for segment in self.segments:
            if isinstance(found, dict):
                found = found.get(segment, NOT_THERE)
            elif isinstance(found, list | tuple):
                found = _item(found, segment)
            else:
                return NOT_THERE
        return found

    def __str__(self) -> str:
        return ".".join(self.segments)


def _item(items: list[Any] | tuple[Any, ...], segment: str) -> Found:
    # str.isdigit() alone takes superscripts, which int() refuses.
    is_index = segment.isascii() and segment.isdigit() and len(segment) <= _MOST_INDEX_DIGITS
    if not is_index or (segment[0] == "0" and segment != "0"):
        return NOT_THERE
    index = int(segment)
    return items[index] if index < len(items) else NOT_THERE
