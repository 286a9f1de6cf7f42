"""What the machine lets this process have, and how much of it is in use. No reader ever raises: None is "not said"."""

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import psutil

if sys.platform != "win32":
    import resource

_T = TypeVar("_T")

_DYNAMIC_PORTS = range(49_152, 65_536)
"""RFC 6335, section 6: what macOS and Windows take ports from unless told otherwise."""

_PROC = Path("/proc")
_CGROUPS = Path("/sys/fs/cgroup")


def descriptor_limits() -> tuple[int | None, int | None]:
    """How many descriptors this process may have open, and how many it may ask for; None where nothing limits it."""
    if sys.platform == "win32":
        return None, None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _finite(soft), _finite(hard)


def open_descriptors() -> int | None:
    """How many descriptors this process has open.

    Linux says so in the size of a directory from version 6.2 on, which costs 3 us. Elsewhere each is looked at:
    some 0.5 ms for a thousand of them.
    """
    try:
        counted = (_PROC / "self/fd").stat().st_size if sys.platform == "linux" else 0
        return counted or _own().num_fds()
    except OSError as error:
        # To count them takes one more: there is none when it matters most.
        return descriptor_limits()[0] if error.errno in (errno.EMFILE, errno.ENFILE) else None
    except (psutil.Error, AttributeError, NotImplementedError):
        return None


def ephemeral_ports() -> range | None:
    """The ports that a connection gets one of: as many can be open to one address of one agent."""
    if sys.platform != "linux":
        return _DYNAMIC_PORTS if sys.platform in ("darwin", "win32") else None
    return _read(_PROC / "sys/net/ipv4/ip_local_port_range", _port_range)


def ports_in_use() -> int | None:
    """TCP sockets of this machine (on Linux: of its network namespace), those that wait after closing included."""
    if sys.platform != "linux":
        return None
    of_version_4 = _read(_PROC / "net/sockstat", _tcp_sockets)
    of_version_6 = _read(_PROC / "net/sockstat6", _tcp_sockets)
    return None if of_version_4 is None else of_version_4 + (of_version_6 or 0)


def rss_bytes() -> int | None:
    """The memory that this process has now, in bytes."""
    try:
        return _own().memory_info().rss
    except (psutil.Error, OSError):
        return None


def max_rss_bytes() -> int | None:
    """The most memory that this process ever had, in bytes."""
    if sys.platform == "win32":
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # the one counts bytes, the others kilobytes


def cpu_wait_s() -> float | None:
    """How long the calling thread was ready to run while others had the CPU, in seconds since it began."""
    if sys.platform != "linux":
        return None
    return _read(_PROC / "thread-self/schedstat", lambda text: int(text.split()[1]) / 1e9)


def throttled_s() -> float | None:
    """How long the CPU limit of this process's cgroup (version 2) held it, in seconds since the cgroup began."""
    if sys.platform != "linux":
        return None
    group = _read(_PROC / "self/cgroup", _cgroup_path)
    return None if group is None else _read(_CGROUPS / group / "cpu.stat", _throttled)


def _own() -> psutil.Process:
    return psutil.Process(os.getpid())


def _read(path: Path, understand: Callable[[str], _T]) -> _T | None:
    try:
        return understand(path.read_text("ascii"))
    except (OSError, ValueError, LookupError):
        return None


def _finite(limit: int) -> int | None:
    return None if sys.platform == "win32" or limit == resource.RLIM_INFINITY else limit


def _port_range(text: str) -> range:
    first, last = map(int, text.split())
    return range(first, last + 1)


def _tcp_sockets(text: str) -> int:
    for line in text.splitlines():
        protocol, _, rest = line.partition(": ")
        if protocol in ("TCP", "TCP6"):
            words = rest.split()
            figures = dict(zip(words[::2], map(int, words[1::2]), strict=True))
            return figures["inuse"] + figures.get("tw", 0)
    raise LookupError("no line about TCP")


def _cgroup_path(text: str) -> str:
    (path,) = (line[3:] for line in text.splitlines() if line.startswith("0::"))
    return path.lstrip("/")


def _throttled(text: str) -> float:
    figures = dict(line.split() for line in text.splitlines())
    return int(figures["throttled_usec"]) / 1e6
