"""What an earlier run measured, for thresholds that take their limits from it."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import attrs

from coval_load.engine import metrics
from coval_load.engine.drift import drift_shares
from coval_load.engine.outcome import ErrorKind
from coval_load.engine.results import Results
from coval_load.engine.tally import Tally
from coval_load.engine.thresholds import DRIFT, RATE_OF, Threshold, measured, prepare
from coval_load.faults import Fault
from coval_load.plans.threshold_text import Unreadable
from coval_load.plans.thresholds import load_thresholds
from coval_load.report.recovery import Recovered, recover

VALUES, CAUTION = "baseline_values", "baseline_caution"
"""Keys under `plan` of `run.json`: what limits were taken from, for whoever judges them without the baseline."""


class NotKept(Exception):
    """A run did not keep what a threshold asks about; the message says what, and what to do."""


def recover_with_thresholds(folder: Path) -> Recovered:
    """`recover`, with all that the thresholds of the run's own plan ask about. Raises Faulty."""

    def begin(run: Mapping[str, Any], results: Results) -> None:
        prepare(thresholds_of(run)[0], results)

    return recover(folder, begin)


def thresholds_of(run: Mapping[str, Any]) -> tuple[tuple[Threshold, ...], list[Fault]]:
    """The thresholds of the plan in a `run.json`, and what of them can't be read."""
    plan = run["plan"]
    return load_thresholds(plan.get("thresholds"), "thresholds", {}, baseline=_KeptBaseline.of(plan))


@attrs.frozen
class MeasuredRun:
    """What a run measured, as thresholds ask for it."""

    recovered: Recovered

    def value(self, threshold: Threshold) -> float | None:
        """What `threshold` is judged by, in its unit; None where nothing was measured.

        Error handling: `NotKept` where the run did not keep that of the simulations that `threshold` is about; any
        exception where a file of the run is damaged.
        """
        summary = self.recovered.summary
        if threshold.aggregate == DRIFT:
            return drift_shares(summary.get("drift") or ()).get(threshold.name)
        return measured(threshold, _tally(summary, threshold), self.elapsed_s)

    @property
    def elapsed_s(self) -> float:
        """How long the run took, in seconds."""
        if not self.recovered.is_whole:
            return self.recovered.elapsed_s
        course = self.recovered.summary.get("over_time")
        if course:
            return float(course[-1]["at"])
        run = self.recovered.run
        took = datetime.fromisoformat(run["ended"]) - datetime.fromisoformat(run["started"])
        return took.total_seconds()


def _tally(summary: Mapping[str, Any], threshold: Threshold) -> Tally:
    """The simulations that `threshold` is about, with what it needs of them and nothing else."""
    wanted = {threshold.name, *RATE_OF.get(threshold.name, ())}
    entry = _entry(summary, threshold, wanted)
    tally = Tally()
    tally.merge(
        {
            "counts": entry["counts"],
            "errors": entry["errors"],
            "counters": entry.get("counters", {}),
            "metrics": {name: found for name, found in entry.get("metrics", {}).items() if name in wanted},
        }
    )
    return tally


def _entry(summary: Mapping[str, Any], threshold: Threshold, wanted: Iterable[str]) -> Mapping[str, Any]:
    selector = threshold.selector
    if not selector.wanted:
        return summary
    kept = summary.get("selections", {}).get(str(selector))
    if kept is not None and all(_has(kept, name) for name in wanted):
        return dict(kept)
    for label, group in (("agent", "agents"), ("scenario", "scenarios")):
        ((name, value), *more) = selector.wanted
        each = summary.get(group, {}).get(value) if name == label and not more else None
        if each is not None and set(wanted) <= {metrics.RESPONSE_LATENCY, *metrics.SIMULATION_COUNTS}:
            latency = each[metrics.RESPONSE_LATENCY]
            return {**each, "metrics": {} if latency is None else {metrics.RESPONSE_LATENCY: latency}}
    raise NotKept(f"it to have kept {threshold.key}: run it with the same threshold")


def _has(kept: Mapping[str, Any], name: str) -> bool:
    # A metric that was asked for and never measured is not there; nothing else says that it was asked for.
    return name in metrics.METRICS or name in metrics.SIMULATION_COUNTS or name in kept["counters"]


@attrs.frozen
class Baseline:
    """A run that others are held against."""

    run: MeasuredRun
    caution: str | None

    @classmethod
    def read(cls, folder: Path) -> "Baseline":
        """The run in `folder`, also one that was killed. Raises Faulty."""
        return cls.of(recover_with_thresholds(folder), folder.name)

    @classmethod
    def of(cls, recovered: Recovered, name: str) -> "Baseline":
        """The run that `recovered` holds; people call it `name`."""
        said = []
        if recovered.summary["generator"].get("verdict") == "invalid":
            lost = recovered.summary["errors"].get(ErrorKind.WORKER_LOST)
            why = "it lost simulations with a worker" if lost else "its generator was the bottleneck"
            said.append(f"its numbers can't be trusted, as {why}")
        if not recovered.is_whole:
            said.append("it did not come to its end, and what it left is taken")
        caution = f"limits are taken from the baseline {name}: {', and '.join(said)}" if said else None
        return cls(MeasuredRun(recovered), caution)

    def value(self, threshold: Threshold) -> float:
        """The baseline's value that the limit of `threshold` is taken from. Raises `Unreadable`."""
        try:
            value = self.run.value(threshold)
        except NotKept as lack:
            raise Unreadable(f"expected of the baseline {lack}") from lack
        except Exception as damage:  # a histogram's decoder has many words for bytes that are none
            raise Unreadable(f"expected of the baseline a summary that can be read ({damage})") from damage
        if value is None:
            raise Unreadable(
                f"expected the baseline to have measured {threshold.key}: take another baseline, or a limit of its own"
            )
        return value


@attrs.frozen
class _KeptBaseline:
    """What `run.json` keeps of a baseline."""

    values: Mapping[str, Mapping[str, float]]
    caution: str | None

    @classmethod
    def of(cls, plan: Mapping[str, Any]) -> "_KeptBaseline":
        values, caution = plan.get(VALUES), plan.get(CAUTION)
        return cls(values if isinstance(values, dict) else {}, caution if isinstance(caution, str) else None)

    def value(self, threshold: Threshold) -> float:
        value = (self.values.get(threshold.key) or {}).get(threshold.aggregate)
        if not isinstance(value, int | float):
            raise Unreadable(f"expected {VALUES} of run.json to have the baseline's value")
        return float(value)


def kept_values(thresholds: Iterable[Threshold]) -> dict[str, Any]:
    """What `run.json` keeps of the baseline, for its `plan`; empty where no limit is taken from one."""
    values: dict[str, dict[str, float]] = {}
    kept: dict[str, Any] = {}
    for threshold in thresholds:
        if threshold.baseline is not None:
            values.setdefault(threshold.key, {})[threshold.aggregate] = threshold.baseline
            if threshold.caution is not None:
                kept[CAUTION] = threshold.caution
    return {VALUES: values, **kept} if values else {}
