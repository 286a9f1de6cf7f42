"""What a load shape is: pure arithmetic that says when simulations are due. No clock, no task, no agent."""

from collections.abc import Iterator
from random import Random
from typing import Literal, Protocol, TypeAlias, runtime_checkable

import attrs

WhenFull = Literal["queue", "drop"]


@attrs.frozen
class Step:
    """From `at_s` on, seconds after the scenario's start, `concurrency` simulations go on at once."""

    at_s: float
    concurrency: int


@runtime_checkable
class ClosedShape(Protocol):
    """So many at once: a place that becomes free is taken again, so a slow agent is called less often.

    A place that goes away while a simulation has it goes away when that simulation is over.
    """

    @property
    def simulations(self) -> int | None:
        """How many are started at most; None: as many as fit into the duration."""
        ...

    @property
    def duration_s(self) -> float | None:
        """Start no more after so long; None: until `simulations` were started."""
        ...

    @property
    def most_at_once(self) -> int:
        """The highest concurrency that `steps` ever asks for."""
        ...

    def steps(self) -> Iterator[Step]:
        """Changes of the concurrency, ascending in time; the first at 0. May be consumed while time passes."""
        ...


@runtime_checkable
class OpenShape(Protocol):
    """So many a second, whatever the agent does: `due_times` never depend on it."""

    @property
    def duration_s(self) -> float:
        """Nothing is due at or after so long."""
        ...

    @property
    def most_at_once(self) -> int:
        """The cap on concurrency."""
        ...

    @property
    def when_full(self) -> WhenFull:
        """What becomes of a simulation that is due and can't start."""
        ...

    def due_times(self, random: Random) -> Iterator[float]:
        """When simulations are due, seconds after the scenario's start, ascending; lazily, in constant memory.

        `random` decides wherever chance does; the same seed gives the same times.
        """
        ...

    def due_before(self, at_s: float) -> float:
        """How many are due on average before `at_s`."""
        ...


Shape: TypeAlias = ClosedShape | OpenShape
