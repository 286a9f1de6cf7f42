"""Thresholds: what a run has to keep to, and whether it did. Pure: nothing here waits or looks at a clock."""

import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import attrs

from coval_load.engine import metrics
from coval_load.engine.labels import Selector, written
from coval_load.engine.results import Results
from coval_load.engine.tally import Tally

OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}

_IN_WORDS = {
    "<": "less than",
    "<=": "at most",
    ">": "more than",
    ">=": "at least",
    "==": "exactly",
    "!=": "anything but",
}

BASELINE = "baseline"
"""What stands in the limit of a threshold in the place of the value that another run had."""

COUNT, PER_SECOND, RATE, DRIFT = "count", "per_second", "rate", "drift"

_ENDED = (metrics.COMPLETED, metrics.FAILED)
_CHECKS = (metrics.CHECKS_PASSED, metrics.CHECKS_FAILED)
RATE_OF: Mapping[str, tuple[str, ...]] = {
    metrics.COMPLETED: _ENDED,
    metrics.FAILED: _ENDED,
    metrics.CANCELLED: _ENDED,
    metrics.STARTED: (metrics.OFFERED,),
    metrics.DROPPED: (metrics.OFFERED,),
    metrics.NEVER_STARTED: (metrics.OFFERED,),
    metrics.QUEUED: (metrics.OFFERED,),
    metrics.CHECKS_PASSED: _CHECKS,
    metrics.CHECKS_FAILED: _CHECKS,
    metrics.FRAMES_SKIPPED: (metrics.FRAMES_SENT, metrics.FRAMES_SKIPPED),
}
"""What each count and counter with a `rate` is a share of: the sum of these."""

WITHOUT_LABELS = metrics.OF_THE_GENERATOR | {metrics.ROWS_LOST, metrics.SAMPLES_CLAMPED}
"""What is the generator's own: it belongs to no agent, scenario, test case or persona."""


def percent_of(aggregate: str) -> float | None:
    """95.0 for `p95`, 99.9 for `p99.9`, up to `p100`; None for what is no percentile."""
    found = re.fullmatch(r"p([0-9]{1,3}(?:\.[0-9]{1,6})?)", aggregate)
    return float(found[1]) if found and 0 < float(found[1]) <= 100 else None


def key_of(name: str, labels: Iterable[tuple[str, str]]) -> str:
    """`response_latency{agent=support}`, as a plan writes it; what can't stand bare is quoted as in JSON."""
    pairs = list(written(labels))
    return f"{name}{{{','.join(pairs)}}}" if pairs else name


@attrs.frozen
class Threshold:
    """`text` (`p95 < 1.5s`) for the metric, counter or count `name` of the simulations that `selector` selects.

    `kind` is a kind of error, only of `failed`. `limit` is in seconds for durations, a share of 1 for `rate`
    and a share an hour for `drift`. With `abort_on_fail` the run stops when it fails, from `delay_s` seconds
    after the run's start on. `baseline` is the value of another run that the limit was taken from, in the unit of the
    limit, and `caution` why not to rely on it; None where there is none.
    """

    name: str
    selector: Selector
    kind: str | None
    aggregate: str
    operator: str
    limit: float
    text: str
    abort_on_fail: bool = False
    delay_s: float = 0.0
    baseline: float | None = None
    caution: str | None = None

    @property
    def key(self) -> str:
        """What stands before the expression: `failed{agent=support,kind=no_response}`."""
        kind = (("kind", self.kind),) if self.kind is not None else ()
        return key_of(self.name, (*self.selector.wanted, *kind))

    @property
    def unit(self) -> str:
        """Of the value: `s`, `1`, `bytes`, `1/s`, `bytes/s` or, for `drift`, `1/h`."""
        if self.aggregate in (RATE, DRIFT):
            return {RATE: "1", DRIFT: "1/h"}[self.aggregate]
        if self.name in metrics.METRICS:
            return "1" if self.aggregate == COUNT else "s"
        counter = metrics.COUNTERS.get(self.name) or metrics.SIMULATION_COUNTS[self.name]
        return counter.unit if self.aggregate == COUNT else f"{counter.unit}/s"


@attrs.frozen
class Judged:
    """Whether a threshold held. `value` is None where nothing was measured for it, and then it did not."""

    threshold: Threshold
    value: float | None
    passed: bool
    reason: str
    """For people: what came, and of one that failed what was expected."""

    def row(self, aborted: bool = False) -> dict[str, Any]:
        """What stands under `thresholds` in `summary.json`; `aborted`: it is the one that stopped the run."""
        return {
            "metric": self.threshold.key,
            "threshold": self.threshold.text,
            "baseline": self.threshold.baseline,
            "limit": self.threshold.limit,
            "value": self.value,
            "unit": self.threshold.unit,
            "passed": self.passed,
            "abort_on_fail": self.threshold.abort_on_fail,
            "aborted": aborted,
            "reason": self.reason,
        }


def prepare(thresholds: Iterable[Threshold], results: Results) -> None:
    """Have `results` keep what thresholds with a selector ask about, and cautions; before the first simulation."""
    for threshold in thresholds:
        if threshold.caution is not None:
            results.note(str(results.clean(threshold.caution)))
        if threshold.selector.wanted:
            results.select(threshold.selector, {threshold.name, *RATE_OF.get(threshold.name, ())})


def judge(
    threshold: Threshold, results: Results, elapsed_s: float, drift: Mapping[str, float | None] | None = None
) -> Judged:
    """Whether `threshold` holds after `elapsed_s` seconds of the run.

    `drift` has, by metric or as `failed`, the change an hour as a share (0.05 is 5 % an hour): of a metric, of
    the level of its p95; of `failed`, in points of its rate. A name that is missing has no trend that can be told.

    Error handling: KeyError for a selector that `prepare` was not told of.
    """
    if threshold.aggregate == DRIFT:
        return judge_value(threshold, (drift or {}).get(threshold.name))
    tally = results.selections[threshold.selector] if threshold.selector.wanted else results.whole
    return judge_value(threshold, measured(threshold, tally, elapsed_s))


def judge_value(threshold: Threshold, value: float | None) -> Judged:
    """Whether `threshold` holds where `value` came, in its unit; None: nothing was measured for it."""
    if value is None or not math.isfinite(value):
        return Judged(threshold, None, False, _why_not(threshold))
    passed = OPERATORS[threshold.operator](value, threshold.limit)
    came = f"got {_shown(value, threshold)}"
    return Judged(threshold, value, passed, came if passed else f"expected {_expected(threshold)}; {came}")


def measured(threshold: Threshold, tally: Tally, elapsed_s: float) -> float | None:
    """What `threshold` is judged by, of the simulations that `tally` counts; None where nothing was measured.

    Not for `drift`, which no tally tells.
    """
    if threshold.name in metrics.METRICS:
        return _of_metric(threshold, tally)
    amount = _amount(threshold, tally)
    if threshold.aggregate == PER_SECOND:
        return amount / elapsed_s if elapsed_s > 0 else None
    if threshold.aggregate == RATE:
        whole = sum(tally.counts[name] for name in RATE_OF[threshold.name])
        return amount / whole if whole else None
    return amount


def _of_metric(threshold: Threshold, tally: Tally) -> float | None:
    if threshold.aggregate == COUNT:
        return tally.samples(threshold.name)
    distribution = tally.distributions.get(threshold.name)
    if distribution is None or not distribution.count:
        return None
    percent = percent_of(threshold.aggregate)
    if percent is not None:
        return distribution.percentile(percent)
    # The mean as `summary.json` has it, so that what people read there is what was judged.
    mean = round(distribution.total_s / distribution.count, 9)
    return {"min": distribution.lowest, "max": distribution.highest, "mean": mean}[threshold.aggregate]


def _amount(threshold: Threshold, tally: Tally) -> int:
    if threshold.kind is not None:
        return tally.errors.get(threshold.kind, 0)
    if threshold.name != metrics.SAMPLES_CLAMPED:
        return tally.counts[threshold.name]
    tally.settle()  # what has only gathered is not known to be clamped yet
    return tally.counts[threshold.name] + tally.clamped


def _why_not(threshold: Threshold) -> str:
    expected = f"expected {_expected(threshold)}; got "
    if threshold.aggregate == DRIFT:
        return f"{expected}no trend of {threshold.name}: the run was too short for one, or its load changed"
    if threshold.aggregate == RATE:
        return f"{expected}no value: there was nothing of which {threshold.key} could be a share"
    return f"{expected}no value: nothing was measured for {threshold.key}"


def _expected(threshold: Threshold) -> str:
    if threshold.baseline is None:
        return threshold.text
    word, limit = _IN_WORDS[threshold.operator], _shown(threshold.limit, threshold)
    change = threshold.text.partition(BASELINE)[2]
    return f"{word} {limit} ({BASELINE} {_shown(threshold.baseline, threshold)}{change})"


def _shown(value: float, threshold: Threshold) -> str:
    if threshold.aggregate == RATE:
        return f"{value * 100:.6g}%"
    if threshold.aggregate == DRIFT:
        return f"{value * 100:.6g}% an hour"
    return f"{value:.9g}" if threshold.unit == "1" else f"{value:.6g} {threshold.unit}"
