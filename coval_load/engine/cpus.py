"""How many CPUs this process may use."""

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

_PROC = Path("/proc")
_CGROUPS = Path("/sys/fs/cgroup")

_OF_EITHER_VERSION = (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us"))
"""Files that hold a quota and the period that it is for, in microseconds; `max` or -1 is no quota."""


def usable_cpus() -> int:
    """How many CPUs this process may keep busy, at least 1: its affinity, and what cgroups allow.

    Of a quota the whole CPUs count: a process that is held for the rest of each period sends its frames late.
    """
    if sys.platform != "linux":
        return os.cpu_count() or 1
    return max(1, int(min([len(os.sched_getaffinity(0)), *_quotas()])))


def _quotas() -> Iterator[float]:
    """In CPUs, those of this process's cgroups and of the ones above them."""
    for folder in _cgroups():
        for files in _OF_EITHER_VERSION:
            quota = _quota(folder, files)
            if quota is not None:
                yield quota


def _cgroups() -> Sequence[Path]:
    try:
        lines = (_PROC / "self/cgroup").read_text("utf-8").splitlines()
        return [folder for line in lines for folder in _folders(line)]
    except (OSError, ValueError):
        return []


def _folders(line: str) -> Iterator[Path]:
    """Of a line such as `4:cpu,cpuacct:/a/b`, or `0::/a/b` for version 2: see cgroups(7)."""
    _, controllers, name = line.split(":", 2)
    if controllers and "cpu" not in controllers.split(","):
        return
    group = PurePosixPath(name.lstrip("/"))
    yield from (_CGROUPS / controllers / each for each in (group, *group.parents))


def _quota(folder: Path, files: Sequence[str]) -> float | None:
    try:
        quota, period = map(int, " ".join((folder / name).read_text("ascii") for name in files).split())
        return quota / period if quota > 0 else None
    except (OSError, ValueError, ArithmeticError):
        return None
