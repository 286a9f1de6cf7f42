"""Whether the load was what the plan says, and whether the run came to its end."""

from collections.abc import Iterator, Mapping
from typing import Any

from coval_load.engine import metrics
from coval_load.engine.verdict import NOT_STARTED_DEGRADED
from coval_load.report.diagnosis.finding import Finding
from coval_load.report.diagnosis.reading import amount, mapping, message
from coval_load.report.diagnosis.words import share
from coval_load.report.units import many

MISSING_BAD = 0.1
"""Of the simulations that were due: less than nine tenths of a load is another load."""

_HELD_BACK, _NOT_OVER = "held others back", "were not over when the duration and the grace period"
_INTERRUPTED, _STOPPED = "the run was interrupted", "the run was stopped"


def plan_findings(summary: Mapping[str, Any]) -> Iterator[Finding]:
    """What was due and never began, what limits held back, and what the end cut off."""
    counts, said = mapping(summary.get("counts")), notes(summary)
    due = amount(counts.get(metrics.OFFERED))
    dropped, never = amount(counts.get(metrics.DROPPED)), amount(counts.get(metrics.NEVER_STARTED))
    limits = [note for note in said if _HELD_BACK in note]
    if due and dropped + never > NOT_STARTED_DEGRADED * due:
        told = f"{dropped:,} were dropped and {never:,} still waited at the end, as the cap or the agent's limit held"
        yield Finding(
            "plan",
            "bad" if dropped + never > MISSING_BAD * due else "warning",
            f"the load was less than the plan says: {share(dropped + never, due)} never began",
            (f"of {many(due, 'simulation')} due {told} them back: raise load.concurrency or limits.per_agent", *limits),
        )
    elif limits:
        yield Finding("plan", "warning", "an agent's limit held conversations back", tuple(limits))
    cut_off = [note for note in said if _NOT_OVER in note]
    if cut_off:
        cancelled = max(amount(counts.get(metrics.CANCELLED)) - never, 0)
        title = f"the end of the run cut off {many(cancelled, 'conversation')}"
        yield Finding("plan", "warning", title, tuple(cut_off))


def run_findings(summary: Mapping[str, Any], run: Mapping[str, Any]) -> Iterator[Finding]:
    """A run that has no end, or was ended early."""
    for note in notes(summary):
        if note.startswith((_INTERRUPTED, _STOPPED)):
            stopped = note.startswith(_STOPPED)
            yield Finding("run", "bad" if stopped else "warning", _STOPPED if stopped else _INTERRUPTED, (note,))
    if run.get("started") and not run.get("ended"):
        yield Finding("run", "warning", "the run has no end: it goes on still, or was killed")


def notes(summary: Mapping[str, Any]) -> list[str]:
    """Those of the summary, as they may be shown."""
    given = summary.get("notes")
    return [message(note) for note in given if isinstance(note, str)] if isinstance(given, list) else []
