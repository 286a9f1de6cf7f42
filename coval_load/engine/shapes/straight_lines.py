"""From the corners of a drawn line to the changes of a concurrency, which only knows whole numbers."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from coval_load.engine.shapes.interface import Step


def steps_along(corners: Sequence[Step]) -> Iterator[Step]:
    """The first of `corners`, then a step whenever the straight lines from corner to corner reach a whole number.

    So the concurrency is the line rounded down while it rises and rounded up while it falls: no corner is exceeded
    on the way to it, and each is reached at its own time, to the bit. Between two corners at one time there is a
    single step, between two of one concurrency none. Lazily, in memory that does not depend on the number of steps.
    """
    yield corners[0]
    for earlier, later in pairwise(corners):
        yield from _way(earlier, later)


def _way(earlier: Step, later: Step) -> Iterator[Step]:
    change = abs(later.concurrency - earlier.concurrency)
    lasts_s = later.at_s - earlier.at_s
    if change == 0:
        return
    if lasts_s > 0:
        sign = 1 if later.concurrency > earlier.concurrency else -1
        for passed in range(1, change):
            at_s = earlier.at_s + lasts_s * (passed / change)
            yield Step(min(at_s, later.at_s), earlier.concurrency + sign * passed)
    yield later
