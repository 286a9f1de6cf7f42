"""A clock that never waits: when nothing can go on, it is the time of whatever is due next."""

import math
from collections.abc import Awaitable, Callable, Iterator
from heapq import heappop, heappush
from itertools import count
from typing import Concatenate, ParamSpec, TypeVar

import attrs
import trio

Arguments = ParamSpec("Arguments")
Returned = TypeVar("Returned")

_STUCK = (
    "expected something to be due, or to go on; every task waits for what never comes: in virtual time nothing comes "
    "from outside (sockets, threads, processes)"
)
_LOOKS = 10
"""How often Trio looks for what its own tasks told each other by way of a socket before there is nothing to come."""


class StuckError(Exception):
    """Every task waited for something, and nothing was due."""


@attrs.define(eq=False)
class _Sleeper:
    task: trio.lowlevel.Task | None


@attrs.define(eq=False)
class VirtualClock(trio.abc.Clock):
    """Begins at 0 and jumps from deadline to deadline, for tasks that wait for nothing but time and each other.

    Trio asks `deadline_to_sleep_time` only when no task can run, so there is nothing to detect and nothing to wait
    for: the jump is part of that answer. With `waits_for_threads` a run in which nothing is due waits, in real
    time, for the threads it started; without, it is cancelled and `run_in_virtual_time` raises.

    `trio.testing.wait_all_tasks_blocked` does not work with it: there is no idle moment.
    """

    waits_for_threads: bool = False
    _now: float = attrs.field(default=0.0, init=False)
    _fruitless: int = attrs.field(default=0, init=False)
    _everything: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    _sleepers: list[tuple[float, int, _Sleeper]] = attrs.field(factory=list, init=False)
    _numbers: Iterator[int] = attrs.field(factory=count, init=False)

    def start_clock(self) -> None:
        """Nothing to set up."""

    def current_time(self) -> float:
        """Virtual seconds since the run began."""
        return self._now

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Jump to `deadline`, or to the first sleeper; 0, for there is nothing to sleep for."""
        now = min(deadline, self._next_waking())
        if now < math.inf:
            self._now = max(self._now, now)
            self._wake()
            self._fruitless = 0
            return 0.0
        if self.waits_for_threads:
            return math.inf
        self._fruitless += 1
        if self._fruitless == _LOOKS:
            self._everything.cancel()
        elif self._fruitless > 2 * _LOOKS:  # cancelling has not helped: what is shielded waits for ever
            raise StuckError(_STUCK)
        return 0.0

    async def sleep(self, seconds: float) -> None:
        """As `trio.sleep`, for a fraction of its price: no cancel scope, and no exception to end it."""
        sleeper = _Sleeper(trio.lowlevel.current_task())
        heappush(self._sleepers, (self._now + seconds, next(self._numbers), sleeper))

        def abort(_: object) -> trio.lowlevel.Abort:
            sleeper.task = None
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)

    def _next_waking(self) -> float:
        sleepers = self._sleepers
        while sleepers and sleepers[0][2].task is None:
            heappop(sleepers)
        return sleepers[0][0] if sleepers else math.inf

    def _wake(self) -> None:
        sleepers = self._sleepers
        while sleepers and sleepers[0][0] <= self._now:
            task = heappop(sleepers)[2].task
            if task is not None:
                trio.lowlevel.reschedule(task)

    async def run(
        self,
        main: Callable[Concatenate["VirtualClock", Arguments], Awaitable[Returned]],
        *arguments: Arguments.args,
        **named: Arguments.kwargs,
    ) -> Returned:
        """Run `main` with this clock, within what is cancelled when nothing can go on. Raises StuckError then."""
        with self._everything:
            return await main(self, *arguments, **named)
        raise StuckError(_STUCK)


def run_in_virtual_time(main: Callable[["VirtualClock"], Awaitable[Returned]]) -> Returned:
    """`trio.run(main, clock)` without waiting. Raises StuckError where tasks wait for what never comes."""
    clock = VirtualClock()
    return trio.run(clock.run, main, clock=clock)
