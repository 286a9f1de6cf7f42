"""A process and all that descends from it: what it cost, what it holds, and its end.

Whoever starts trees calls `adopt_orphans` first: descendants whose parents have ended, daemons too, are then children
of the harness, and are neither missed nor left behind.
"""

import ctypes
import os
import resource
import signal
import subprocess
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import attrs
import psutil

PR_SET_CHILD_SUBREAPER = 36
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
GONE = (ProcessLookupError, FileNotFoundError, PermissionError, psutil.Error)


def adopt_orphans() -> None:
    """Become the parent of descendants that lose theirs (prctl(2), PR_SET_CHILD_SUBREAPER)."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


@attrs.define(eq=False)
class ProcessTree:
    """All that descends from this process, but for `others`, which are no part of it."""

    root: subprocess.Popen
    others: Iterable[int]

    def members(self) -> list[psutil.Process]:
        """Those that run now."""
        others = set(self.others)
        return [process for process in psutil.Process().children(recursive=True) if process.pid not in others]

    def cpu_s(self) -> float:
        """Seconds of CPU time, children that have ended included: only differences mean something."""
        times = resource.getrusage(resource.RUSAGE_CHILDREN)
        return times.ru_utime + times.ru_stime + sum(cpu_s(process.pid) for process in self.members())

    def waited_s(self) -> float:
        """Seconds for which threads that could run had to wait for the core, as others had it."""
        return sum(waited_s(process.pid) for process in self.members())

    def memory(self) -> "Memory":
        held = [memory(process.pid) for process in self.members()]
        return Memory(sum(each.whole_bytes for each in held), sum(each.anonymous_bytes for each in held))

    def end(self, stop_signal: signal.Signals, stop_s: float) -> bool:
        """Ask the root, wait `stop_s` for it, and kill what is left; whether nothing was left of the root."""
        try:
            if self.root.poll() is None:
                self.root.send_signal(stop_signal)
                with suppress(subprocess.TimeoutExpired):
                    self.root.wait(stop_s)
            return self.root.poll() is not None
        finally:
            self.kill()

    def kill(self) -> None:
        """Kill each by its id, until none is left; children of those that were killed are ours by then."""
        for _ in range(50):
            left = self.members()
            for process in left:
                with suppress(*GONE):
                    process.kill()
            psutil.wait_procs(left, timeout=1)
            if not left:
                break
        self.root.wait(5)


def cpu_s(pid: int) -> float:
    """A process' own time to the nanosecond, its threads' included, and that of children it has waited for."""
    try:
        own_s = time.clock_gettime((~pid << 3) | 2)  # as clock_getcpuclockid(3) has it
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (OSError, *GONE):
        return 0.0
    return own_s + (int(fields[13]) + int(fields[14])) / TICKS_A_SECOND


def waited_s(pid: int) -> float:
    """The second field of each thread's schedstat, in nanoseconds (kernel's Documentation/scheduler/sched-stats)."""
    waited_ns = 0
    with suppress(*GONE):
        for task in Path(f"/proc/{pid}/task").iterdir():
            waited_ns += int((task / "schedstat").read_text().split()[1])
    return waited_ns / 1e9


@attrs.frozen
class Memory:
    """Proportional set size: what several processes share is counted once, see proc_pid_smaps(5).

    Only the `anonymous_bytes` can be compared between two moments: the share of a library that is on others depends on
    who else has it at the moment.
    """

    whole_bytes: int
    anonymous_bytes: int


def memory(pid: int) -> Memory:
    """Nothing for one that has just ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    except GONE:
        return Memory(0, 0)
    kib = {line.partition(":")[0]: int(line.split()[1]) for line in lines}
    return Memory(kib.get("Pss", 0) * 1024, kib.get("Pss_Anon", 0) * 1024)
