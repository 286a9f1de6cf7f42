"""Snapshots that the tests of the screen share."""

from coval_load.report.terminal.snapshot import (
    ErrorNow,
    GeneratorNow,
    Quantiles,
    ScenarioNow,
    Snapshot,
    ThresholdNow,
    WaitingNow,
)
from coval_load.report.terminal.stages import Standing

EARLY = Snapshot(name="support line", elapsed_s=0.2)

BUSY = Snapshot(
    name="support line",
    elapsed_s=95.0,
    duration_s=600.0,
    scenarios=(
        ScenarioNow("evening", Standing("stage 2 of 3: 20 -> 50 over 2m00s, 43 asked for now", 0.35)),
        ScenarioNow("callbacks", Standing("40 a second for 5m00s", 0.1)),
    ),
    running=43,
    queued=3,
    stages={"connect": 3, "handshake": 1, "conversation": 39},
    counts={"completed": 1200, "failed": 12, "dropped": 7, "cancelled": 0},
    completed_per_s=12.4,
    courses={
        "running": tuple(range(1, 44)),
        "queued": (0, 0, 3),
        "completed": (0, 10, 12),
        "failed": (0, 0, 1),
        "cpu": (0.1, 0.3),
    },
    latency_now=Quantiles(82, 0.609, 0.782, 0.798, 0.801),
    latencies=(
        ("response_latency", Quantiles(3600, 0.55, 0.7, 0.75, 1.25)),
        ("ttfb_audio", Quantiles(3600, 0.5, 0.6, 0.7, 1.1)),
        ("turn_time", Quantiles(3600, 2.5, 3.6, 3.7, 4.1)),
    ),
    generator=GeneratorNow(
        late_now=Quantiles(999, 0.0001, 0.0002, 0.0004, 0.01),
        late_run=Quantiles(99999, 0.0001, 0.0002, 0.0005, 0.02),
        lag_now=Quantiles(99, 0.0001, 0.0002, 0.0006, 0.01),
        lag_run=Quantiles(999, 0.0001, 0.0002, 0.0007, 0.02),
        cpu_share=0.34,
        cpu_wait_share=0.01,
        rss_bytes=120 * 1024 * 1024,
    ),
    errors=(
        ErrorNow("connection_closed", 9, True, "expected the conversation to go on; the connection was dropped"),
        ErrorNow("no_response", 3, False, "expected an answer within 30 s; got none"),
    ),
    waiting=WaitingNow(4.2, 3, "order-a-pizza", "support-voice", "62cbaa4c-d94b-53c4"),
    thresholds=(
        ThresholdNow("failed", "rate < 1%", "crossed", "expected rate < 1%; got 1.2%", aborts=False),
        ThresholdNow("response_latency", "p95 < 1s", "holds", "got 0.7 s", aborts=True),
        ThresholdNow("completed", "count > 5000", "not yet", "expected count > 5000; got 1200", aborts=False),
    ),
    folder="coval-runs/20260102T030405Z-support-line",
    dashboard="http://127.0.0.1:8765/",
)
