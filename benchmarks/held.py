"""Processes held to a fraction of a core, so that several workers, an agent and a coordinator fit on two cores.

A group is a cgroup of version 1 with a quota of the `cpu` controller (the kernel's Documentation/scheduler/sched-bwc),
which root may make; its threads together get no more than their share of each period, and are counted as throttled
when they would have taken more.
"""

import contextlib
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import attrs

CPU = Path("/sys/fs/cgroup/cpu")
PERIOD_US = 20_000
"""Short, so that a worker that used up its share waits milliseconds and not tenths of a second."""


@attrs.frozen
class Counts:
    """Periods that have passed with anything to do, and those in which there was more to do than the share allowed."""

    periods: int
    throttled: int


@attrs.frozen
class Hold:
    """A group in `folder`."""

    folder: Path

    def take(self, pids: Iterable[int]) -> None:
        """Hold these processes; what they start from now on is held with them."""
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                (self.folder / "cgroup.procs").write_text(str(pid))

    def counts(self) -> Counts:
        lines = (line.split() for line in (self.folder / "cpu.stat").read_text().splitlines())
        stat = {name: int(value) for name, value in lines}
        return Counts(stat["nr_periods"], stat["nr_throttled"])


def why_not() -> str | None:
    """What is missing for holding anything."""
    try:
        with hold(1.0, "probe"):
            return None
    except OSError as error:
        return f"expected to make a group with a share of the CPU under {CPU} (cgroup version 1, as root); got {error}"


@contextlib.contextmanager
def hold(share: float, name: str) -> Iterator[Hold]:
    """A group that gets `share` of one core; gone afterwards, whoever is in it being back where this process is.

    Raises OSError where it can't be made.
    """
    here = CPU / own_group().lstrip("/")
    folder = here / f"coval-load-{os.getpid()}-{name}"
    folder.mkdir()
    try:
        (folder / "cpu.cfs_period_us").write_text(str(PERIOD_US))
        (folder / "cpu.cfs_quota_us").write_text(str(round(share * PERIOD_US)))
        yield Hold(folder)
    finally:
        for pid in (folder / "cgroup.procs").read_text().split():
            with contextlib.suppress(OSError):
                (here / "cgroup.procs").write_text(pid)
        remove(folder)


def own_group() -> str:
    """Of this process, below the controller's root."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if "cpu" in controllers.split(","):
            return path
    return "/"


def remove(folder: Path) -> None:
    for _ in range(50):
        with contextlib.suppress(OSError):  # what has just ended is still counted for a moment
            folder.rmdir()
        if not folder.exists():
            return
        time.sleep(0.02)
    raise SystemExit(f"{folder} could not be removed: remove it with rmdir")
