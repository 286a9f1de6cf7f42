"""When the generator lagged: in a night, minutes of it disappear below the 99th percentile of the whole."""

from collections.abc import Mapping
from typing import Any

import attrs

from coval_load.engine import metrics

LATE_S = {metrics.LOOP_LAG: 0.05, metrics.START_LATENESS: 0.05, metrics.SEND_LATENESS: 0.02}
"""What more than a tenth of the values in an interval exceed where the generator lags in it, in seconds."""

SAMPLES_AT_LEAST = 20


@attrs.define
class Lapses:
    """Fed with the rows of the timeline. Times are in seconds since the start of the run."""

    total_s: float = 0.0
    """How long all intervals took in which the generator lagged."""
    longest: tuple[float, float] | None = None
    """From when to when it lagged for longest without a break."""
    _since_s: float | None = attrs.field(default=None, init=False)

    def add(self, row: Mapping[str, Any]) -> None:
        """Take in the next interval; KeyError or TypeError where it is none."""
        until_s, seconds = float(row["at"]), float(row["seconds"])
        if not _lags(row["metrics"]):
            self._since_s = None
            return
        self.total_s += seconds
        if self._since_s is None:
            self._since_s = until_s - seconds
        if self.longest is None or until_s - self._since_s > self.longest[1] - self.longest[0]:
            self.longest = (self._since_s, until_s)

    def merge(self, generator: Mapping[str, Any]) -> None:
        """Take in what `generator` of another `summary.json` says."""
        self.total_s += generator.get("lagged_s") or 0.0
        begins, ends = generator.get("lagged_from_s"), generator.get("lagged_until_s")
        if begins is None or ends is None:
            return
        if self.longest is None or ends - begins > self.longest[1] - self.longest[0]:
            self.longest = (begins, ends)


def _lags(measured: Mapping[str, Any]) -> bool:
    return any(
        name in measured and measured[name]["count"] >= SAMPLES_AT_LEAST and measured[name]["p90"] > allowed_s
        for name, allowed_s in LATE_S.items()
    )
