"""Replies of the agent that did not simply complete, errors after which it went on, and connections it ended."""

from collections.abc import Iterator, Mapping
from typing import Any

from coval_load.engine import metrics
from coval_load.report.diagnosis.census import Census
from coval_load.report.diagnosis.finding import Finding
from coval_load.report.diagnosis.reading import amount, mapping, seconds
from coval_load.report.diagnosis.words import share
from coval_load.report.units import duration, many

MANY, MANY_RENEWALS = 0.01, 0.1
"""Of the caller's turns: fewer are left to the counters."""
BAD, BAD_AT_LEAST = 0.1, 3
"""From such a share and so many on it is bad where callers went without an answer."""

TITLES = {
    metrics.REPLIES_FAILED: "replies that failed",
    metrics.REPLIES_INCOMPLETE: "replies that were incomplete",
    metrics.REPLIES_WITHOUT_AUDIO: "replies without audio",
    metrics.REPLIES_CANCELLED: "replies that the agent broke off with no barge-in",
    metrics.AGENT_COMPLAINTS: "errors that the agent reported and went on after",
    metrics.RENEWALS: "connections that were renewed",
}
"""How the title of the finding about a counter begins."""

_ADVICE = {
    metrics.REPLIES_FAILED: "the transcript says of each why, as far as the agent did",
    metrics.REPLIES_INCOMPLETE: "they ended at a limit: look at how many output tokens the agent may take",
    metrics.REPLIES_WITHOUT_AUDIO: "callers heard nothing: look at whether the agent is to answer in text",
    metrics.REPLIES_CANCELLED: "it had begun to reply and then heard the caller: look at its turn detection, which may "
    "take a pause for the end of a turn",
    metrics.AGENT_COMPLAINTS: "they ended nothing; `coval-load check --dial` shows what an agent says",
}
_ENDED = {
    metrics.REPLIES_FAILED: "failed",
    metrics.REPLIES_INCOMPLETE: "incomplete",
    metrics.REPLIES_CANCELLED: "cancelled",
}
"""What an entry of the transcript begins with in `ended`."""
_UNANSWERED = (metrics.REPLIES_INCOMPLETE, metrics.REPLIES_WITHOUT_AUDIO)
"""Callers wait for those in vain; a conversation that failed by a reply that did is among the errors."""


def reply_findings(summary: Mapping[str, Any], census: Census) -> Iterator[Finding]:
    """A finding for each of them that came in many of the turns."""
    turns = amount(mapping(summary.get("counters")).get(metrics.TURNS))
    for name, title in TITLES.items():
        found = _counted(summary, name)
        if not turns or found < turns * (MANY_RENEWALS if name == metrics.RENEWALS else MANY) or not found:
            continue
        is_bad = name in _UNANSWERED and found >= max(BAD * turns, BAD_AT_LEAST)
        yield Finding(
            "agent",
            "bad" if is_bad else "warning",
            f"{title}: {found:,} in {many(turns, 'turn')} ({share(min(found, turns), turns)})",
            tuple(_sentences(summary, name)),
            simulations=tuple(census.ended.get(_ENDED.get(name, ""), ())),
        )


def _counted(summary: Mapping[str, Any], name: str) -> int:
    found = amount(mapping(summary.get("counters")).get(name))
    if name != metrics.REPLIES_CANCELLED:
        return found
    # A barge-in is meant to make the agent break off.
    measured = mapping(summary.get("metrics"))
    barge_ins = (metrics.BARGE_IN_STOP_LATENCY, metrics.INTERRUPT_DETECTED_TIME)
    return max(found - max(amount(mapping(measured.get(one)).get("count")) for one in barge_ins), 0)


def _sentences(summary: Mapping[str, Any], name: str) -> Iterator[str]:
    if name in _ADVICE:
        yield _ADVICE[name]
        return
    took = mapping(mapping(summary.get("metrics")).get(metrics.RENEWAL_TIME))
    p50_s, p95_s = seconds(took.get("p50")), seconds(took.get("p95"))
    told = "" if p50_s is None or p95_s is None else f": {duration(p50_s)} (p50), {duration(p95_s)} (p95)"
    yield f"conversations stand still between two turns while that is done{told}"
