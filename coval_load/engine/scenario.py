"""One part of a run: a load shape, and who is called by it."""

from collections.abc import Collection
from typing import Any, Protocol

import attrs

from coval_load.engine.labels import Labels
from coval_load.engine.outcome import Failure, Outcome, Stage
from coval_load.engine.shapes.interface import Shape
from coval_load.engine.tally import Account


class Actor(Protocol):
    """One simulation, as far as the engine knows it."""

    @property
    def account(self) -> Account:
        """What it measures is added to."""
        ...

    @property
    def stage(self) -> Stage:
        """Where it is now, for the row of one that fails."""
        ...

    async def run(self, due: float) -> None:
        """From dial, which was due at `due`, to hang-up. Raises SimulationFailed, or what nobody foresaw."""
        ...

    def failure_of(self, error: BaseException) -> Failure:
        """What `error`, raised by `run`, is called."""
        ...

    def row(self) -> dict[str, Any]:
        """What stands in `simulations.jsonl` beside times and outcome."""
        ...

    def finished(self, outcome: Outcome) -> None:
        """Called once, synchronously, whatever happened: let go of everything."""
        ...


QUEUED_AT_MOST = 10_000
"""Simulations of an open load that wait at the same time, where nothing else is said."""


class Cast(Protocol):
    """Makes the simulations of a scenario, by number from 0."""

    def labels(self, number: int) -> Labels:
        """What simulation `number` is told apart by; its agent's limit is kept under `labels.agent`."""
        ...

    def __call__(self, number: int) -> Actor:
        """Simulation `number`."""
        ...


@attrs.frozen(eq=False)
class Scenario:
    """`shape` says when simulations are due, `cast` makes them; it begins `start_s` after the run.

    `seed` decides wherever chance does. `done` are numbers that an earlier part of the same run has settled. Of an
    open load at most `queued_at_most` wait at the same time, each a task of a few kilobytes; what is due beyond these
    is dropped.
    """

    name: str
    shape: Shape
    cast: Cast
    start_s: float = 0.0
    seed: int | str = 0
    done: Collection[int] = frozenset()
    queued_at_most: int = QUEUED_AT_MOST
