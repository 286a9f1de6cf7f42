"""How synchronous code wakes a waiting task: frames are handled where they land, a task wakes for a turn."""

import math
from collections.abc import Callable

import attrs
import trio

from coval_load.engine.alarm_clock import Alarm, AlarmClock, alarm_clock


@attrs.define
class Doorbell:
    """One simulation's bell. `ring` is synchronous and never fails; who waits looks again at its condition."""

    _waiting: dict[trio.lowlevel.Task, None] = attrs.field(factory=dict, init=False)
    _clock: AlarmClock | None = attrs.field(default=None, init=False)
    _alarms: list[Alarm] = attrs.field(factory=list, init=False)
    """When the clock is going to ring, latest first. One whose wait ended early stays: it serves others."""

    def ring(self) -> None:
        """Let whoever waits look at its condition again."""
        if not self._waiting:
            return
        tasks = tuple(self._waiting)
        self._waiting.clear()
        for task in tasks:
            trio.lowlevel.reschedule(task)

    def let_go(self) -> None:
        """Nobody is going to wait any more: the clock need not ring, nor keep this until then."""
        for alarm in self._alarms:
            assert self._clock is not None
            self._clock.drop(alarm)
        self._alarms.clear()

    async def until(self, condition: Callable[[], bool], deadline: float = math.inf) -> bool:
        """Wait until `condition()` holds or the clock reads `deadline`; returns whether it holds."""
        has_waited = False
        while not condition():
            if deadline <= trio.current_time():
                if has_waited:
                    return False
                await trio.lowlevel.checkpoint()  # others have their turn however often this is called in vain
                return condition()
            if deadline < (self._alarms[-1].at if self._alarms else math.inf):
                self._set_alarm(deadline)
            await self._hear_a_ring()
            has_waited = True
        return True

    async def _hear_a_ring(self) -> None:
        task = trio.lowlevel.current_task()
        self._waiting[task] = None

        def leave(_: object) -> trio.lowlevel.Abort:
            del self._waiting[task]
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(leave)

    def _set_alarm(self, at: float) -> None:
        if self._clock is None:
            self._clock = alarm_clock()
        self._alarms.append(self._clock.call(self._alarm, at))

    def _alarm(self) -> None:
        self._alarms.pop()
        self.ring()
