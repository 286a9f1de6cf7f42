"""More and fewer simulations a second, stage by stage, however slow the agent is."""

import math
from collections.abc import Iterator
from functools import cached_property
from itertools import count
from random import Random

import attrs

from coval_load.engine.shapes.interface import WhenFull
from coval_load.engine.shapes.spacing import WINDOW, Spacing, held_poisson

ROUNDING = 1e-9
"""A stage's end this near to a whole number of arrivals is meant to be there: none is due just before a pause."""


@attrs.frozen
class RateStage:
    """`duration_s` seconds that lead to `rate_per_s`. 0 s is a jump; an unchanged rate is a hold."""

    duration_s: float
    rate_per_s: float


@attrs.frozen
class _Slope:
    """A stage that takes time: its rate goes straight from one value to another while it counts from `begins` on."""

    began_s: float
    ended_s: float
    from_rate: float
    to_rate: float
    begins: float
    ends: float

    @property
    def change_per_s(self) -> float:
        return (self.to_rate - self.from_rate) / (self.ended_s - self.began_s)

    def counted_before(self, at_s: float) -> float:
        if at_s >= self.ended_s:
            return self.ends - self.begins
        passed_s = max(at_s - self.began_s, 0.0)
        return (self.from_rate + self.change_per_s / 2 * passed_s) * passed_s

    def reaches(self, unit: float) -> float:
        """When `unit` is counted. From the end at which the rate is lower, where no digits cancel out."""
        if self.to_rate < self.from_rate:
            return self.ended_s - _time_of(self.ends - unit, self.to_rate, -self.change_per_s)
        return self.began_s + _time_of(unit - self.begins, self.from_rate, self.change_per_s)


def _time_of(units: float, rate: float, slope: float) -> float:
    """Root of `slope` / 2 t² + `rate` t = `units`, none of which is below 0, in the form that subtracts nothing."""
    return 2 * units / (rate + math.sqrt(rate * rate + 2 * slope * units)) if units > 0 else 0.0


def _near_whole(units: float) -> float:
    return float(round(units)) if abs(units - round(units)) < ROUNDING else units


@attrs.frozen
class RampingArrivalRate:
    """From `start_rate_per_s` through `stages`, each a straight line from the one before; `most_at_once` at a time.

    `even`: number k is due when the integral of the rate is about to pass k, so the first at the moment the rate is
    above 0, and none while it is 0. `poisson`: due by chance, as in a Poisson process whose rate changes, but whose
    count is held to its mean each 1,000 arrivals, and at the end: times of a held Poisson process of one arrival a
    unit, mapped through the integral of the rate (time rescaling).

    Raises ValueError for a rate that is below 0 or not finite.
    """

    stages: tuple[RateStage, ...]
    start_rate_per_s: float = 0.0
    most_at_once: int = 1000
    when_full: WhenFull = "queue"
    spacing: Spacing = "even"

    def __attrs_post_init__(self) -> None:
        for rate in (self.start_rate_per_s, *(stage.rate_per_s for stage in self.stages)):
            if not 0 <= rate < math.inf:
                raise ValueError(f"expected arrival rates of 0 a second or more; got {rate:g}")

    @cached_property
    def _slopes(self) -> tuple[_Slope, ...]:
        slopes = []
        at_s, rate, units = 0.0, self.start_rate_per_s, 0.0
        for stage in self.stages:
            ended_s = at_s + stage.duration_s
            if ended_s > at_s:
                ends = _near_whole(units + (rate + stage.rate_per_s) / 2 * stage.duration_s)
                slopes.append(_Slope(at_s, ended_s, rate, stage.rate_per_s, units, ends))
                at_s, units = ended_s, ends
            rate = stage.rate_per_s
        return tuple(slopes)

    @property
    def duration_s(self) -> float:
        """All stages together, in seconds."""
        return self._slopes[-1].ended_s if self._slopes else 0.0

    def due_times(self, random: Random) -> Iterator[float]:
        """Seconds after the scenario's start, ascending, below `duration_s`; `random` decides only for `poisson`."""
        units = self._units(random)
        unit, latest_s = next(units, math.inf), 0.0
        for slope in self._slopes:
            while unit < slope.ends:
                latest_s = max(latest_s, slope.reaches(unit))  # two that are due at once may be rounded past each other
                if latest_s < self.duration_s:
                    yield latest_s
                unit = next(units, math.inf)

    def due_before(self, at_s: float) -> float:
        """How many are due on average before `at_s`, the integral of the rate; `even` is no more than one off."""
        return sum(slope.counted_before(at_s) for slope in self._slopes)

    def _units(self, random: Random) -> Iterator[float]:
        if self.spacing == "even":
            return count()
        return held_poisson(random, self._slopes[-1].ends if self._slopes else 0.0, WINDOW)
