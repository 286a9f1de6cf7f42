"""Dialling again where an agent could not be reached, as often and as far apart as the plan allows."""

from collections.abc import Awaitable, Callable
from random import Random
from typing import TypeVar

import attrs
import trio

from coval_load.actors.simulation import Simulation
from coval_load.engine import metrics
from coval_load.engine.back_off import BackOff
from coval_load.engine.outcome import NotReached, SimulationFailed

T = TypeVar("T")


@attrs.frozen
class Redialling:
    """Shared by the simulations of an agent; each waits for times of its own, the same for the same `seed`.

    `back_off` None: a dial that fails ends the simulation.
    """

    back_off: BackOff | None = None
    seed: int = 0

    async def until_reached(self, simulation: Simulation, dial: Callable[[], Awaitable[T]]) -> T:
        """What `dial` gives, called again after a wait each time it raises `NotReached`.

        Raises SimulationFailed: any other that `dial` raises, or the last `NotReached` once no attempt is left.
        """
        if self.back_off is None:
            return await dial()
        identity = simulation.identity
        random = Random(f"{self.seed}/{identity.scenario}/{identity.number}")
        for drawn_s in self.back_off.waits(random):
            try:
                return await dial()
            except NotReached as failed:
                wait_s = self.back_off.at_least(failed.retry_after_s, drawn_s)
                simulation.tell("dialling again", f"in {wait_s:.1f} s: {failed.message}")
            await trio.sleep(wait_s)
            simulation.account.count(metrics.RECONNECTS)
        try:
            return await dial()
        except NotReached as failed:
            message = f"{failed.message}: given up after {self.back_off.attempts + 1} attempts"
            raise SimulationFailed(failed.kind, message) from failed
