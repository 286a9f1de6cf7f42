"""How a run stands, as the dashboard shows it: gathered on the engine's loop, worked out on the server's."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import trio

from coval_load.engine import metrics
from coval_load.engine.pulse import Pulse
from coval_load.engine.results import Results
from coval_load.engine.runner import Runner
from coval_load.engine.thresholds import DRIFT, Threshold, judge
from coval_load.report.course import Course, CoursePoint, columns_of
from coval_load.report.sparse_histogram import SparseHistogram, together
from coval_load.report.visible import visible_json

POINTS_AT_MOST = 300
"""Of the course: each holds the buckets of three histograms, up to some 30 KB, and goes to browsers each second."""
RECENT_S = 10.0
"""What "now" means for percentiles: of one second there are too few."""

PLOTTED = (metrics.RESPONSE_LATENCY, metrics.TTFT, metrics.TTFB_AUDIO, metrics.TURN_TIME)
"""The metrics whose distribution is charted."""

WATCHED_WITHIN_S = 5.0
"""A page asks once a second; one that has not asked for so long has gone, or sleeps."""

END_SHOWN_S = 1.2
"""Every page that is open asks within this, unless its machine is busy."""

END_SHOWN_WITHIN_S = 3.0
_SENT_S = 0.3

_SHORTEST_S = 0.5
"""A last pulse that is shorter gets no point in the charts: what it counted would be a peak a second."""

_FIRST = (
    *(metrics.RESPONSE_LATENCY, metrics.TTFT, metrics.TTFB_AUDIO, metrics.TURN_TIME, metrics.RESPONSE_TIME),
    *(metrics.GREETING_LATENCY, metrics.BARGE_IN_STOP_LATENCY, metrics.INTER_CHUNK_LATENCY, metrics.AUDIO_UNDERRUN),
)
_FOLDED = metrics.OF_THE_GENERATOR | {metrics.scheduled(name) for name in metrics.TWINNED}
_ORDER = {
    name: number
    for number, name in enumerate(dict.fromkeys((*_FIRST, *(name for name in metrics.METRICS if name not in _FOLDED))))
}


@attrs.frozen
class Snapshot:
    """A run at an instant. Nothing in it changes any more, so that another thread may read it."""

    pulse: Mapping[str, Any]
    whole: Mapping[str, SparseHistogram]
    recent: Sequence[SparseHistogram]
    points: Sequence[CoursePoint]
    thresholds: Sequence[Mapping[str, Any]]
    generator: Mapping[str, Any]
    scenarios: Sequence[Mapping[str, Any]]
    changes: Sequence[Mapping[str, Any]]
    notes: Sequence[str]
    is_stopping: bool
    is_over: bool

    def state(self) -> dict[str, Any]:
        """As JSON. Latencies are in seconds, `columns` is the course of the run for its charts."""
        return {
            **visible_json(dict(self.pulse)),
            "metrics": self._rows(told=True),
            "others": self._rows(told=False),
            "recent": _percentiles(together(self.recent)),
            "recent_s": RECENT_S,
            "thresholds": visible_json(list(self.thresholds)),
            "generator": visible_json(dict(self.generator)),
            "scenarios": visible_json(list(self.scenarios)),
            "changes": visible_json(list(self.changes)),
            "notes": visible_json(list(self.notes)),
            "stopping": self.is_stopping,
            "over": self.is_over,
            "columns": columns_of(self.points),
            "percentile_plots": {name: self.whole[name].plot() for name in PLOTTED if name in self.whole},
        }

    def _rows(self, *, told: bool) -> dict[str, Any]:
        """Percentiles of the metrics that tell of the agent, the most telling first, or of all others."""
        names = [name for name in self.whole if (name not in _FOLDED) == told]
        sort = sorted(names, key=lambda name: _ORDER.get(name, len(_ORDER)))
        return {name: _percentiles(self.whole[name]) for name in sort}


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
    _course: Course = attrs.field(factory=lambda: Course(POINTS_AT_MOST), init=False)
    _recent: list[tuple[float, SparseHistogram]] = attrs.field(factory=list, init=False)
    _pulse: Pulse | None = attrs.field(default=None, init=False)
    _cpu_share: float | None = attrs.field(default=None, init=False)
    _taken_at: float = attrs.field(default=-math.inf, init=False)
    _is_over: bool = attrs.field(default=False, init=False)
    _end_taken: trio.Event = attrs.field(factory=trio.Event, init=False)

    async def show_end(self) -> None:
        """Wait until pages that are open had the time to ask for the last state, `END_SHOWN_WITHIN_S` at most."""
        now = trio.current_time()
        if now - self._taken_at < WATCHED_WITHIN_S:
            with trio.move_on_after(END_SHOWN_WITHIN_S):
                await self._end_taken.wait()
                await trio.sleep_until(max(now + END_SHOWN_S, trio.current_time() + _SENT_S))

    def end(self, pulse: Pulse) -> None:
        """Take in the last pulse: the run is over."""
        self._is_over = True
        if pulse.seconds >= _SHORTEST_S:
            self.feel(pulse)
        else:
            self._pulse = attrs.evolve(pulse, added={})

    def feel(self, pulse: Pulse) -> None:
        """Take in the next pulse."""
        pulse, self._cpu_share = self._with_cpu(pulse), pulse.cpu_share
        added = {name: SparseHistogram.of(distribution) for name, distribution in pulse.added.items()}
        self._course.add(_point(pulse, added))
        self._recent.append((pulse.at_s, added[metrics.RESPONSE_LATENCY]))
        while self._recent[0][0] <= pulse.at_s - RECENT_S:
            self._recent.pop(0)
        self._pulse = attrs.evolve(pulse, added={})

    def take(self) -> Snapshot | None:
        """The run as it was at the last pulse; None before the first."""
        self._taken_at = trio.current_time()
        if self._is_over:
            self._end_taken.set()
        if self._pulse is None:
            return None
        results = self.results
        distributions = results.whole.distributions
        return Snapshot(
            pulse=_told(self._pulse),
            whole={name: SparseHistogram.of(one) for name, one in distributions.items() if one.count},
            recent=tuple(histogram for _, histogram in self._recent),
            points=tuple(self._course.points),
            thresholds=[self._judged(one) for one in self.thresholds if one.aggregate != DRIFT],
            generator={name: value for name, value in results.judged().items() if name != "workers"},
            scenarios=self._scenarios(),
            changes=list(results.changes),
            notes=[str(results.clean(note)) for note in results.notes],
            is_stopping=self.is_stopping(),
            is_over=self._is_over,
        )

    def _with_cpu(self, pulse: Pulse) -> Pulse:
        """The generator is looked at once a second too, so that now and then a pulse comes between: it has the last."""
        return pulse if pulse.cpu_share is not None else attrs.evolve(pulse, cpu_share=self._cpu_share)

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
