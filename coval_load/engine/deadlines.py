"""A stage's deadline, and what it means when it passes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import trio

from coval_load.engine.outcome import SimulationFailed


@contextmanager
def within(seconds: float, failure: Callable[[], SimulationFailed]) -> Iterator[None]:
    """Cut the body off after `seconds` and raise `failure()` then."""
    with trio.move_on_after(seconds) as scope:
        yield
    if scope.cancelled_caught:
        raise failure()
