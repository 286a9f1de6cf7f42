"""Shows how a run goes until it is over, on a terminal that is drawn in place."""

import contextlib
import io
from collections.abc import Sequence

import attrs
import trio
from rich.color import ColorSystem
from rich.console import Console
from rich.text import Text

from coval_load.report.terminal.gathering import Gathering, Subject
from coval_load.report.terminal.screen import Screen
from coval_load.report.terminal.view import lines_of

DRAWN_EVERY_S = 0.5

_LINES_AT_ONCE = 8
_KEPT_AT_MOST = 20_000
_STYLES = Console(file=io.StringIO(), force_terminal=True, legacy_windows=False)


async def show_run(subject: Subject, screen: Screen, every_s: float = DRAWN_EVERY_S) -> None:
    """Until cancelled, or the terminal is gone, which does not end the run.

    What is written to standard error meanwhile is shown at the bottom, and written when the screen is given back,
    which happens however this ends.
    """
    said = Said()
    gathering = Gathering(subject, said.latest)
    with contextlib.redirect_stderr(said):
        try:
            subject.pulses.feel(gathering.feel)
            await _draw_on(screen, gathering, every_s)
        finally:
            screen.close(said.getvalue())


async def _draw_on(screen: Screen, gathering: Gathering, every_s: float) -> None:
    due = trio.current_time()
    while True:
        size = screen.size
        lines = lines_of(await gathering.look(), *size)
        await trio.lowlevel.checkpoint()
        if not await screen.draw(await written(lines), size):
            return
        due = max(due + every_s, trio.current_time())
        await trio.sleep_until(due)


async def written(lines: Sequence[Text]) -> list[str]:
    """Each line as text with ANSI colours; gives way to others after every few."""
    done = []
    for number, line in enumerate(lines, start=1):
        done.append(_in_colour(line))
        if number % _LINES_AT_ONCE == 0:
            await trio.lowlevel.checkpoint()
    return done


def _in_colour(line: Text) -> str:
    segments = line.render(_STYLES)
    return "".join(
        style.render(text, color_system=ColorSystem.STANDARD) if style else text for text, style, _ in segments
    )


@attrs.define(eq=False, slots=False)
class Said(io.TextIOBase):
    """Keeps what is written to it, up to 20,000 letters."""

    _kept: str = attrs.field(default="", init=False)

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, text: str) -> int:
        """Keep `text`, as far as there is room."""
        self._kept += text[: _KEPT_AT_MOST - len(self._kept)]
        return len(text)

    def getvalue(self) -> str:
        """All that is kept."""
        return self._kept

    def latest(self) -> str:
        """The last line that is not empty."""
        return next((line for line in reversed(self._kept.splitlines()) if line.strip()), "")
