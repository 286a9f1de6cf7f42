"""Stops a run that crosses a threshold with `abort_on_fail`."""

from collections.abc import Callable, Iterable

import trio

from coval_load.engine.results import Results
from coval_load.engine.thresholds import Judged, Threshold, judge

JUDGED_EVERY_S = 1.0


async def abort_on_threshold(
    thresholds: Iterable[Threshold], results: Results, stop: Callable[[Judged], None], started_at: float
) -> None:
    """Call `stop` once, with the first threshold with `abort_on_fail` that fails, and return.

    Judged each second after `started_at` (on Trio's clock, in seconds), each threshold from its delay on. One
    that has no value yet does not stop a run. Without any to watch it returns at once; else it is to be
    cancelled when the run is over.
    """
    watched = [threshold for threshold in thresholds if threshold.abort_on_fail]
    elapsed_s = 0.0
    while watched:
        # Whole seconds from the start: no drift, and none to catch up on after a stall. Each is later than the
        # one before, whatever the rounding of the clock makes of it.
        due_s = max(elapsed_s, trio.current_time() - started_at) // JUDGED_EVERY_S * JUDGED_EVERY_S + JUDGED_EVERY_S
        await trio.sleep_until(started_at + due_s)
        elapsed_s = max(due_s, trio.current_time() - started_at)
        judged = _crossed(watched, results, elapsed_s)
        if judged is not None:
            stop(judged)
            return


def _crossed(watched: Iterable[Threshold], results: Results, elapsed_s: float) -> Judged | None:
    due = (judge(threshold, results, elapsed_s) for threshold in watched if elapsed_s >= threshold.delay_s)
    return next((judged for judged in due if judged.value is not None and not judged.passed), None)
