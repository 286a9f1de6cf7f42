"""Scenarios side by side: each with a nursery of its own and two nested deadlines."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import trio

from coval_load.engine.closed_load import ClosedLoad
from coval_load.engine.open_load import OpenLoad
from coval_load.engine.plan import Timeouts
from coval_load.engine.results import Results
from coval_load.engine.scenario import Scenario
from coval_load.engine.settling import Floor
from coval_load.engine.shapes.interface import ClosedShape

MOST_AT_ONCE = 100_000
"""What a running load may be changed to at most."""


@attrs.define
class Runner:
    """Runs the scenarios of a plan and settles each simulation to one outcome.

    `limits` gives simultaneous simulations for each agent's name, whatever the scenario; `write_row` takes a
    finished row and never waits. `elapsed_s`: how long an earlier process had already run this.
    """

    scenarios: Sequence[Scenario]
    timeouts: Timeouts
    limits: Mapping[str, int | None]
    results: Results
    write_row: Callable[[dict[str, Any]], object]
    elapsed_s: float = 0.0
    floor: Floor = attrs.field()
    """What settles simulations: one of this process, where none is given."""
    started_at: float = attrs.field(default=math.nan, init=False)
    """The start of the run on the Trio clock, in seconds."""
    _parts: list["_Part"] = attrs.field(init=False)

    @floor.default
    def _shared(self) -> Floor:
        return Floor(self.timeouts, self.limits, self.results, self.write_row)

    @_parts.default
    def _one_each(self) -> list["_Part"]:
        return [_Part(scenario, self.floor) for scenario in self.scenarios]

    @property
    def running(self) -> int:
        """Simulations that go on now."""
        return self.floor.running

    @property
    def queued(self) -> int:
        """Simulations that wait for a place now."""
        return self.floor.queued

    def stages(self) -> Mapping[str, int]:
        """How many of the simulations that go on now are where."""
        return self.floor.stages()

    @property
    def held_back(self) -> set[str]:
        """Agents whose limit made a simulation wait or be left out."""
        return self.floor.held_back

    async def run(self) -> None:
        """Returns when every simulation that was offered has been settled."""
        now = trio.current_time()
        self.started_at = now - self.elapsed_s
        self.floor.origin, self.floor.resumed_at = self.started_at, now
        async with trio.open_nursery() as parts:
            for part in self._parts:
                parts.start_soon(part.run)

    def wanted(self, scenario: str) -> int | None:
        """How many at once a scenario asks for now; None where it is an open load, or does not go on."""
        for part in self._parts:
            if part.scenario.name == scenario:
                return part.wanted
        return None

    @property
    def changeable(self) -> Sequence[str]:
        """Scenarios that go on with a concurrency that stays the same, and so may be changed."""
        return [part.scenario.name for part in self._parts if part.is_changeable]

    def change(self, scenario: str, concurrency: int) -> None:
        """From now on `concurrency` at once in a scenario that is one of `changeable`; what runs is never cut off.

        Error handling: ValueError where it is none of them, or `concurrency` is more than agents' limits let run at
        once, than this process may open connections, or than `MOST_AT_ONCE`.
        """
        if scenario not in self.changeable:
            raise ValueError(f"expected a scenario that holds a constant concurrency and goes on; got {scenario!r}")
        most, why = self._most_at_once()
        if not 1 <= concurrency <= most:
            raise ValueError(f"expected a concurrency of 1 to {most:,}{why}; got {concurrency:,}")
        before = self.wanted(scenario)
        for part in self._parts:
            if part.scenario.name == scenario:
                part.change(concurrency)
        at = round(trio.current_time() - self.started_at, 6)
        name = self.results.clean(scenario)
        self.results.changes.append({"at": at, "scenario": name, "before": before, "concurrency": concurrency})

    def _most_at_once(self) -> tuple[int, str]:
        limits = [limit for limit in self.limits.values() if limit is not None]
        if limits and len(limits) == len(self.limits) and sum(limits) < MOST_AT_ONCE:
            return sum(limits), ", as more would only wait for limits.per_agent"
        connections = self.floor.most_connections()
        if connections is not None and connections < MOST_AT_ONCE:
            return max(connections, 1), ", as each takes a file descriptor (ulimit -n)"
        return MOST_AT_ONCE, ""

    def stop(self) -> None:
        """No new simulations; the running ones have the grace period to finish."""
        for part in self._parts:
            part.stop()

    def refill(self) -> None:
        """Open again the places that closed loads gave up; see `Floor.may_follow`."""
        for part in self._parts:
            part.refill()

    def cut(self) -> None:
        """End everything now."""
        for part in self._parts:
            part.cut()


@attrs.define(eq=False)
class _Part:
    """One scenario: leaving the inner scope starts no more, leaving the outer one cuts."""

    scenario: Scenario
    floor: Floor
    _starting: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    _all: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    _load: ClosedLoad | OpenLoad | None = attrs.field(default=None, init=False)

    async def run(self) -> None:
        begins_at = self.floor.origin + self.scenario.start_s
        duration = self.scenario.shape.duration_s
        ends_at = math.inf if duration is None else begins_at + duration
        if isinstance(self.scenario.shape, ClosedShape):
            # An open load ends by itself: what is due just before its end may be turned to just after it.
            self._starting.deadline = min(self._starting.deadline, ends_at)
        self._all.deadline = min(self._all.deadline, max(ends_at, self.floor.resumed_at) + self.floor.timeouts.grace_s)
        with self._all:
            async with trio.open_nursery() as simulations:
                with self._starting:
                    await trio.sleep_until(begins_at)
                    self._load = self._make_load(begins_at)
                    await self._load.start_all(simulations)
                self._stop_load()

    def stop(self) -> None:
        self._starting.cancel()
        self._all.deadline = min(self._all.deadline, trio.current_time() + self.floor.timeouts.grace_s)
        self._stop_load()

    def cut(self) -> None:
        self._stop_load()
        self._starting.cancel()
        self._all.cancel()

    @property
    def wanted(self) -> int | None:
        return self._load.wanted if isinstance(self._load, ClosedLoad) else None

    @property
    def is_changeable(self) -> bool:
        return isinstance(self._load, ClosedLoad) and self._load.is_changeable

    def change(self, concurrency: int) -> None:
        assert isinstance(self._load, ClosedLoad)
        self._load.change(concurrency)

    def refill(self) -> None:
        if isinstance(self._load, ClosedLoad):
            self._load.refill()

    def _make_load(self, began_at: float) -> ClosedLoad | OpenLoad:
        shape = self.scenario.shape
        if isinstance(shape, ClosedShape):
            return ClosedLoad(self.scenario, shape, self.floor, began_at)
        return OpenLoad(self.scenario, shape, self.floor, began_at)

    def _stop_load(self) -> None:
        if self._load is not None:
            self._load.stop()
