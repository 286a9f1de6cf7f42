"""From a run that goes on to what the screen shows of it."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence

import attrs
import trio

from coval_load.engine import metrics
from coval_load.engine.distribution import Distribution
from coval_load.engine.pulse import FELT, Pulse, Pulses
from coval_load.engine.results import Results
from coval_load.engine.runner import Runner
from coval_load.engine.thresholds import COUNT, DRIFT, Judged, Threshold, judge
from coval_load.report.sparse_histogram import SparseHistogram
from coval_load.report.summary_parts.thresholds import came
from coval_load.report.terminal.history import LATELY_S, Course, Sliding
from coval_load.report.terminal.snapshot import (
    ErrorNow,
    GeneratorNow,
    Quantiles,
    ScenarioNow,
    Snapshot,
    ThresholdNow,
    WaitingNow,
    Word,
)
from coval_load.report.terminal.stages import standing

SHOWN = (
    metrics.RESPONSE_LATENCY,
    metrics.TTFB_AUDIO,
    metrics.TTFT,
    metrics.TURN_TIME,
    metrics.RESPONSE_TIME,
    metrics.ENDPOINTING_TIME,
    metrics.FIRST_AUDIO_TIME,
    metrics.CONNECT_TIME,
    metrics.GREETING_LATENCY,
    metrics.BARGE_IN_STOP_LATENCY,
)
"""Metrics of the run that are shown, as far as there is room."""
THRESHOLDS_AT_MOST = 20
"""Each is judged anew every second."""

_COUNTED = (metrics.COMPLETED, metrics.FAILED)
_PERCENTS = (50.0, 95.0, 99.0)


def _nobody() -> str | None:
    return None


@attrs.frozen(eq=False)
class Subject:
    """The run that is shown. `total` and `duration_s` (seconds) are None where the plan does not say.

    `dashboard` gives the address of the dashboard, None as long as there is none.
    """

    name: str
    runner: Runner
    results: Results
    pulses: Pulses
    thresholds: Sequence[Threshold] = ()
    total: int | None = None
    duration_s: float | None = None
    folder: str = ""
    dashboard: Callable[[], str | None] = _nobody


@attrs.define(eq=False)
class Gathering:
    """Feels the pulse of a run, and makes snapshots of it.

    It gives way to others after each step: a step takes less than a millisecond.
    """

    subject: Subject
    said: Callable[[], str] = str
    """What the program last said on standard error."""
    _pulse: Pulse | None = attrs.field(default=None, init=False)
    _gathered: Pulse | None = attrs.field(default=None, init=False)
    _lately: dict[str, Sliding] = attrs.field(init=False)
    _courses: dict[str, Course] = attrs.field(init=False)
    _completed: deque[tuple[float, int]] = attrs.field(factory=deque, init=False)
    _figures: Snapshot | None = attrs.field(default=None, init=False)

    @_lately.default
    def _nothing_yet(self) -> dict[str, Sliding]:
        return {name: Sliding() for name in FELT}

    @_courses.default
    def _no_courses_yet(self) -> dict[str, Course]:
        return {name: Course() for name in ("running", "queued", "cpu", *_COUNTED)}

    def feel(self, pulse: Pulse) -> None:
        """Take in a pulse; some 200 us."""
        self._pulse = pulse
        for name, sliding in self._lately.items():
            sliding.add(pulse.seconds, SparseHistogram.of(pulse.added[name]))
        self._courses["running"].add(pulse.running)
        self._courses["queued"].add(pulse.queued)
        self._courses["cpu"].add(pulse.cpu_share or 0.0)
        for name in _COUNTED:
            self._courses[name].add(pulse.counts_added[name])
        self._completed.append((pulse.seconds, pulse.counts_added[metrics.COMPLETED]))
        while len(self._completed) > LATELY_S:
            self._completed.popleft()

    async def look(self) -> Snapshot:
        """The run now; figures are those of the latest pulse."""
        subject = self.subject
        if self._figures is None or self._pulse is not self._gathered:
            self._gathered = self._pulse
            self._figures = await self._measure(self._pulse)
        elapsed_s = trio.current_time() - subject.runner.started_at
        return attrs.evolve(
            self._figures,
            elapsed_s=elapsed_s,
            running=subject.runner.running,
            queued=subject.runner.queued,
            scenarios=tuple(self._scenarios(elapsed_s)),
            dashboard=subject.dashboard(),
            said=self.said(),
        )

    async def _measure(self, pulse: Pulse | None) -> Snapshot:
        subject, results = self.subject, self.subject.results
        latencies = []
        for name in SHOWN:
            if results.samples(name):
                latencies.append((name, self._of_run(name)))
                await trio.lowlevel.checkpoint()
        generator = await self._generator(pulse)
        thresholds = []
        for threshold in _first(subject.thresholds):
            thresholds.append(self._judge(threshold))
            await trio.lowlevel.checkpoint()
        return Snapshot(
            name=str(results.clean(subject.name)),
            elapsed_s=0.0,
            total=subject.total,
            duration_s=subject.duration_s,
            stages=pulse.stages if pulse else {},
            counts=dict(results.whole.counts),
            completed_per_s=self._rate(),
            courses={name: course.points for name, course in self._courses.items()},
            latency_now=self._of_late(metrics.RESPONSE_LATENCY),
            latencies=tuple(latencies),
            generator=generator,
            errors=_errors(pulse, results.whole.errors) if pulse else (),
            waiting=_waiting(pulse) if pulse else None,
            thresholds=tuple(sorted(thresholds, key=lambda one: one.word != "crossed")),
            folder=subject.folder,
        )

    async def _generator(self, pulse: Pulse | None) -> GeneratorNow:
        judged = self.subject.results.judged()
        await trio.lowlevel.checkpoint()
        late_run, lag_run = self._of_run(metrics.SEND_LATENESS), self._of_run(metrics.LOOP_LAG)
        await trio.lowlevel.checkpoint()
        return GeneratorNow(
            verdict=judged["verdict"],
            reason=next(iter(judged["reasons"]), None),
            late_now=self._of_late(metrics.SEND_LATENESS),
            late_run=late_run,
            lag_now=self._of_late(metrics.LOOP_LAG),
            lag_run=lag_run,
            cpu_share=pulse.cpu_share if pulse else None,
            cpu_wait_share=pulse.cpu_wait_share if pulse else None,
            rss_bytes=pulse.rss_bytes if pulse else None,
        )

    def _scenarios(self, elapsed_s: float) -> Iterable[ScenarioNow]:
        results, runner = self.subject.results, self.subject.runner
        for scenario in runner.scenarios:
            tally = results.scenarios.get(scenario.name)
            ended = sum(tally.counts[name] for name in (*_COUNTED, metrics.CANCELLED)) if tally else 0
            wanted = runner.wanted(scenario.name)
            stands = standing(scenario.shape, elapsed_s - scenario.start_s, wanted, ended)
            yield ScenarioNow(str(results.clean(scenario.name)), stands)

    def _judge(self, threshold: Threshold) -> ThresholdNow:
        results, runner = self.subject.results, self.subject.runner
        judged = judge(threshold, results, trio.current_time() - runner.started_at)
        return ThresholdNow(
            str(results.clean(threshold.key)),
            str(results.clean(threshold.text)),
            _word(judged),
            str(results.clean(came(judged.row()))),
            threshold.abort_on_fail,
        )

    def _rate(self) -> float | None:
        seconds = sum(lasted for lasted, _ in self._completed)
        return sum(amount for _, amount in self._completed) / seconds if seconds else None

    def _of_late(self, name: str) -> Quantiles:
        return _quantiles(self._lately[name].joined())

    def _of_run(self, name: str) -> Quantiles:
        distribution: Distribution | None = self.subject.results.whole.distributions.get(name)
        return Quantiles() if distribution is None else _quantiles(SparseHistogram.of(distribution))


def _first(thresholds: Iterable[Threshold]) -> list[Threshold]:
    """Those that stop the run come first."""
    return sorted(thresholds, key=lambda threshold: not threshold.abort_on_fail)[:THRESHOLDS_AT_MOST]


def _word(judged: Judged) -> Word:
    threshold = judged.threshold
    if threshold.aggregate == DRIFT:
        return "at the end"
    if judged.passed:
        return "holds"
    if judged.value is None:
        return "no value yet"
    return "not yet" if threshold.aggregate == COUNT and threshold.operator in (">", ">=") else "crossed"


def _quantiles(values: SparseHistogram) -> Quantiles:
    p50, p95, p99 = values.percentiles(_PERCENTS)
    return Quantiles(values.count, p50, p95, p99, values.highest)


def _errors(pulse: Pulse, errors: Mapping[str, int]) -> tuple[ErrorNow, ...]:
    """Counted at the same instant as simulations are; messages as of the last pulse."""

    def error(kind: str, count: int) -> ErrorNow:
        latest = pulse.latest_errors.get(kind)
        return ErrorNow(kind, count, kind in pulse.errors_added, latest.message if latest else "")

    by_count = sorted(errors.items(), key=lambda item: (-item[1], item[0]))
    return tuple(error(kind, count) for kind, count in by_count)


def _waiting(pulse: Pulse) -> WaitingNow | None:
    waiting = pulse.waiting
    if waiting is None:
        return None
    return WaitingNow(
        pulse.at_s - waiting.since_s, waiting.turn, waiting.test_case, waiting.agent, waiting.simulation_output_id
    )
