"""A stage's deadline, and what it means when it passes."""

from collections.abc import Callable
from types import TracebackType

import attrs
import trio

from coval_load.engine.outcome import SimulationFailed


@attrs.define(eq=False)
class _Within:
    _scope: trio.CancelScope
    _failure: Callable[[], SimulationFailed]

    def __enter__(self) -> None:
        self._scope.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        is_dealt_with = self._scope.__exit__(kind, error, traceback)
        if self._scope.cancelled_caught:
            raise self._failure()
        return is_dealt_with


def within(seconds: float, failure: Callable[[], SimulationFailed]) -> _Within:
    """Cut the body off after `seconds` and raise `failure()` then."""
    return _Within(trio.move_on_after(seconds), failure)
