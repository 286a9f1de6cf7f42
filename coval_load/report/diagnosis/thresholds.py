"""Thresholds that were crossed, each with the finding that explains it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from coval_load.engine import metrics
from coval_load.report.diagnosis.finding import Finding
from coval_load.report.diagnosis.reading import message, named, number, rows, text
from coval_load.report.diagnosis.replies import TITLES
from coval_load.report.summary_parts.thresholds import came

MOST = 20

_NOT_BEGUN = (metrics.DROPPED, metrics.NEVER_STARTED, metrics.STARTED, metrics.QUEUED, metrics.QUEUE_TIME)
_ERRORS = (metrics.FAILED, metrics.COMPLETED, metrics.CANCELLED)


def threshold_findings(
    summary: Mapping[str, Any], found: Sequence[Finding], checks: Finding | None, latency: Sequence[Finding]
) -> Iterator[Finding]:
    """A finding for each crossed one; `checks` and `latency` are those of `found` about checks and latencies."""
    crossed = [row for row in rows(summary.get("thresholds")) if row.get("passed") is False]
    for row in crossed[:MOST]:
        metric = text(row.get("metric"))
        why = _explains(metric, found, checks, latency)
        sentences = [_said(row)]
        sentences.append(f"see: {why.title}" if why else "nothing else that stands out in the run explains it")
        yield Finding(
            about=why.about if why else "agent" if number(row.get("value")) is not None else "run",
            severity="bad",
            title=f"threshold crossed: {named(metric, 36)} {named(row.get('threshold'), 24)}",
            sentences=tuple(sentence for sentence in sentences if sentence),
            from_s=why.from_s if why else None,
            until_s=why.until_s if why else None,
            kind=why.kind if why else None,
            labels=why.labels if why else {},
            simulations=why.simulations if why else (),
        )


def _said(row: Mapping[str, Any]) -> str:
    if number(row.get("value")) is None or not isinstance(row.get("unit"), str) or row.get("baseline") is not None:
        return message(row.get("reason"))
    return message(
        f"expected {text(row.get('threshold'))}; got {came({**row, 'threshold': text(row.get('threshold'))})}"
    )


def _explains(
    metric: str, found: Sequence[Finding], checks: Finding | None, latency: Sequence[Finding]
) -> Finding | None:
    name, _, labels = metric.partition("{")
    if name in (metrics.CHECKS_FAILED, metrics.CHECKS_PASSED):
        return checks
    if name in TITLES:
        return next((one for one in found if one.title.startswith(TITLES[name])), None)
    if name in _NOT_BEGUN:
        return next((one for one in found if one.about == "plan" and one.kind is None), None)
    if name in _ERRORS:
        of_errors = [one for one in found if one.kind is not None]
        asked = next((one for one in of_errors if f"kind={one.kind}" in labels), None)
        return asked or ("kind=" not in labels and next(iter(of_errors), None)) or None
    if name in metrics.METRICS:
        asked = next((one for one in latency if any(f"{n}={v}" in labels for n, v in one.labels.items())), None)
        return asked or next(iter(latency), None)
    return None
