"""One task of a run wakes whoever waits until some time: a cancel scope for each wait costs several times as much."""

import math
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count

import attrs
import trio


@attrs.define(eq=False)
class AlarmClock:
    """Calls back at given times on the Trio clock, in their order; made by `alarm_clock`."""

    _due: list[tuple[float, int, Callable[[], object]]] = attrs.field(factory=list, init=False)
    _numbers: "count[int]" = attrs.field(factory=count, init=False)
    _sleep: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)

    def call(self, wake: Callable[[], object], at: float) -> None:
        """Call `wake`, which must neither wait nor raise, when the clock reads `at`; it can't be taken back."""
        heappush(self._due, (at, next(self._numbers), wake))
        if at < self._sleep.deadline:
            self._sleep.deadline = at

    async def run(self) -> None:
        """Call until cancelled."""
        due = self._due
        while True:
            with trio.CancelScope(deadline=due[0][0] if due else math.inf) as self._sleep:
                await trio.sleep_forever()
            now = trio.current_time()
            while due and due[0][0] <= now:
                heappop(due)[2]()


_OF_THIS_RUN: trio.lowlevel.RunVar[AlarmClock] = trio.lowlevel.RunVar("alarm clock")


def alarm_clock() -> AlarmClock:
    """That of the Trio run that goes on, which ends with it."""
    try:
        return _OF_THIS_RUN.get()
    except LookupError:
        clock = AlarmClock()
        _OF_THIS_RUN.set(clock)
        trio.lowlevel.spawn_system_task(clock.run)
        return clock
