"""How synchronous code wakes a waiting task: frames are handled where they land, a task wakes for a turn."""

import math
from collections.abc import Callable

import attrs
import trio


@attrs.define
class Doorbell:
    """One simulation's bell. `ring` is synchronous and never fails; who waits looks again at its condition."""

    _lot: trio.lowlevel.ParkingLot = attrs.field(factory=trio.lowlevel.ParkingLot, init=False)

    def ring(self) -> None:
        """Let whoever waits look at its condition again."""
        self._lot.unpark_all()

    async def until(self, condition: Callable[[], bool], deadline: float = math.inf) -> bool:
        """Wait until `condition()` holds or the clock reads `deadline`; returns whether it holds."""
        with trio.move_on_at(deadline):
            while not condition():
                await self._lot.park()
        return condition()
