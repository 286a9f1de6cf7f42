"""How a run stands, as the dashboard shows it: gathered on the engine's loop, worked out on the server's."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from coval_load.engine import metrics
from coval_load.engine.pulse import Pulse
from coval_load.engine.results import Results
from coval_load.engine.runner import Runner
from coval_load.engine.thresholds import DRIFT, Threshold, judge
from coval_load.engine.verdict import verdict
from coval_load.report.course import Course, CoursePoint, columns_of
from coval_load.report.sparse_histogram import SparseHistogram
from coval_load.report.visible import visible_json

RECENT_S = 10.0
"""What "now" means for percentiles: of one second there are too few."""


@attrs.frozen
class Snapshot:
    """A run at an instant. Nothing in it changes any more, so that another thread may read it."""

    pulse: Mapping[str, Any]
    whole: Mapping[str, SparseHistogram]
    recent: SparseHistogram
    points: Sequence[CoursePoint]
    thresholds: Sequence[Mapping[str, Any]]
    generator: Mapping[str, Any]
    scenarios: Sequence[Mapping[str, Any]]
    changes: Sequence[Mapping[str, Any]]
    notes: Sequence[str]
    is_stopping: bool

    def state(self) -> dict[str, Any]:
        """As JSON. Latencies are in seconds, `columns` is the course of the run for its charts."""
        return {
            **visible_json(dict(self.pulse)),
            "metrics": {name: _percentiles(histogram) for name, histogram in self.whole.items()},
            "recent": _percentiles(self.recent),
            "recent_s": RECENT_S,
            "thresholds": visible_json(list(self.thresholds)),
            "generator": dict(self.generator),
            "scenarios": visible_json(list(self.scenarios)),
            "changes": visible_json(list(self.changes)),
            "notes": visible_json(list(self.notes)),
            "stopping": self.is_stopping,
            "columns": columns_of(self.points),
            "percentile_plots": {name: self.whole[name].plot() for name in _PLOTTED if name in self.whole},
        }


_PLOTTED = (metrics.RESPONSE_LATENCY, metrics.TTFT, metrics.TTFB_AUDIO, metrics.TURN_TIME)


def _percentiles(histogram: SparseHistogram) -> dict[str, Any]:
    percents = (50, 90, 95, 99, 99.9)
    named = {f"p{percent:g}": value for percent, value in zip(percents, histogram.percentiles(percents), strict=True)}
    return {"count": histogram.count, "min": histogram.lowest, **named, "max": histogram.highest}


@attrs.define(eq=False)
class Snapshots:
    """Makes snapshots on the engine's loop, a millisecond or so each.

    `is_stopping` says whether no new simulations are started any more.
    """

    runner: Runner
    results: Results
    thresholds: Sequence[Threshold]
    is_stopping: Callable[[], bool]
    _course: Course = attrs.field(factory=Course, init=False)
    _recent: list[tuple[float, SparseHistogram]] = attrs.field(factory=list, init=False)
    _pulse: Pulse | None = attrs.field(default=None, init=False)

    def feel(self, pulse: Pulse) -> None:
        """Take in the next pulse."""
        added = {name: SparseHistogram.of(distribution) for name, distribution in pulse.added.items()}
        self._course.add(_point(pulse, added))
        self._recent.append((pulse.at_s, added[metrics.RESPONSE_LATENCY]))
        while self._recent[0][0] <= pulse.at_s - RECENT_S:
            self._recent.pop(0)
        self._pulse = attrs.evolve(pulse, added={})

    def take(self) -> Snapshot | None:
        """The run as it was at the last pulse; None before the first."""
        if self._pulse is None:
            return None
        recent = SparseHistogram()
        for _, histogram in self._recent:
            recent = recent.joined(histogram)
        results = self.results
        distributions = results.whole.distributions
        return Snapshot(
            pulse=_told(self._pulse),
            whole={name: SparseHistogram.of(one) for name, one in distributions.items() if one.count},
            recent=recent,
            points=tuple(self._course.points),
            thresholds=[self._judged(one) for one in self.thresholds if one.aggregate != DRIFT],
            generator=verdict(results.evidence()),
            scenarios=self._scenarios(),
            changes=list(results.changes),
            notes=[str(results.clean(note)) for note in results.notes],
            is_stopping=self.is_stopping(),
        )

    def _judged(self, threshold: Threshold) -> dict[str, Any]:
        assert self._pulse is not None
        row: dict[str, Any] = self.results.clean(judge(threshold, self.results, self._pulse.at_s).row())
        return row

    def _scenarios(self) -> list[dict[str, Any]]:
        runner, changeable = self.runner, set(self.runner.changeable)
        return [
            {
                "number": number,
                "name": self.results.clean(scenario.name),
                "wanted": runner.wanted(scenario.name),
                "changeable": scenario.name in changeable,
            }
            for number, scenario in enumerate(runner.scenarios)
        ]


def _told(pulse: Pulse) -> dict[str, Any]:
    return attrs.asdict(pulse, filter=attrs.filters.exclude("added", "counts_added", "errors_added"))


def _point(pulse: Pulse, added: Mapping[str, SparseHistogram]) -> CoursePoint:
    counts = pulse.counts_added
    return CoursePoint(
        start_s=pulse.at_s - pulse.seconds,
        end_s=pulse.at_s,
        running=pulse.running,
        queued=pulse.queued,
        started=counts[metrics.STARTED],
        completed=counts[metrics.COMPLETED],
        failed=counts[metrics.FAILED],
        cancelled=counts[metrics.CANCELLED],
        dropped=counts[metrics.DROPPED],
        errors=dict(pulse.errors_added),
        response_latency=added[metrics.RESPONSE_LATENCY],
        send_lateness=added[metrics.SEND_LATENESS],
        loop_lag=added[metrics.LOOP_LAG],
        cpu_share=pulse.cpu_share,
        cpu_wait_share=pulse.cpu_wait_share,
        rss_bytes=pulse.rss_bytes,
    )
