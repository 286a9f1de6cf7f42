"""Text of agents as people may look at it: what would act on a screen instead of being seen becomes a picture."""

import re
from typing import Any

from coval_load.json_text import ACTS

_DEEPEST = 100


def visible(text: str) -> str:
    """`text` with nothing in it that acts on a terminal or a page instead of being seen.

    Control characters but newline and tab become Control Pictures (Unicode 2400-2421: `␛` for ESC); C1 controls,
    bidirectional controls (UAX #9), line and paragraph separators, invisible ones, tag characters and lone surrogates
    become `⟨U+202E⟩`. Letters of right-to-left scripts, joiners (emoji and Persian need them) and the soft hyphen stay.

    What comes out stays as it is when it goes through again, and can be encoded as UTF-8. Markup is not touched:
    whoever writes HTML, Markdown or CSV escapes it as that format asks.
    """
    # Nothing that acts is printable, and most text is; to ask takes a third of the time.
    return text if text.isprintable() else ACTS.sub(_picture, text)


def visible_json(value: Any) -> Any:
    """A JSON value with `visible` in the place of every string in it, keys too.

    Containers more than 100 deep become `…`. Of keys that come out alike, the last one stays.
    """
    return _visible(value, 0)


def _visible(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, dict | list):
        if depth >= _DEEPEST:
            return "…"
        if isinstance(value, dict):
            return {visible(str(key)): _visible(member, depth + 1) for key, member in value.items()}
        return [_visible(member, depth + 1) for member in value]
    return value


def _picture(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else f"⟨U+{code:04X}⟩"
