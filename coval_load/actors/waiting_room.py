"""Who waits for an agent just now: the first to have come has waited for longest."""

from typing import Any

import attrs

from coval_load.engine.pulse import Waiting


@attrs.define(eq=False)
class WaitingRoom:
    """Conversations that wait for their agent, in the order in which they began to. Every call is constant work.

    Who waits is told apart by identity; `tell` of it is called only when somebody looks.
    """

    _waiting: dict[int, tuple[Any, float]] = attrs.field(factory=dict, init=False)

    def enter(self, simulation: Any, now: float) -> None:
        """It begins to wait at `now`, on the Trio clock; one that waited already begins anew."""
        self._waiting.pop(id(simulation), None)
        self._waiting[id(simulation)] = (simulation, now)

    def leave(self, simulation: Any) -> None:
        """It waits no longer, if it did."""
        self._waiting.pop(id(simulation), None)

    def longest(self) -> Waiting | None:
        """Who has waited for longest, since when on the Trio clock."""
        for simulation, since in self._waiting.values():
            identity = simulation.identity
            return Waiting(
                simulation_output_id=identity.simulation_output_id,
                agent=identity.agent,
                test_case=identity.test_case,
                turn=simulation.turn,
                since_s=since,
            )
        return None
