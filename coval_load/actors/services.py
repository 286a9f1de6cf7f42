"""What all simulations of a run share."""

import attrs

from coval_load.actors.waiting_room import WaitingRoom
from coval_load.engine.fault_log import FaultLog
from coval_load.engine.keepalive import Keepalive
from coval_load.engine.metronome import Metronome
from coval_load.engine.plan import Timeouts
from coval_load.engine.reactor import Reactor
from coval_load.engine.results import Results


@attrs.define(eq=False)
class Services:
    """One of each for a run. `origin` is the run's start on the Trio clock, in seconds; where it was measured by
    another process's clock, it follows that one.
    """

    reactor: Reactor
    metronome: Metronome
    keepalive: Keepalive
    results: Results
    timeouts: Timeouts
    origin: float
    faults: FaultLog
    waiting: WaitingRoom = attrs.field(factory=WaitingRoom)
