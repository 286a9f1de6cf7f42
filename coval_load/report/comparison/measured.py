"""A run as it is compared: its summary, and a sample of its simulations."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from coval_load.engine import metrics
from coval_load.report.comparison.sample import Clusters, Sample, guessed, read_sample
from coval_load.report.recovery import Recovered

_ROWS_HAVE = 0.9
"""Where rows have less of a metric than this share of all values, those they have may be of a kind."""

GROUPS = ("agents", "scenarios")


@attrs.frozen(eq=False)
class RunMeasured:
    """`folder` and what was recovered of it; `elapsed_s` is how long it ran, in seconds."""

    folder: Path
    recovered: Recovered
    elapsed_s: float
    sample: Sample

    @classmethod
    def read(cls, folder: Path, recovered: Recovered, elapsed_s: float) -> "RunMeasured":
        """With the rows in `folder`. Raises Faulty."""
        return cls(folder, recovered, elapsed_s, read_sample(folder))

    @property
    def summary(self) -> Mapping[str, Any]:
        """`summary.json`, or what it would hold."""
        return self.recovered.summary

    @property
    def run(self) -> Mapping[str, Any]:
        """`run.json`."""
        return self.recovered.run

    @property
    def counts(self) -> Mapping[str, int]:
        """Simulations by what became of them."""
        counts: Mapping[str, int] = self.summary["counts"]
        return counts

    @property
    def settled(self) -> int:
        """Simulations that were completed or failed."""
        return self.counts[metrics.COMPLETED] + self.counts[metrics.FAILED]

    @property
    def is_trusted(self) -> bool:
        """Whether the generator was not the bottleneck."""
        return bool(self.summary["generator"].get("verdict") != "invalid")

    def entry(self, metric: str, group: str | None = None, name: str = "") -> Mapping[str, Any] | None:
        """A metric of the summary, of all or (`response_latency` only) of one in `agents` or `scenarios`."""
        found: Mapping[str, Any] | None = (
            self.summary["metrics"].get(metric)
            if group is None
            else (self.summary.get(group) or {}).get(name, {}).get(metrics.RESPONSE_LATENCY)
        )
        return found

    def clusters(self, metric: str, group: str | None = None, name: str = "") -> Clusters:
        """The values of a metric that has an `entry`, each with its simulation. Raises Faulty."""
        whole = self.summary["metrics"].get(metric)
        if whole is not None and self.sample.measured.get(metric, 0) >= _ROWS_HAVE * whole["count"]:
            agent, scenario = (name if group == one else None for one in GROUPS)
            return self.sample.clusters(metric, agent=agent, scenario=scenario)
        entry = self.entry(metric, group, name)
        counts = self.counts if group is None else self.summary[group][name]["counts"]
        simulations = counts[metrics.COMPLETED] + counts[metrics.FAILED] + counts[metrics.CANCELLED]
        return guessed(entry or {}, simulations)
