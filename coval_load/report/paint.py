"""Colours, and what may stand in a line of a terminal."""

import attrs

_CODES = {"bold": "1", "green": "32", "yellow": "33", "red": "31", "dim": "2"}


@attrs.frozen
class Paint:
    """Puts text into a colour, where colours are wanted."""

    wanted: bool

    def __call__(self, text: str, colour: str) -> str:
        """`text` in `bold`, `green`, `yellow`, `red` or `dim`."""
        return f"\x1b[{_CODES[colour]}m{text}\x1b[0m" if self.wanted else text


def printable(text: str) -> str:
    """Without what would move the cursor of whoever reads it."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def one_line(text: str, width: int) -> str:
    """`printable`, cut to `width` letters."""
    text = printable(text)
    return text if len(text) <= width else text[: width - 1] + "…"
