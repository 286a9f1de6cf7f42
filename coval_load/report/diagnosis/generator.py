"""What the verdict says of the load generator, and when it fell behind."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from coval_load.report.diagnosis.course import Interval
from coval_load.report.diagnosis.finding import Finding
from coval_load.report.diagnosis.reading import mapping, message, seconds, text
from coval_load.report.diagnosis.words import between, share
from coval_load.report.units import clock

TOLD_ELSEWHERE = ("that were due never began", "by a fault of coval-load")
"""Reasons of the verdict that the plan's and the errors' own findings tell."""


def generator_findings(summary: Mapping[str, Any], course: Sequence[Interval]) -> Iterator[Finding]:
    """The verdict's reasons; nothing where the run is valid."""
    generator = mapping(summary.get("generator"))
    verdict, given = text(generator.get("verdict")), generator.get("reasons")
    reasons = [message(reason) for reason in (given if isinstance(given, list) else [])]
    reasons = [reason for reason in reasons if not any(part in reason for part in TOLD_ELSEWHERE)]
    if verdict not in ("invalid", "degraded") or not reasons:
        return
    span = _lagged(generator) or _behind(course)
    can = "the run can't be trusted" if verdict == "invalid" else "trust the run with care"
    yield Finding(
        "generator",
        "bad" if verdict == "invalid" else "warning",
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
