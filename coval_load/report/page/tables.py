"""The tables that are written by the server's side of the page: rows of plain text, with what a hover adds."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs

from coval_load.engine import metrics
from coval_load.report.summary_parts.text import percent
from coval_load.report.summary_parts.thresholds import figure
from coval_load.report.units import duration

COLUMNS = ("min", "mean", "p50", "p90", "p95", "p99", "p99.9", "max")

_FIRST = (metrics.RESPONSE_LATENCY, metrics.scheduled(metrics.RESPONSE_LATENCY), metrics.TTFT, metrics.TTFB_AUDIO)
Near = Mapping[str, Mapping[str, Any]]

_OF_GENERATOR = (metrics.SEND_LATENESS, metrics.LOOP_LAG, metrics.START_LATENESS, metrics.GC_PAUSE)


@attrs.frozen
class Cell:
    """A value as it is read, exactly, and the simulation near it that can be looked at."""

    shown: str
    exact: str = ""
    simulation: str | None = None


@attrs.frozen
class MetricRow:
    """One metric: its definition, how often it was measured, and a cell for each of `COLUMNS`."""

    name: str
    definition: str
    count: int
    cells: tuple[Cell, ...]


@attrs.frozen
class ThresholdRow:
    """One threshold and what came of it."""

    metric: str
    threshold: str
    held: bool
    value: str
    aborted: bool


def metric_rows(summary: Mapping[str, Any], near: Mapping[str, Near]) -> list[MetricRow]:
    """Every metric, what people ask for first at the top and the generator's own at the end.

    `near` is as in `Contents`.
    """
    measured = summary["metrics"]
    known = [name for name in metrics.METRICS if name in measured]
    known += [name for name in measured if name not in metrics.METRICS]
    first = [name for name in _FIRST if name in known]
    last = [name for name in _OF_GENERATOR if name in known]
    middle = [name for name in known if name not in first and name not in last]
    return [_metric_row(name, measured[name], near.get(name, {})) for name in (*first, *middle, *last)]


def _metric_row(name: str, row: Mapping[str, Any], near: Near) -> MetricRow:
    known = metrics.METRICS.get(name)
    cells = tuple(
        Cell(duration(row.get(key)), exact(row.get(key)), near[key]["id"] if key in near else None) for key in COLUMNS
    )
    return MetricRow(name, known.definition if known else "", row["count"], cells)


def exact(seconds: float | None) -> str:
    """`0.348159 s`."""
    return "" if seconds is None else f"{seconds!r} s"


def counter_rows(summary: Mapping[str, Any]) -> list[tuple[str, int, str]]:
    """Each counter that moved: name, value and definition."""
    return [
        (name, value, metrics.COUNTERS[name].definition if name in metrics.COUNTERS else "")
        for name, value in summary["counters"].items()
        if value
    ]


def threshold_rows(summary: Mapping[str, Any]) -> list[ThresholdRow]:
    """Those that were crossed first."""
    rows = [
        ThresholdRow(row["metric"], row["threshold"], bool(row["passed"]), _came(row), bool(row.get("aborted")))
        for row in summary.get("thresholds") or []
    ]
    return sorted(rows, key=lambda row: row.held)


def _came(row: Mapping[str, Any]) -> str:
    if row["value"] is not None:
        return figure(row["value"], row["unit"], row["threshold"])
    reason = str(row.get("reason") or "nothing was measured for it")
    return reason.removeprefix(f"expected {row['threshold']}; got ")


@attrs.frozen
class GroupRow:
    """One agent or scenario."""

    name: str
    completed: int
    failed: int
    share_failed: str
    worst: str
    cells: tuple[Cell, ...]


GROUP_COLUMNS = ("p50", "p95", "p99", "max")


def group_rows(groups: Mapping[str, Any]) -> list[GroupRow]:
    """Agents or scenarios with their `response_latency`; none where there is only one."""
    return [_group_row(name, group) for name, group in groups.items()] if len(groups) > 1 else []


def _group_row(name: str, group: Mapping[str, Any]) -> GroupRow:
    completed, failed = group["counts"][metrics.COMPLETED], group["counts"][metrics.FAILED]
    ended = completed + failed
    worst = max(group["errors"].items(), key=lambda item: item[1], default=("", 0))[0]
    latency = group.get("response_latency") or {}
    cells = tuple(Cell(duration(latency.get(key)), exact(latency.get(key))) for key in GROUP_COLUMNS)
    return GroupRow(name, completed, failed, percent(failed / ended) if ended else "", worst, cells)


@attrs.frozen
class ErrorRow:
    """One kind of error: how often, its share of those that ended, and its first message."""

    kind: str
    amount: int
    share: str
    example: str


def error_rows(summary: Mapping[str, Any]) -> list[ErrorRow]:
    """The most frequent first."""
    ended = summary["counts"][metrics.COMPLETED] + summary["counts"][metrics.FAILED] or 1
    found = sorted(summary["errors"].items(), key=lambda item: -item[1])
    examples = summary.get("error_examples") or {}
    return [
        ErrorRow(kind, amount, percent(min(1.0, amount / ended)), examples.get(kind) or "") for kind, amount in found
    ]


def failed_checks(summary: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Those that failed, the most frequent first."""
    return [row for row in summary.get("checks") or [] if row["failed"]]


def changes(summary: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The sentences on drift, and `grew`, `fell` or `steady`; what is too short to tell is left out."""
    rows: Sequence[Mapping[str, Any]] = summary.get("drift") or []
    yield from ((row["verdict"], row["sentence"]) for row in rows if row["verdict"] != "too_short")
