"""How arrivals are spread, in units of arrivals: on an axis along which one is due in each unit."""

import math
from collections.abc import Iterator
from itertools import count
from random import Random
from typing import Literal

Spacing = Literal["even", "poisson"]

WINDOW = 1_000
"""Units over which a held Poisson process keeps to its mean, at least."""


def held_poisson(random: Random, total: float, window: float) -> Iterator[float]:
    """Where on [0, `total`) arrivals are due by chance, ascending: a Poisson process held to its mean.

    In each stretch of `window` units, and in what remains of `total` after them, there are exactly as many arrivals
    as it is long, at independent uniform places, which is what a Poisson process looks like to whoever knows its
    count. A plain one would be some 3 % off its mean after 1,000 arrivals; of two runs, one would have had more load.
    What a window's length has beyond a whole number is carried into the next, from a random fraction on, so that the
    average is exact as well.

    Constant memory: of the places left in a window the first is drawn at each turn, instead of sorting all of them.
    """
    carried = random.random()
    begins, counted = 0.0, 0
    for number in count(1):
        ends = min(number * window, total)
        due = math.floor(carried + ends)
        yield from _ascending_uniform(random, due - counted, begins, ends)
        if ends >= total:
            return
        begins, counted = ends, due


def _ascending_uniform(random: Random, number: int, begins: float, ends: float) -> Iterator[float]:
    left = ends - begins
    for remaining in range(number, 0, -1):
        # The highest of n uniform numbers is distributed as the n-th root of one; seen from the end it is the first.
        left *= (1.0 - random.random()) ** (1.0 / remaining)
        yield ends - left
