"""JSON read strictly: no key twice, no NaN, no nesting without end; and text for a line of a file."""

import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn

DEEPEST = 100
"""How many objects and lists may stand inside one another in anything a user writes."""


def read_json(text: str) -> Any:
    """The value that `text` encodes.

    Raises ValueError where it encodes none, has a key twice in one object, has NaN or Infinity (RFC 8259
    knows neither) or nests deeper than `DEEPEST`; the message says what and, where known, line and column.
    """
    try:
        value = json.loads(text, object_pairs_hook=_without_doubles, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        what = error.msg[:1].lower() + error.msg[1:]
        raise ValueError(f"{what} (line {error.lineno}, column {error.colno})") from None
    except RecursionError:
        raise ValueError(too_deep_message()) from None
    if is_too_deep(value):
        raise ValueError(too_deep_message())
    return value


def is_too_deep(value: Any) -> bool:
    """Whether lists and objects nest deeper than `DEEPEST`, or for ever (a list that holds itself)."""
    level = [value]
    for _ in range(DEEPEST):
        level = [child for child in _children(level) if isinstance(child, dict | list)]
        if not level:
            return False
    return True


def too_deep_message() -> str:
    """What to tell people about a document that nests too deeply."""
    return f"expected at most {DEEPEST} levels of nesting; got more"


def _children(level: list[Any]) -> Iterator[Any]:
    seen: set[int] = set()
    for value in level:
        # One object may stand in many places of a document; looking into it once for each level is enough.
        if id(value) not in seen:
            seen.add(id(value))
            if isinstance(value, dict):
                yield from value.values()
            elif isinstance(value, list):
                yield from value


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        double = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"expected each key once; got {json.dumps(double)} twice in one object")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"expected JSON; got {name}, which JSON doesn't have")


def one_line(text: str) -> str:
    """`text` on one line, for a file in which lines and tabs mean something, and whole when encoded as UTF-8.

    White space, tabs and line breaks of any kind become single spaces, and what acts instead of being seen U+FFFD:
    control characters, bidirectional and other invisible format characters (UAX #9), tag characters and lone
    surrogates; but not the joiners that emoji and Persian need, and not the soft hyphen.
    """
    return ACTS.sub("\ufffd", " ".join(text.split()))


ACTS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 but tab and newline, DEL, C1
    "\u061c\u200b\u200e\u200f\u2028-\u202e"  # ALM, zero-width space, LRM, RLM, separators, bidi embeddings
    "\u2060-\u206f\ufeff\ufff9-\ufffb"  # word joiner, bidi isolates and what was deprecated, BOM, annotations
    "\ud800-\udfff\U000e0000-\U000e007f]"  # lone surrogates, tag characters
)
"""A character that acts on a terminal or a page instead of being seen; tab and newline are none of these."""
