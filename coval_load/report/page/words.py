"""What the page says in words before anything else: how the run ended, and whether it can be trusted."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

import attrs

from coval_load.engine import metrics
from coval_load.report.diagnosis.finding import Finding
from coval_load.report.summary_parts.text import percent
from coval_load.report.units import clock, duration, many
from coval_load.report.visible import visible

_EXITED = {
    None: ("warn", "The run did not end", "it was killed, or still goes on: what is here is made from what it left"),
    0: ("good", "All well", "exit code 0: it ran to its end and no threshold was crossed"),
    1: ("bad", "A fault of coval-load", "exit code 1: coval-load itself failed"),
    2: ("bad", "The run could not begin", "exit code 2: the plan, the agent or the command line is wrong"),
    3: ("bad", "No simulation completed", "exit code 3: not one conversation came to its end"),
    97: ("bad", "A worker was lost", "exit code 97: a process of the run was lost, and its conversations with it"),
    98: ("bad", "The generator was the bottleneck", "exit code 98: what went wrong need not have been the agent"),
    99: ("bad", "A threshold was crossed", "exit code 99: the agent did not keep to what the plan asks for"),
    130: ("warn", "The run was interrupted", "exit code 130: somebody stopped it before it was over"),
}
_TRUSTED = {
    "valid": ("good", "The numbers can be trusted", "the generator kept its pace"),
    "degraded": ("warn", "The numbers can be trusted with care", "the generator was not always on time"),
    "invalid": ("bad", "The numbers can't be trusted", "the generator was part of what was measured"),
}
_ENDS = (metrics.COMPLETED, metrics.FAILED, metrics.CANCELLED, metrics.DROPPED, metrics.NEVER_STARTED)
_BAD_ENDS = {metrics.FAILED: "bad", metrics.DROPPED: "warn", metrics.NEVER_STARTED: "warn"}


@attrs.frozen
class Told:
    """A headline, what it means, and what it rests on; `level` is `good`, `warn` or `bad`."""

    level: str
    headline: str
    meaning: str
    reasons: tuple[str, ...] = ()


@attrs.frozen
class Count:
    """How many simulations ended in a way; `share` says of what it is one."""

    name: str
    amount: int
    share: str
    level: str


def outcome(summary: Mapping[str, Any], run: Mapping[str, Any]) -> Told:
    """How the run ended, by its exit code."""
    code = run.get("exit_code")
    level, headline, meaning = _EXITED.get(code, ("bad", f"Exit code {code}", "not one that this version knows"))
    failed = summary["counts"][metrics.FAILED]
    if code == 0 and failed:
        level, headline = "warn", "It ran to its end, and not every conversation did"
        meaning += f"; {many(failed, 'conversation')} failed, which no threshold forbids"
    return Told(level, headline, meaning)


def trust(summary: Mapping[str, Any]) -> Told:
    """The verdict on the generator, the pace it kept, and why it is not better."""
    found = summary["generator"]
    level, headline, meaning = _TRUSTED.get(found["verdict"], ("warn", str(found["verdict"]), ""))
    if found["verdict"] == "valid" and not summary["counts"][metrics.COMPLETED]:
        level, headline, meaning = (
            "warn",
            "There is little to trust",
            "no simulation completed; the generator was not why",
        )
    pace = ", ".join(_pace(found, summary["metrics"]))
    return Told(level, headline, f"{meaning}: {pace}" if pace else meaning, tuple(found["reasons"]))


def _pace(found: Mapping[str, Any], measured: Mapping[str, Any]) -> Iterator[str]:
    if metrics.SEND_LATENESS in measured:
        yield f"frames left {duration(measured[metrics.SEND_LATENESS]['p99'])} late (p99)"
    if metrics.LOOP_LAG in measured:
        yield f"it woke {duration(measured[metrics.LOOP_LAG]['p99'])} late (p99)"
    if found.get("cpu_share") is not None:
        most = "most " if found.get("workers") else ""
        yield f"CPU at {most}{found['cpu_share']:.0%} of one core"


def counts(summary: Mapping[str, Any]) -> list[Count]:
    """How simulations ended; completed and failed ones are always told, with the share that `rate` of thresholds is."""
    found = summary["counts"]
    ended = found[metrics.COMPLETED] + found[metrics.FAILED]
    shown = [name for name in _ENDS if found.get(name) or name in (metrics.COMPLETED, metrics.FAILED)]
    of_ended, of_due = (ended, "of those that ended"), (found[metrics.OFFERED], "of those due")
    of = {metrics.COMPLETED: of_ended, metrics.FAILED: of_ended}
    return [_count(name, found.get(name, 0), *of.get(name, of_due)) for name in shown]


def _count(name: str, amount: int, whole: int, words: str) -> Count:
    level = _BAD_ENDS.get(name, "") if amount else ""
    return Count(name.replace("_", " "), amount, f"{percent(amount / whole)} {words}" if whole else "", level)


def when(run: Mapping[str, Any]) -> str:
    """`2026-03-04 12:00:00 UTC, for 3m05s`."""
    started = datetime.fromisoformat(run["started"])
    said = f"{started:%Y-%m-%d %H:%M:%S} UTC"
    if run.get("ended"):
        said += f", for {clock((datetime.fromisoformat(run['ended']) - started).total_seconds())}"
    return said


_LABELS = ("agent", "test_case", "scenario", "persona")


def choice(finding: Finding) -> str:
    """What follows `#` in a link to the conversations that a finding is about; empty where it names none."""
    chosen = {"kind": finding.kind} if finding.kind else {}
    chosen |= {name: value for name, value in finding.labels.items() if name in _LABELS}
    if chosen and finding.from_s is not None:
        chosen["from"] = f"{finding.from_s:.3f}"
    if chosen and finding.until_s is not None:
        chosen["until"] = f"{finding.until_s:.3f}"
    return urlencode({name: visible(value) for name, value in chosen.items()}, quote_via=quote)
