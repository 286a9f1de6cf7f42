"""What the verdict on the generator is judged by."""

from typing import Any, Literal, TypeAlias

import attrs

from coval_load.engine.lapses import Lapses
from coval_load.engine.vitals import Vitals

Level: TypeAlias = Literal["degraded", "invalid"]
Finding: TypeAlias = tuple[Level, str]
"""Something that speaks against a run, and how much: what was found, what was expected, what to do."""


@attrs.frozen
class Evidence:
    """Seconds and counts of a run; a percentile is None where nothing was recorded."""

    vitals: Vitals = attrs.field(factory=Vitals)
    lapses: Lapses = attrs.field(factory=Lapses)
    loop_lag_samples: int = 0
    loop_lag_p99_s: float | None = None
    loop_lag_max_s: float | None = None
    send_lateness_samples: int = 0
    send_lateness_p99_s: float | None = None
    start_lateness_samples: int = 0
    start_lateness_p99_s: float | None = None
    gc_pause_samples: int = 0
    gc_pause_p99_s: float | None = None
    gc_pause_max_s: float | None = None
    frames_sent: int = 0
    frames_skipped: int = 0
    offered: int = 0
    started: int = 0
    dropped: int = 0
    never_started: int = 0
    rows_lost: int = 0
    internal_errors: int = 0
    lost_with_workers: int = 0
    """Simulations that failed with `worker_lost`."""

    def figures(self) -> dict[str, Any]:
        """What stands under `generator` in `summary.json` beside the verdict and its reasons."""
        vitals = self.vitals
        return {
            "watched_s": round(vitals.watched_s, 3),
            "cpu_share": _rounded(vitals.cpu_share),
            "busiest_cpu_share": _rounded(vitals.busiest_cpu_share),
            "cpu_wait_share": _rounded(vitals.cpu_wait_share),
            "throttled_share": _rounded(vitals.throttled_share),
            "gc_share": _rounded(vitals.gc_share),
            "gc_pause_p99_s": self.gc_pause_p99_s,
            "gc_pause_max_s": self.gc_pause_max_s,
            "loop_lag_p99_s": self.loop_lag_p99_s,
            "loop_lag_max_s": self.loop_lag_max_s,
            "lagged_s": round(self.lapses.total_s, 3),
            "lagged_from_s": self.lapses.longest[0] if self.lapses.longest else None,
            "lagged_until_s": self.lapses.longest[1] if self.lapses.longest else None,
            "send_lateness_p99_s": self.send_lateness_p99_s,
            "start_lateness_p99_s": self.start_lateness_p99_s,
            "frames_skipped": self.frames_skipped,
            "offered": self.offered,
            "started": self.started,
            "dropped": self.dropped,
            "never_started": self.never_started,
            "rows_lost": self.rows_lost,
            "internal_errors": self.internal_errors,
            "rss_bytes": vitals.rss_bytes,
            "max_rss_bytes": vitals.max_rss_bytes,
            "descriptors_most": vitals.descriptors.most,
            "descriptors_limit": vitals.descriptors.limit,
            "ports_most": vitals.ports.most,
            "ports_limit": vitals.ports.limit,
        }


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 3)
