"""Faults of our own, with their tracebacks: a run that has any is not to be trusted, and its maker wants them."""

import traceback
from collections.abc import Callable
from pathlib import Path

import attrs

_MOST = 20


@attrs.define
class FaultLog:
    """Appends tracebacks to `path`; only the first 20 of a run, as the same fault tends to come again.

    `clean` masks secrets. Writing blocks for as long as a small write takes, which a fault is worth.
    """

    path: Path
    clean: Callable[[str], str]
    count: int = attrs.field(default=0, init=False)

    def add(self, error: BaseException, where: str) -> None:
        """Keep `error` and what caused it; `where` says which simulation it was. Never raises."""
        if self.count >= _MOST:
            self.count += 1
            return
        self.add_text(f"{where}\n{''.join(traceback.format_exception(error))}")

    def add_text(self, text: str) -> None:
        """Keep a fault that is told of in `text`. Never raises."""
        self.count += 1
        if self.count > _MOST:
            return
        try:
            with self.path.open("a", encoding="utf-8", errors="replace") as file:
                file.write(f"{self.clean(text)}\n")
        except OSError:
            return  # the disk is full, or no descriptor is left: the row still says that it was `internal`
