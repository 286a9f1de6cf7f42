"""The page of a job's summary: Markdown whose every block is HTML of few tags, as no letter of that is Markdown's."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Any, Protocol

from coval_load.engine import metrics
from coval_load.report.summary_parts.thresholds import figure
from coval_load.report.units import duration, many
from coval_load.report.visible import visible

MOST_ROWS = 50

_COLUMNS = ("p50", "p95", "p99", "max")
_LONGEST = 500
_VERDICTS = {
    "valid": "this run can be trusted",
    "degraded": "this run can be trusted with care",
    "invalid": "this run can't be trusted",
}
# GitHub makes links of addresses, of @names, of #12 and owner/name#12, and of what may be a commit, but in code.
_MAY_LINK = re.compile(r"\S*(?:[@#/]|www\.|\b[0-9a-f]{7,40}\b)\S*", re.IGNORECASE)


class Finding(Protocol):
    """One thing that was found out about a run."""

    @property
    def title(self) -> str:
        """In a few words."""

    @property
    def sentences(self) -> Sequence[str]:
        """What it is known by."""

    @property
    def severity(self) -> object:
        """How bad it is."""


class Told(Protocol):
    """What a run means, in words."""

    @property
    def answer(self) -> str:
        """In one sentence."""

    @property
    def findings(self) -> Sequence[Finding]:
        """One by one."""


def page(summary: Mapping[str, Any], run: Mapping[str, Any], diagnosis: Told | None, *, most_bytes: int) -> str:
    """Verdict, diagnosis, thresholds, metrics, checks and errors; a part without anything to say is left out.

    Blocks that would go beyond `most_bytes` of UTF-8 are left out whole. Whatever an agent, a plan or a run may be
    called or have said stands in `code`, which GitHub makes no links in, with `visible` and escaped.
    """
    written: list[str] = []
    room = most_bytes
    for block in _blocks(summary, run, diagnosis):
        text = f"{block}\n\n"
        room -= len(text.encode("utf-8"))
        if room < 0:
            break
        written.append(text)
    return "".join(written)


def _blocks(summary: Mapping[str, Any], run: Mapping[str, Any], diagnosis: Told | None) -> Iterator[str]:
    yield f"<h2>coval-load: {_code(run['name'])}</h2>"
    yield from _headline(summary)
    if diagnosis is not None:
        yield from _diagnosed(diagnosis)
    yield from _table("Thresholds", ("", "threshold", "came"), map(_threshold, summary.get("thresholds") or []))
    measured = (_metric(name, summary["metrics"][name]) for name in _measured(summary["metrics"]))
    yield from _table("Metrics", ("", "count", *_COLUMNS), measured)
    failing = (_check(row) for row in summary.get("checks") or [] if row["failed"])
    yield from _table("Checks that failed", ("failed", "of", "test case", "check", "first"), failing)
    yield from _table("Errors", ("conversations", "kind", "first message"), _errors(summary))
    yield from _list([_prose(note) for note in summary.get("notes") or []])


def _measured(found: Iterable[str]) -> list[str]:
    """What is an agent's, `response_latency` first; of twins only that of this one."""
    first = (metrics.RESPONSE_LATENCY, metrics.scheduled(metrics.RESPONSE_LATENCY))
    left_out = {*metrics.OF_THE_GENERATOR, *(metrics.scheduled(name) for name in metrics.TWINNED)} - {*first}
    return sorted((name for name in found if name not in left_out), key=lambda name: name not in first)


def _headline(summary: Mapping[str, Any]) -> Iterator[str]:
    counts = summary["counts"]
    ended = [many(counts[metrics.COMPLETED], "simulation") + " completed"]
    ended += [
        f"{counts[name]:,} {name}" for name in (metrics.FAILED, metrics.CANCELLED, metrics.DROPPED) if counts.get(name)
    ]
    rows = summary.get("thresholds") or []
    held = f"; {sum(bool(row['passed']) for row in rows):,} of {many(len(rows), 'threshold')} held" if rows else ""
    found = summary["generator"]
    yield f"<p><strong>{', '.join(ended)}{held}; {_VERDICTS[found['verdict']]}</strong></p>"
    yield from _list([_prose(reason) for reason in found["reasons"]])


def _diagnosed(diagnosis: Told) -> Iterator[str]:
    yield f"<p>{_prose(diagnosis.answer)}</p>"
    for finding in diagnosis.findings[:MOST_ROWS]:
        told = " ".join(str(sentence) for sentence in finding.sentences)
        yield f"<p><strong>{_prose(finding.title)}</strong> {_prose(told)}</p>"


def _threshold(row: Mapping[str, Any]) -> tuple[str, ...]:
    word = "held" if row["passed"] else "<strong>crossed</strong>"
    value, reason = row["value"], row.get("reason") or "nothing was measured for it"
    came = escape(figure(value, row["unit"], row["threshold"])) if value is not None else _prose(reason)
    return word, _code(f"{row['metric']} {row['threshold']}"), came


def _metric(name: str, entry: Mapping[str, Any]) -> tuple[str, ...]:
    return _code(name), f"{entry['count']:,}", *(duration(entry[column]) for column in _COLUMNS)


def _check(row: Mapping[str, Any]) -> tuple[str, ...]:
    amount = row["failed"] + row["passed"]
    told = _code(row["test_case"]), _code(row["check"]), _code(row.get("example") or "")
    return f"{row['failed']:,}", f"{amount:,}", *told


def _errors(summary: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    examples = summary.get("error_examples") or {}
    for kind, amount in sorted(summary["errors"].items(), key=lambda item: -item[1]):
        yield f"{amount:,}", _code(kind), _code(examples.get(kind) or "")


def _table(title: str, heads: Iterable[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    found = list(rows)
    if not found:
        return
    lines = [_row("th", heads), *(_row("td", row) for row in found[:MOST_ROWS])]
    yield f"<h3>{title}</h3>"
    yield "\n".join(["<table>", *lines, "</table>"])
    if len(found) > MOST_ROWS:
        yield f"<p>and {len(found) - MOST_ROWS:,} more (summary.json has all)</p>"


def _row(tag: str, cells: Iterable[str]) -> str:
    return "<tr>" + "".join(f"<{tag}>{cell}</{tag}>" for cell in cells) + "</tr>"


def _list(items: Sequence[str]) -> Iterator[str]:
    if items:
        yield "<ul>" + "".join(f"<li>{item}</li>" for item in items[:MOST_ROWS]) + "</ul>"


def _shown(text: object) -> str:
    # A blank line would end the block of HTML, and what follows it would be Markdown.
    shown = visible(str(text)).replace("\n", "␊").replace("\t", " ")
    return shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + "…"


def _code(text: object) -> str:
    shown = _shown(text)
    return f"<code>{escape(shown)}</code>" if shown.strip() else ""


def _prose(text: object) -> str:
    """A sentence of ours with words of others in it: what GitHub might make a link of is set as code."""
    shown, told, end = _shown(text), [], 0
    for found in _MAY_LINK.finditer(shown):
        told += [escape(shown[end : found.start()]), f"<code>{escape(found[0])}</code>"]
        end = found.end()
    return "".join([*told, escape(shown[end:])])
