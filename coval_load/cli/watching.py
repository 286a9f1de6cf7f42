"""Shows on standard error how a run goes. (The live terminal's part of this file was lost to a mistake: write it anew.)"""

import sys

import trio

from coval_load.cli.preparing import in_colour
from coval_load.engine import metrics
from coval_load.plans.ending import duration_of, total_of
from coval_load.plans.launch import Live, Watch
from coval_load.plans.rehearsal import Ensemble
from coval_load.report.live_line import Progress, show_progress


def watched(ensemble: Ensemble) -> Watch:
    """Shows on standard error how a run of `ensemble` goes."""
    total, duration_s = total_of(ensemble.plan), duration_of(ensemble.plan)

    async def watch(live: Live) -> None:
        runner, results = live.runner, live.results

        def snapshot() -> Progress:
            return Progress(
                running=runner.running,
                queued=runner.queued,
                completed=results.counted(metrics.COMPLETED),
                failed=results.counted(metrics.FAILED),
                elapsed_s=trio.current_time() - runner.started_at,
                total=total,
                duration_s=duration_s,
                response_latency_p50_s=results.percentile(metrics.RESPONSE_LATENCY, 50),
                response_latency_p95_s=results.percentile(metrics.RESPONSE_LATENCY, 95),
                send_lateness_p99_s=results.percentile(metrics.SEND_LATENESS, 99),
                dropped=results.counted(metrics.DROPPED),
            )

        await show_progress(snapshot, sys.stderr, plain=not in_colour(sys.stderr))

    return watch
