"""How long to wait before a dial is tried again: longer each time, and never as long as all the others."""

from collections.abc import Iterator
from random import Random

import attrs


@attrs.frozen
class BackOff:
    """`attempts` more dials after the first; the bound of a wait is `first_s`, doubles, and stops at `most_s`.

    Each wait is drawn evenly from zero to its bound: "full jitter" of Marc Brooker, "Exponential Backoff And Jitter",
    AWS Architecture Blog, 2015. Callers who were refused together come back spread over the whole of it; "equal
    jitter", which waits for half of the bound at least, leaves the first half of it empty and packs the second.
    """

    attempts: int
    first_s: float = 0.5
    most_s: float = 30.0

    def waits(self, random: Random) -> Iterator[float]:
        """Seconds to wait before each further dial; `attempts` of them."""
        bound_s = self.first_s
        for _ in range(self.attempts):
            bound_s = min(bound_s, self.most_s)
            yield random.uniform(0.0, bound_s)
            bound_s *= 2

    def at_least(self, least_s: float, wait_s: float) -> float:
        """`wait_s` after the `least_s` that the agent asks for, so that who was told the same does not come at once.

        Never longer than `most_s`, whatever the agent asks for.
        """
        return min(least_s + wait_s, self.most_s)
