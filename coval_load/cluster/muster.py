"""From asking for workers to having them ready: who is there, what their clocks say, or why none can be used."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import trio

from coval_load.cluster.lease import SILENT_S
from coval_load.faults import Fault, Faulty

if TYPE_CHECKING:
    from coval_load.cluster.crew import Crew

READY_WITHIN_S = 60.0
"""From asking for workers to having one that can be used."""
STRAGGLERS_S = 15.0
"""So long the others are waited for once one is ready."""
PINGS_AT_START = 10
PING_EVERY_S = 0.02
LEAST_LEAD_S, MOST_LEAD_S, TRIPS_OF_LEAD = 0.1, 1.0, 4.0


async def muster(crew: "Crew") -> float:
    """Wait until the workers are ready, and know their clocks. Raises Faulty where none can be used.

    Returns by how much their run clocks should be behind ours, in seconds, for what is told to be there in time.
    """
    with trio.move_on_after(READY_WITHIN_S) as patience:
        while not _is_assembled(crew):
            if crew.ready() and patience.deadline - trio.current_time() > STRAGGLERS_S:
                patience.deadline = trio.current_time() + STRAGGLERS_S
            await crew.change()
    if crew.unable or not crew.ready():
        raise Faulty(_why_nobody(crew))
    for _ in range(PINGS_AT_START):
        for member in crew.ready():
            crew.mail.ping(member)
        await trio.sleep(PING_EVERY_S)
    with trio.move_on_after(SILENT_S):
        while not all(member.clock.is_known for member in crew.ready()):
            await crew.change()
    errors = [member.clock.error_s for member in crew.ready() if member.clock.is_known]
    return min(max(LEAST_LEAD_S, TRIPS_OF_LEAD * 2 * max(errors, default=0.0)), MOST_LEAD_S)


def _is_assembled(crew: "Crew") -> bool:
    there = [member for member in crew.members.values() if member.is_there]
    return bool(crew.unable or crew.broken or (crew.members and all(member.state == "ready" for member in there)))


def _why_nobody(crew: "Crew") -> Iterator[Fault]:
    for reason in dict.fromkeys(crew.unable):
        yield Fault("workers", reason)
    if crew.unable:
        return
    if crew.broken is not None:
        yield Fault("--cluster", f"expected a scheduler that stays; got: {crew.broken}")
        return
    lost = dict.fromkeys(member.lost for member in crew.members.values() if member.lost)
    asked = len(crew.members)
    why = f"; {'; '.join(map(str, lost))}" if lost else ""
    yield Fault(
        "workers",
        f"expected a worker that is ready within {READY_WITHIN_S:g} s; got none of {asked}{why}: start workers, or "
        "wait until those there are have finished what they do",
    )
