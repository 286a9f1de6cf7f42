"""A terminal that is drawn on in place, and never waited for while the loop has other things to do."""

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from threading import Thread
from typing import TextIO

import attrs
import trio

from coval_load.report.terminal.view import LEAST_COLUMNS, LEAST_LINES

# The alternate screen, without a cursor, whose lines are cut instead of wrapped (xterm's "ctlseqs": DECSET).
ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J"
LEAVE = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l"
_CANCEL = "\x18"  # ends an escape sequence that was cut off
_BEGIN, _END = "\x1b[?2026h", "\x1b[?2026l"  # synchronized output: terminals that know it show all changes at once
_ALL_ANEW_EACH = 20
"""Frames after which everything is drawn: what something else wrote on the screen goes away."""


@attrs.define(eq=False)
class Screen:
    """Draws lines on a terminal that is its own until `close`. Only lines that changed are written.

    Written without blocking, through an open file of its own: standard error's is shared with the shell. A terminal
    that does not read (Ctrl-S) has `draw` wait, and nothing else.
    """

    _descriptor: int
    _stream: TextIO
    _left: bytes = attrs.field(default=b"", init=False)
    _shown: list[str] = attrs.field(factory=list, init=False)
    _size: tuple[int, int] = attrs.field(default=(0, 0), init=False)
    frames: int = attrs.field(default=0, init=False)
    """Drawn so far."""
    _gone: bool = attrs.field(default=False, init=False)
    _entered: bool = attrs.field(default=False, init=False)

    @property
    def size(self) -> tuple[int, int]:
        """Columns and lines now; those of the last time where the terminal does not say."""
        try:
            columns, lines = os.get_terminal_size(self._descriptor)
        except OSError:
            return self._size
        return columns, lines

    async def draw(self, lines: Sequence[str], size: tuple[int, int]) -> bool:
        """Show `lines`, which fit into `size`, from the top; False when the terminal is gone."""
        whole = size != self._size or self.frames % _ALL_ANEW_EACH == 0
        self._size, self.frames = size, self.frames + 1
        wanted = [*lines, *[""] * (size[1] - len(lines))]
        before = ["\0"] * len(wanted) if whole else self._shown
        changes = [
            f"\x1b[{row};1H\x1b[0m\x1b[2K{line}"
            for row, (line, shown) in enumerate(zip(wanted, before, strict=True), start=1)
            if line != shown
        ]
        self._shown = wanted
        opening = "" if self._entered else ENTER
        self._entered = True
        return not changes or await self._write("".join((opening, _BEGIN, *changes, "\x1b[0m", _END)))

    def close(self, told: str = "") -> None:
        """Give the terminal back as it was, then write `told` to it. Never blocks and raises nothing.

        A terminal that does not read is given back by a thread, when it reads again; what is written to it from then
        on comes after that.
        """
        cut = _CANCEL if self._left else ""
        data = (cut + (LEAVE if self._entered else "") + told).encode("utf-8", "replace")
        with suppress(OSError):
            try:
                data = b"" if self._gone or not data else data[os.write(self._descriptor, data) :]
            except BlockingIOError:
                data = _CANCEL.encode() + data
            if data:
                Thread(target=_write_all, args=(os.dup(self._stream.fileno()), data), daemon=True).start()
        os.close(self._descriptor)

    async def _write(self, text: str) -> bool:
        self._left = text.encode("utf-8", "replace")
        try:
            while self._left:
                try:
                    self._left = self._left[os.write(self._descriptor, self._left) :]
                except BlockingIOError:
                    await trio.lowlevel.wait_writable(self._descriptor)
        except OSError:  # it hung up
            self._left, self._gone = b"", True
        return not self._gone


def _write_all(descriptor: int, data: bytes) -> None:
    with suppress(OSError):
        while data:
            data = data[os.write(descriptor, data) :]
    os.close(descriptor)


def open_screen(stream: TextIO, environment: Mapping[str, str] = os.environ) -> Screen | None:
    """The terminal that `stream` leads to; None where it is none, too small or can't be drawn on in this way."""
    if sys.platform == "win32" or environment.get("TERM", "dumb") == "dumb":
        return None
    try:
        if not stream.isatty() or (stream.encoding or "").lower().replace("-", "") != "utf8":
            return None
        columns, lines = os.get_terminal_size(stream.fileno())
        if columns < LEAST_COLUMNS or lines < LEAST_LINES:
            return None
        descriptor = os.open(os.ttyname(stream.fileno()), os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except (OSError, ValueError):
        return None
    return Screen(descriptor, stream)
