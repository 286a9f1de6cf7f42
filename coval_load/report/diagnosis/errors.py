"""One finding for each kind of error: from when on, for whom, at which turn, under which load, and what was said."""

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from coval_load.engine import metrics
from coval_load.engine.labels import NAMES
from coval_load.engine.outcome import NOT_THE_AGENTS, ErrorKind
from coval_load.report.diagnosis.blame import Blame
from coval_load.report.diagnosis.census import CHECKS, Census
from coval_load.report.diagnosis.concentration import concentration
from coval_load.report.diagnosis.finding import About, Finding, Severity
from coval_load.report.diagnosis.load import load_sentence
from coval_load.report.diagnosis.onset import find_onset
from coval_load.report.diagnosis.place import place_sentence
from coval_load.report.diagnosis.reading import amount, message, named, rows
from coval_load.report.diagnosis.words import kind_of, of
from coval_load.report.units import clock, many

RARE = 0.01
"""Where a smaller share failed, and in no part of the run more than elsewhere, it is a warning."""
FEW, RARE_OF_FEW = 3, 0.1
"""The same where fewer conversations failed."""
ALIKE = 0.95
"""Where nothing completed and so many failed with one kind, all failed alike."""
DIED_AT_LEAST = 5
CHECKS_TOLD = 3

_SAID = "most often said: "
_NOT_THE_AGENTS = {
    ErrorKind.INTERNAL: (
        "failed by a fault of coval-load",
        "a fault of coval-load or of this machine, not of the agent: the run is not to be trusted",
    ),
    ErrorKind.WORKER_LOST: (
        "were lost with their worker",
        "the process that ran them was lost, which was not the agent: how they would have gone is not known",
    ),
}
"""What is said of kinds of error that are our own, in the title and below it."""

CONFIGURATION = frozenset(
    {
        ErrorKind.DNS_FAILED,
        ErrorKind.CONNECTION_REFUSED,
        ErrorKind.CONNECT_TIMEOUT,
        ErrorKind.TLS_FAILED,
        ErrorKind.AUTHENTICATION_FAILED,
        ErrorKind.UPGRADE_REFUSED,
        ErrorKind.SETUP_FAILED,
        ErrorKind.HANDSHAKE_INVALID,
        ErrorKind.INVALID_MESSAGE,
    }
)
"""What every conversation fails with where the agent's address, key or options are wrong, or it does not run."""


def error_findings(census: Census, run: Mapping[str, Any], blame: Blame) -> Iterator[Finding]:
    """The kinds of error, those that failed most conversations first."""
    yield from _died(census, blame)
    kinds = [kind for kind in census.kinds if kind != CHECKS]
    for kind in sorted(kinds, key=lambda kind: (-census.whole.failed[kind], kind)):
        yield _finding(census, run, kind, blame)


def check_finding(census: Census, summary: Mapping[str, Any], run: Mapping[str, Any], blame: Blame) -> Finding | None:
    """The conversations with a failed check, together, and the checks that failed most often."""
    if CHECKS not in census.kinds:
        return None
    found = _finding(census, run, CHECKS, blame)
    failing = [row for row in rows(summary.get("checks")) if amount(row.get("failed"))]
    told = tuple(_of_check(row) for row in failing[:CHECKS_TOLD])
    sentences = tuple(sentence for sentence in found.sentences if not sentence.startswith(_SAID))
    return attrs.evolve(found, kind=None, sentences=(*sentences, *told))


def _of_check(row: Mapping[str, Any]) -> str:
    failed = amount(row.get("failed"))
    told = of(failed, failed + amount(row.get("passed")))
    example = message(row.get("example"))
    return f'{named(row.get("check"))} of test case "{named(row.get("test_case"))}": {told}' + (
        f", as in: {example}" if example else ""
    )


def _finding(census: Census, run: Mapping[str, Any], kind: str, blame: Blame) -> Finding:
    failed, settled = census.whole.failed[kind], census.whole.settled
    if kind in _NOT_THE_AGENTS:
        return _ours(census, kind, failed, settled)
    alike = not census.outcomes[metrics.COMPLETED] and failed >= ALIKE * settled and settled > 1
    if alike and kind in CONFIGURATION:
        return _configuration(census, run, kind, failed, settled)
    onset, whose = find_onset(census, kind), concentration(census, kind)
    seen = census.kinds[kind]
    blamed = None if kind == CHECKS else blame.of_error(kind, onset.from_s, onset.until_s)
    sentences = [
        onset.sentence,
        *whose.sentences,
        place_sentence(seen, run, whose.labels.get("test_case")),
        load_sentence(census, kind, onset),
        _said(seen.messages.most_common(1)[0][0]),
        blamed,
    ]
    rare = failed < (RARE_OF_FEW if failed < FEW else RARE) * settled and not onset.words
    severity: Severity = "warning" if rare else "bad"
    title = f"{kind_of(kind)}: {failed:,} of {settled:,} conversations{'' if kind == CHECKS else ' failed'}"
    return Finding(
        about="agent",
        severity=severity,
        title=", ".join(part for part in (title, onset.words) if part),
        sentences=tuple(sentence for sentence in sentences if sentence),
        from_s=onset.from_s,
        until_s=onset.until_s,
        kind=kind,
        labels=whose.labels,
        simulations=_examples(census, kind, whose.labels),
    )


def _examples(census: Census, kind: str, labels: Mapping[str, str]) -> tuple[str, ...]:
    """Of those with all labels, if such were kept, else of all."""
    for key, tally in census.combinations.items():
        fits = all(key[NAMES.index(label)] == value for label, value in labels.items())
        if fits and tally.examples.get(kind):
            return tuple(tally.examples[kind])
    return tuple(census.whole.examples.get(kind, ()))


def _said(words: str) -> str | None:
    return f"{_SAID}{message(words)}" if words else None


def _ours(census: Census, kind: str, failed: int, settled: int) -> Finding:
    said = _said(census.kinds[kind].messages.most_common(1)[0][0])
    title, meaning = _NOT_THE_AGENTS[ErrorKind(kind)]
    sentences = (meaning, *([said] if said else []))
    title = f"{kind}: {failed:,} of {settled:,} conversations {title}"
    return Finding("generator", "bad", title, sentences, kind=kind, simulations=_examples(census, kind, {}))


def _configuration(census: Census, run: Mapping[str, Any], kind: str, failed: int, settled: int) -> Finding:
    seen = census.kinds[kind]
    which = f"all {settled:,}" if failed == settled else f"{failed:,} of {settled:,}"
    where = place_sentence(seen, run, None)
    sentences = (
        "every conversation failed alike from the beginning: look at the agent's configuration, and whether it runs",
        *([said] if (said := _said(seen.messages.most_common(1)[0][0])) else []),
        *([where] if where else []),
    )
    title = f"{kind}: {which} conversations failed, none completed"
    return Finding("plan", "bad", title, sentences, kind=kind, simulations=_examples(census, kind, {}))


def _died(census: Census, blame: Blame) -> Iterator[Finding]:
    """The end of a run in which nothing was completed any more, after something had been."""
    failed, from_s = census.since_completed.total(), census.since_s
    before = census.outcomes[metrics.COMPLETED]
    if from_s is None or failed < DIED_AT_LEAST:
        return
    if not _surely_ended(before, census.outcomes[metrics.FAILED] - failed, failed):
        return
    kinds = census.since_completed.most_common(4)
    told = ", ".join(f"{amount:,} {kind_of(kind)}" for kind, amount in kinds)
    sentences = [
        f"all {many(failed, 'conversation')} that began since then failed: {told}",
        f"{before:,} had completed before",
    ]
    blamed = blame.of_error(kinds[0][0], from_s, None)
    about: About = "generator" if kinds[0][0] in NOT_THE_AGENTS else "agent"
    yield Finding(
        about,
        "bad",
        f"from {clock(from_s)} on no conversation was completed any more",
        (*sentences, *([blamed] if blamed else [])),
        from_s=from_s,
        kind=kinds[0][0] if len(kinds) == 1 else None,
        simulations=tuple(census.since_examples),
    )


def _surely_ended(completed: int, failed_before: int, failed_after: int) -> bool:
    """Whether so many failures in a row are more than the share that failed before gives."""
    share = (failed_before + 1) / (completed + failed_before + 2)
    return bool(share**failed_after < 1e-4)
