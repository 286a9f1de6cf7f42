"""What the screen shows, at one instant: values alone, so that drawing them touches nothing of the run."""

from collections.abc import Mapping
from typing import Literal

import attrs

from coval_load.report.terminal.stages import Standing

Word = Literal["holds", "crossed", "not yet", "no value yet", "at the end"]


@attrs.frozen
class Quantiles:
    """Of some values, in seconds; None where there are none."""

    count: int = 0
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    highest: float | None = None


@attrs.frozen
class ScenarioNow:
    """A scenario and how its load stands."""

    name: str
    standing: Standing


@attrs.frozen
class ErrorNow:
    """A kind of error: how often it came, whether in the last second too, and its latest message."""

    kind: str
    count: int
    is_new: bool
    message: str


@attrs.frozen
class ThresholdNow:
    """A threshold, how it stands, and what was measured for it."""

    key: str
    text: str
    word: Word
    reason: str
    aborts: bool


@attrs.frozen
class WaitingNow:
    """The conversation that has waited for longest."""

    seconds: float
    turn: int
    test_case: str
    agent: str
    simulation_output_id: str


@attrs.frozen(kw_only=True)
class GeneratorNow:
    """How the generator fares: percentiles of the last seconds and of the run, in seconds; shares of one core."""

    verdict: str = "valid"
    reason: str | None = None
    late_now: Quantiles = Quantiles()
    late_run: Quantiles = Quantiles()
    lag_now: Quantiles = Quantiles()
    lag_run: Quantiles = Quantiles()
    cpu_share: float | None = None
    cpu_wait_share: float | None = None
    rss_bytes: int | None = None


@attrs.frozen(kw_only=True)
class Snapshot:
    """A run at `elapsed_s`. Texts may hold anything that an agent or a plan says: whoever draws them cleans them."""

    name: str
    elapsed_s: float
    total: int | None = None
    duration_s: float | None = None
    scenarios: tuple[ScenarioNow, ...] = ()
    running: int = 0
    queued: int = 0
    stages: Mapping[str, int] = attrs.field(factory=dict)
    counts: Mapping[str, int] = attrs.field(factory=dict)
    """Of `metrics.SIMULATION_COUNTS`."""
    completed_per_s: float | None = None
    """In the last seconds."""
    courses: Mapping[str, tuple[float, ...]] = attrs.field(factory=dict)
    """Over the whole run: `running`, `queued`, `completed`, `failed` (in a second), `cpu`."""
    latency_now: Quantiles = Quantiles()
    latencies: tuple[tuple[str, Quantiles], ...] = ()
    """Of the run by metric, `response_latency` first."""
    generator: GeneratorNow = GeneratorNow()
    errors: tuple[ErrorNow, ...] = ()
    waiting: WaitingNow | None = None
    thresholds: tuple[ThresholdNow, ...] = ()
    folder: str = ""
    dashboard: str | None = None
    said: str = ""
    """What the program last said on standard error."""
