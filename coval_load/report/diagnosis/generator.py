"""What the verdict says of the load generator, and when it fell behind."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from coval_load.engine.worker_health import COORDINATOR, LOST_WITH
from coval_load.report.diagnosis.course import Interval
from coval_load.report.diagnosis.finding import Finding, Severity
from coval_load.report.diagnosis.reading import mapping, message, rows, seconds, text
from coval_load.report.diagnosis.words import between, share
from coval_load.report.units import clock, many

TOLD_ELSEWHERE = ("that were due never began", "by a fault of coval-load", "to be lost with the process that ran it")
"""Reasons of the verdict that the plan's and the errors' own findings tell."""


def generator_findings(summary: Mapping[str, Any], course: Sequence[Interval]) -> Iterator[Finding]:
    """The verdict's reasons, those about workers that were lost by themselves; nothing where the run is valid."""
    generator = mapping(summary.get("generator"))
    verdict, given = text(generator.get("verdict")), generator.get("reasons")
    reasons = [reason for reason in (given if isinstance(given, list) else []) if isinstance(reason, str)]
    reasons = [reason for reason in reasons if not any(part in reason for part in TOLD_ELSEWHERE)]
    if verdict not in ("invalid", "degraded"):
        return
    severity: Severity = "bad" if verdict == "invalid" else "warning"
    can = "the run can't be trusted" if verdict == "invalid" else "trust the run with care"
    lost = [reason for reason in reasons if any(part in reason for part in LOST_WITH)]
    if lost:
        yield _lost(generator, lost, severity, can)
    if late := [message(reason) for reason in reasons if reason not in lost]:
        yield _late(generator, course, late, severity, can)


def _lost(generator: Mapping[str, Any], reasons: Sequence[str], severity: Severity, can: str) -> Finding:
    workers = [row for row in rows(generator.get("workers")) if row.get("name") != COORDINATOR]
    lost = [row for row in workers if row.get("lost") is not None]
    times = [at_s for row in lost if (at_s := seconds(row.get("lost_at_s"))) is not None]
    title = f"{len(lost):,} of {many(len(workers), 'worker')} {'was' if len(lost) == 1 else 'were'} lost: {can}"
    return Finding("generator", severity, title, tuple(map(message, reasons)), from_s=min(times, default=None))


def _late(
    generator: Mapping[str, Any], course: Sequence[Interval], reasons: Sequence[str], severity: Severity, can: str
) -> Finding:
    span = _lagged(generator) or _behind(course)
    return Finding(
        "generator",
        severity,
        f"the load generator fell behind: {can}",
        (*reasons, *([_when(course, span)] if span else [])),
        from_s=span[0] if span else None,
        until_s=span[1] if span else None,
    )


def _lagged(generator: Mapping[str, Any]) -> tuple[float, float] | None:
    from_s, until_s = seconds(generator.get("lagged_from_s")), seconds(generator.get("lagged_until_s"))
    return None if from_s is None or until_s is None else (from_s, until_s)


def _behind(course: Sequence[Interval]) -> tuple[float, float] | None:
    strained = [one for one in course if one.is_strained]
    return (strained[0].from_s, strained[-1].until_s) if strained else None


def _when(course: Sequence[Interval], span: tuple[float, float]) -> str:
    watched = sum(one.until_s - one.from_s for one in course if one.is_watched)
    behind = sum(one.until_s - one.from_s for one in course if one.is_strained)
    words = f"it fell behind {between(*span)}"
    return f"{words}, {clock(behind)} in all ({share(behind, watched)} of the run)" if behind else words
