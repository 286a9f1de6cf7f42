"""What the generator's process used so far, and how much of what it may have."""

from collections.abc import Mapping
from typing import Any, TypeVar

import attrs

_Number = TypeVar("_Number", int, float)


@attrs.frozen
class Used:
    """The most of something limited that was in use at any time; None where the system does not say."""

    most: int | None = None
    limit: int | None = None

    @property
    def share(self) -> float:
        """Of the limit; 0 where either is not known."""
        return self.most / self.limit if self.most is not None and self.limit else 0.0

    def or_worse(self, most: int | None, limit: int | None) -> "Used":
        """What came closer to its limit: this, or `most` of `limit`."""
        if most is None:
            return self
        other = Used(most, limit)
        return other if self.most is None or (other.share, most) > (self.share, self.most) else self


@attrs.define
class Vitals:
    """What the generator's process used so far; seconds and bytes, None where the system does not say.

    Those in seconds only grow while it is watched, so that the difference of two readings is what came between.
    """

    watched_s: float = 0.0
    cpu_s: float = 0.0
    """Of all its threads."""
    busiest_cpu_share: float = 0.0
    cpu_wait_s: float | None = None
    """The event loop was ready to run and others had the CPU."""
    throttled_s: float | None = None
    """The container's CPU limit held it."""
    gc_s: float = 0.0
    rss_bytes: int | None = None
    max_rss_bytes: int | None = None
    descriptors: Used = Used()
    ports: Used = Used()

    @property
    def cpu_share(self) -> float | None:
        """CPU seconds for each second of the run; None before the first second is over, as the other shares."""
        return self._share(self.cpu_s)

    @property
    def cpu_wait_share(self) -> float | None:
        """Seconds for each second of the run that the event loop waited for a CPU."""
        return self._share(self.cpu_wait_s)

    @property
    def throttled_share(self) -> float | None:
        """Seconds for each second of the run that the container's CPU limit held the generator."""
        return self._share(self.throttled_s)

    @property
    def gc_share(self) -> float | None:
        """Seconds for each second of the run that the garbage collector took."""
        return self._share(self.gc_s)

    def merge(self, generator: Mapping[str, Any]) -> None:
        """Take in another process, given as its `generator` in `summary.json`: of each figure the worse one counts."""
        watched = max(self.watched_s, generator["watched_s"])
        shares = {
            name: _worse(getattr(self, f"{name}_share"), generator[f"{name}_share"])
            for name in ("cpu", "cpu_wait", "throttled", "gc")
        }
        self.watched_s = watched
        self.cpu_s, self.gc_s = (shares["cpu"] or 0.0) * watched, (shares["gc"] or 0.0) * watched
        self.cpu_wait_s, self.throttled_s = (
            _seconds(shares["cpu_wait"], watched),
            _seconds(shares["throttled"], watched),
        )
        self.busiest_cpu_share = max(self.busiest_cpu_share, generator["busiest_cpu_share"])
        self.rss_bytes = _worse(self.rss_bytes, generator["rss_bytes"])
        self.max_rss_bytes = _worse(self.max_rss_bytes, generator["max_rss_bytes"])
        self.descriptors = self.descriptors.or_worse(generator["descriptors_most"], generator["descriptors_limit"])
        self.ports = self.ports.or_worse(generator["ports_most"], generator["ports_limit"])

    def _share(self, seconds: float | None) -> float | None:
        return seconds / self.watched_s if seconds is not None and self.watched_s > 0 else None


def _worse(one: _Number | None, other: _Number | None) -> _Number | None:
    if one is None or other is None:
        return other if one is None else one
    return max(one, other)


def _seconds(share: float | None, watched_s: float) -> float | None:
    return None if share is None else share * watched_s
