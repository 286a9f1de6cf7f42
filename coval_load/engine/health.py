"""How the generator fares: wake-ups that came late, CPU had and missed, memory, limits, the garbage collector."""

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import attrs
import trio

from coval_load.engine import metrics, resources
from coval_load.engine.results import Results

LAG_EVERY_S = 0.1
ROLL_EVERY = 10
"""Every tenth wake-up, so each second."""
_COSTLY_NS = 1_000_000
"""Where counting the descriptors takes longer than 1 ms, it is done every ten seconds."""
_SKIPS_WHERE_COSTLY = 9


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


def _waits() -> tuple[float | None, float | None]:
    return resources.cpu_wait_s(), resources.throttled_s()


@attrs.define
class _Watch:
    _results: Results
    _looked_at: float = attrs.field(factory=trio.current_time, init=False)
    _cpu_ns: int = attrs.field(factory=time.process_time_ns, init=False)
    _waits: tuple[float | None, float | None] = attrs.field(factory=_waits, init=False)
    _ports: int | None = attrs.field(init=False)
    _skips: int = attrs.field(default=0, init=False)
    """Looks at the descriptors that are left out, because the last one took long."""

    @_ports.default
    def _how_many_ports(self) -> int | None:
        ports = resources.ephemeral_ports()
        return None if ports is None else len(ports)

    def look(self, pauses: list[float]) -> None:
        now, cpu_ns = trio.current_time(), time.process_time_ns()
        self._note_cpu((cpu_ns - self._cpu_ns) / 1e9, now - self._looked_at)
        self._looked_at, self._cpu_ns = now, cpu_ns
        self._note_waits()
        self._note_what_is_limited()
        self._note_pauses(pauses)
        self._results.roll()

    def _note_cpu(self, cpu_s: float, passed_s: float) -> None:
        vitals = self._results.vitals
        vitals.cpu_s += cpu_s
        vitals.watched_s += passed_s
        if passed_s >= LAG_EVERY_S:  # the share of an instant means nothing
            vitals.busiest_cpu_share = max(vitals.busiest_cpu_share, cpu_s / passed_s)

    def _note_waits(self) -> None:
        vitals = self._results.vitals
        before, now = self._waits, _waits()
        vitals.cpu_wait_s = _grown(vitals.cpu_wait_s, before[0], now[0])
        vitals.throttled_s = _grown(vitals.throttled_s, before[1], now[1])
        self._waits = now

    def _note_what_is_limited(self) -> None:
        vitals = self._results.vitals
        rss_bytes = vitals.rss_bytes = resources.rss_bytes()
        # The kernel counts both roughly, so that the one now may lie above the peak.
        known = (most for most in (vitals.max_rss_bytes, resources.max_rss_bytes(), rss_bytes) if most is not None)
        vitals.max_rss_bytes = max(known, default=None)
        vitals.ports = vitals.ports.or_worse(resources.ports_in_use(), self._ports)
        if self._skips:
            self._skips -= 1
            return
        began = time.perf_counter_ns()
        limit, _ = resources.descriptor_limits()
        vitals.descriptors = vitals.descriptors.or_worse(resources.open_descriptors(), limit)
        if time.perf_counter_ns() - began > _COSTLY_NS:
            self._skips = _SKIPS_WHERE_COSTLY

    def _note_pauses(self, pauses: list[float]) -> None:
        seen = len(pauses)  # another thread may add to the list at any time
        self._results.record_many(metrics.GC_PAUSE, pauses[:seen])
        self._results.vitals.gc_s += sum(pauses[:seen])
        del pauses[:seen]


def _grown(so_far: float | None, before: float | None, now: float | None) -> float | None:
    """What is known so far, and what came to it; a reading that failed adds nothing."""
    if before is None or now is None:
        return so_far
    return (so_far or 0.0) + max(0.0, now - before)


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
