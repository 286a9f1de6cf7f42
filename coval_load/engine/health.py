"""How the generator fares: wake-ups that came late, CPU, memory, pauses of the garbage collector."""

import gc
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import attrs
import trio

from coval_load.engine import metrics
from coval_load.engine.results import Results

if sys.platform != "win32":
    import resource

LAG_EVERY_S = 0.1
ROLL_EVERY = 10
"""Every tenth wake-up, so each second."""


async def watch_generator(results: Results) -> None:
    """Measure this process into `results` until cancelled: `loop_lag` each 100 ms, the rest each second.

    Due times are absolute. After a stall each wake-up missed is recorded with its own lag, so that one long
    stall weighs as much as it lasted (coordinated omission).
    """
    watch = _Watch(results)
    with _gc_pauses() as pauses:
        due = trio.current_time()
        wake_up = 0
        try:
            while True:
                wake_up += 1
                due += LAG_EVERY_S
                await trio.sleep_until(due)
                results.record(metrics.LOOP_LAG, trio.current_time() - due)
                if wake_up % ROLL_EVERY == 0:
                    watch.look(pauses)
        finally:
            now = trio.current_time()
            while due < now:  # the run may end in a stall
                results.record(metrics.LOOP_LAG, now - due)
                due += LAG_EVERY_S
            watch.look(pauses)


@attrs.define
class _Watch:
    _results: Results
    _looked_at: float = attrs.field(factory=trio.current_time, init=False)
    _cpu_ns: int = attrs.field(factory=time.process_time_ns, init=False)

    def look(self, pauses: list[float]) -> None:
        now, cpu_ns = trio.current_time(), time.process_time_ns()
        self._note_cpu((cpu_ns - self._cpu_ns) / 1e9, now - self._looked_at)
        self._looked_at, self._cpu_ns = now, cpu_ns
        self._results.vitals.max_rss_bytes = max_rss_bytes()
        seen = len(pauses)  # another thread may add to the list at any time
        self._results.record_many(metrics.GC_PAUSE, pauses[:seen])
        del pauses[:seen]
        self._results.roll()

    def _note_cpu(self, cpu_s: float, passed_s: float) -> None:
        vitals = self._results.vitals
        vitals.cpu_s += cpu_s
        vitals.watched_s += passed_s
        if passed_s >= LAG_EVERY_S:  # the share of an instant means nothing
            vitals.busiest_cpu_share = max(vitals.busiest_cpu_share, cpu_s / passed_s)


@contextmanager
def _gc_pauses() -> Iterator[list[float]]:
    """A list that each pause of the garbage collector, in seconds, is added to."""
    pauses: list[float] = []
    began = 0

    def note(phase: str, _info: dict[str, Any]) -> None:
        # Collections run in whichever thread allocates, and only the loop's has trio.current_time().
        nonlocal began
        if phase == "start":
            began = time.perf_counter_ns()
        elif began:
            pauses.append((time.perf_counter_ns() - began) / 1e9)

    gc.callbacks.append(note)
    try:
        yield pauses
    finally:
        gc.callbacks.remove(note)


def max_rss_bytes() -> int | None:
    """The most memory this process ever had, in bytes; None where the system does not say."""
    if sys.platform == "win32":
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # the one counts bytes, the others kilobytes
