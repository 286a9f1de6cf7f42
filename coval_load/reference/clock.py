"""The time on the reference agent's stamps.

Stamps are compared with times of another process, and `trio.current_time()` starts at an offset of its own in
each process. `time.perf_counter()` is the machine's monotonic clock, the same in all of its processes.
"""

import time

import trio


def now() -> float:
    """Seconds on the machine's monotonic clock."""
    return time.perf_counter()


async def sleep_until(at: float) -> None:
    """Waits until `now()` is `at`; does not wait if that has passed."""
    await trio.sleep(max(0.0, at - now()))


async def happens_before(event: trio.Event, at: float) -> bool:
    """Waits for `event` until `now()` is `at`; whether it happened."""
    with trio.move_on_after(max(0.0, at - now())):
        await event.wait()
    return event.is_set()
