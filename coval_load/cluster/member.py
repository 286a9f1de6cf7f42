"""One worker, as its coordinator knows it."""

import math
from collections.abc import Mapping
from typing import Any, Literal

import attrs
import trio

from coval_load.cluster.clocks import Clock
from coval_load.cluster.remote import RemoteSimulation
from coval_load.engine.worker_health import WorkerHealth

State = Literal["expected", "setting", "ready", "done", "gone"]


@attrs.define(eq=False)
class Member:
    """A worker from when it is asked for to when it is gone; times on the coordinator's Trio clock, in seconds.

    `number` is what its rows are told apart by, from 1. `state`: it was asked for; it has the plan; it takes
    simulations; it has reported all; it is gone.
    """

    name: str
    number: int
    host: str
    state: State = "expected"
    most_descriptors: int | None = None
    clock: Clock = attrs.field(factory=Clock)
    deals: dict[tuple[int, int], RemoteSimulation] = attrs.field(factory=dict)
    """What it carries out now, by scenario and number."""
    heard_at: float = math.nan
    """When anything came from it last."""
    sent_at: float = math.nan
    """When anything was sent to it last."""
    pinged_at: float = math.nan
    joined_at: float = math.nan
    lost_at: float = math.nan
    lost: str | None = None
    dealt: int = 0
    simulations_lost: int = 0
    closed: trio.Event = attrs.field(factory=trio.Event)
    """Its connections are surely closed, once it is gone."""
    report: Mapping[str, Any] = attrs.field(factory=dict)
    """The last it said of itself: `vitals`, `verdict`, `stages`, `waiting`."""

    @property
    def is_there(self) -> bool:
        """Whether it may still say something."""
        return self.state != "gone"

    @property
    def stages(self) -> Mapping[str, int]:
        """Where its simulations are."""
        return self.report.get("stages", {}) if self.state == "ready" else {}

    def health(self, began_at: float) -> WorkerHealth:
        """What is told of it in the summary of a run that began at `began_at`."""
        return WorkerHealth(
            name=self.name,
            host=self.host,
            generator=self.report.get("verdict", {}),
            clock_error_s=self.clock.error_s if self.clock.is_known else None,
            joined_at_s=0.0 if math.isnan(self.joined_at) else max(self.joined_at - began_at, 0.0),
            lost=self.lost,
            lost_at_s=None if math.isnan(self.lost_at) else max(self.lost_at - began_at, 0.0),
            simulations=self.dealt,
            simulations_lost=self.simulations_lost,
        )
