"""The same number of simulations a second for some time, however slow the agent is."""

import math
from collections.abc import Iterator
from itertools import count, takewhile
from random import Random

import attrs

from coval_load.engine.shapes.interface import WhenFull
from coval_load.engine.shapes.spacing import WINDOW, Spacing, held_poisson

WINDOW_S = 60.0


@attrs.frozen
class ArrivalRate:
    """`rate_per_s` simulations a second for `duration_s` seconds, `most_at_once` of them at the same time.

    `even`: number k is due at k / `rate_per_s`, the first at 0. `poisson`: due by chance, as calls from people who
    know nothing of each other are, with exponentially distributed gaps; but the count in each window of 60 s (of
    1,000 arrivals where the rate is too low for that), and in the rest of the duration after the last of them, is
    held to its mean, so that the load of a run doesn't depend on its seed. Within a window it is a Poisson process
    of that count.

    Raises ValueError for a rate that is not above 0 and finite.
    """

    rate_per_s: float
    duration_s: float
    most_at_once: int = 1000
    when_full: WhenFull = "queue"
    spacing: Spacing = "even"

    def __attrs_post_init__(self) -> None:
        if not 0 < self.rate_per_s < math.inf:
            raise ValueError(
                f"expected an arrival rate above 0 a second; got {self.rate_per_s:g}: "
                "for a pause, take a ramping arrival rate with a stage of 0"
            )

    def due_times(self, random: Random) -> Iterator[float]:
        """Seconds after the scenario's start, ascending, below `duration_s`; `random` decides only for `poisson`."""
        return takewhile(lambda at_s: at_s < self.duration_s, (unit / self.rate_per_s for unit in self._units(random)))

    def due_before(self, at_s: float) -> float:
        """How many are due on average before `at_s`; `even` is less than one off, `poisson` at a window's end."""
        return self.rate_per_s * min(max(at_s, 0.0), self.duration_s)

    def _units(self, random: Random) -> Iterator[float]:
        if self.spacing == "even":
            return count()
        return held_poisson(random, self.due_before(self.duration_s), max(WINDOW, WINDOW_S * self.rate_per_s))
