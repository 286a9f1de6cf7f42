"""One task of a run wakes whoever waits until some time: a cancel scope for each wait costs several times as much."""

import logging
import math
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from itertools import count

import attrs
import trio

_log = logging.getLogger(__name__)

_FEW = 64
"""Dropped alarms that are not worth a look at all of them."""


@attrs.define(eq=False)
class Alarm:
    """Something to call when the Trio clock reads `at`; `wake` is None once it was called or dropped."""

    at: float
    wake: Callable[[], object] | None


@attrs.define(eq=False)
class AlarmClock:
    """Calls back at given times on the Trio clock, in their order; made by `alarm_clock`."""

    _due: list[tuple[float, int, Alarm]] = attrs.field(factory=list, init=False)
    _dropped: int = attrs.field(default=0, init=False)
    """How many of these were."""
    _numbers: "count[int]" = attrs.field(factory=count, init=False)
    _sleep: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)

    def call(self, wake: Callable[[], object], at: float) -> Alarm:
        """Call `wake`, which must neither wait nor raise, when the clock reads `at`, unless it is dropped before.

        What raises all the same ends no other's wait: it is logged.
        """
        alarm = Alarm(at, wake)
        heappush(self._due, (at, next(self._numbers), alarm))
        if at < self._sleep.deadline:
            self._sleep.deadline = at
        return alarm

    def drop(self, alarm: Alarm) -> None:
        """Do not call what nobody needs any more. Harmless when it was called, or when repeated.

        It is constant work but for every so many: half of what is kept was dropped at most.
        """
        if alarm.wake is None:
            return
        alarm.wake = None
        self._dropped += 1
        if self._dropped > _FEW and self._dropped > len(self._due) // 2:
            self._due[:] = [one for one in self._due if one[2].wake is not None]
            heapify(self._due)
            self._dropped = 0

    async def run(self) -> None:
        """Call until cancelled."""
        due = self._due
        while True:
            with trio.CancelScope(deadline=due[0][0] if due else math.inf) as self._sleep:
                await trio.sleep_forever()
            now = trio.current_time()
            while due and (due[0][0] <= now or due[0][2].wake is None):
                self._take_off()

    def _take_off(self) -> None:
        alarm = heappop(self._due)[2]
        wake, alarm.wake = alarm.wake, None
        if wake is None:
            self._dropped -= 1
        else:
            try:
                wake()
            except Exception as error:  # noqa: BLE001 - whatever it was, other waits go on
                _log.error("an alarm raised %s", type(error).__name__)


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
