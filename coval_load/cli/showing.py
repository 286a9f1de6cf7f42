"""What standard error shows of a run: a screen on a terminal, one line where it is small, lines elsewhere."""

import sys
from collections.abc import Callable

import attrs
import trio

from coval_load.cli.preparing import in_colour
from coval_load.engine import metrics
from coval_load.engine.pulse import Pulse
from coval_load.plans.ending import duration_of, total_of
from coval_load.plans.launch import Live, Watch
from coval_load.plans.rehearsal import Ensemble
from coval_load.report.live_line import Progress, show_progress
from coval_load.report.sparse_histogram import SparseHistogram
from coval_load.report.terminal.history import Sliding


def watched(ensemble: Ensemble, dashboard: Callable[[], str | None] = lambda: None) -> Watch:
    """Shows on standard error how a run of `ensemble` goes. To be called before its start: it loads what draws.

    `dashboard` gives the address of the dashboard, None as long as there is none.
    """
    if in_colour(sys.stderr):
        from coval_load.report.terminal.display import show_run
        from coval_load.report.terminal.gathering import Subject
        from coval_load.report.terminal.screen import open_screen

    total, duration_s = total_of(ensemble.plan), duration_of(ensemble.plan)

    async def watch(live: Live) -> None:
        plain = not in_colour(sys.stderr)
        screen = None if plain else open_screen(sys.stderr)
        if screen is None:
            await show_progress(_Following(live, total, duration_s).progress, sys.stderr, plain=plain)
            return
        subject = Subject(
            live.plan.name,
            live.runner,
            live.results,
            live.pulses,
            live.plan.thresholds,
            total,
            duration_s,
            str(live.folder.path),
            dashboard,
        )
        await show_run(subject, screen)

    return watch


@attrs.define(eq=False)
class _Following:
    """What a line says; it feels the pulse of the run from its making on."""

    live: Live
    total: int | None
    duration_s: float | None
    _latencies: Sliding = attrs.field(factory=Sliding, init=False)
    _messages: dict[str, str] = attrs.field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self.live.pulses.feel(self.feel)

    def feel(self, pulse: Pulse) -> None:
        """Take in a pulse."""
        self._latencies.add(pulse.seconds, SparseHistogram.of(pulse.added[metrics.RESPONSE_LATENCY]))
        self._messages.update((kind, latest.message) for kind, latest in pulse.latest_errors.items())

    def progress(self) -> Progress:
        """How the run is going now."""
        runner, results = self.live.runner, self.live.results
        return Progress(
            running=runner.running,
            queued=runner.queued,
            completed=results.counted(metrics.COMPLETED),
            failed=results.counted(metrics.FAILED),
            elapsed_s=trio.current_time() - runner.started_at,
            total=self.total,
            duration_s=self.duration_s,
            response_latency_p50_s=results.percentile(metrics.RESPONSE_LATENCY, 50),
            response_latency_p95_s=results.percentile(metrics.RESPONSE_LATENCY, 95),
            send_lateness_p99_s=results.percentile(metrics.SEND_LATENESS, 99),
            dropped=results.counted(metrics.DROPPED),
            response_latency_lately_p95_s=self._latencies.joined().percentile(95),
            errors={kind: count for kind, count in results.whole.errors.items() if kind in self._messages},
            messages=self._messages,
        )
