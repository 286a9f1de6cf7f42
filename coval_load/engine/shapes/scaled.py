"""The same shape with a fraction of its load: what a huge plan would look like, small enough to try."""

from collections.abc import Iterator
from itertools import islice
from random import Random

import attrs

from coval_load.engine.shapes.interface import ClosedShape, OpenShape, Shape, Step, WhenFull


def scaled(shape: Shape, divisor: int) -> Shape:
    """`shape` over the same time, with one `divisor`-th of its simulations.

    Closed: concurrency and simulations divided, rounded down, but no less than 1 where there was one. Open: every
    `divisor`-th due time, the first among them, with the cap on concurrency divided likewise. Raises ValueError for a
    divisor below 1.
    """
    if divisor < 1:
        raise ValueError(f"expected to divide the load by 1 or more; got {divisor}")
    if isinstance(shape, OpenShape):
        return ScaledOpen(shape, divisor)
    return ScaledClosed(shape, divisor)


def _share(whole: int, divisor: int) -> int:
    return max(whole // divisor, min(whole, 1))


@attrs.frozen
class ScaledClosed:
    """A closed shape with one `divisor`-th of its places."""

    shape: ClosedShape
    divisor: int

    @property
    def simulations(self) -> int | None:
        """One `divisor`-th, at least 1; None stays None."""
        return None if self.shape.simulations is None else _share(self.shape.simulations, self.divisor)

    @property
    def duration_s(self) -> float | None:
        """As it was."""
        return self.shape.duration_s

    @property
    def most_at_once(self) -> int:
        """One `divisor`-th, at least 1."""
        return _share(self.shape.most_at_once, self.divisor)

    def steps(self) -> Iterator[Step]:
        """Those steps after which one `divisor`-th of the concurrency, at least 1 of 1 or more, is another number."""
        before = None
        for step in self.shape.steps():
            concurrency = _share(step.concurrency, self.divisor)
            if concurrency != before:
                yield Step(step.at_s, concurrency)
            before = concurrency


@attrs.frozen
class ScaledOpen:
    """An open shape with one `divisor`-th of its arrivals."""

    shape: OpenShape
    divisor: int

    @property
    def duration_s(self) -> float:
        """As it was."""
        return self.shape.duration_s

    @property
    def most_at_once(self) -> int:
        """One `divisor`-th, at least 1."""
        return _share(self.shape.most_at_once, self.divisor)

    @property
    def when_full(self) -> WhenFull:
        """As it was."""
        return self.shape.when_full

    def due_times(self, random: Random) -> Iterator[float]:
        """Every `divisor`-th due time, from the first on."""
        return islice(self.shape.due_times(random), 0, None, self.divisor)

    def due_before(self, at_s: float) -> float:
        """One `divisor`-th of how many were due before `at_s`."""
        return self.shape.due_before(at_s) / self.divisor
