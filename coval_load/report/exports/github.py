"""A run as GitHub Actions shows it: annotations, and a page of the job's summary.

Workflow commands are lines that begin with `::`, or have `##[` anywhere in them (`ActionCommand.cs` of actions/runner);
what agents say must not be able to give any.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from coval_load.engine import metrics
from coval_load.report.exports.github_page import Finding, Told, page
from coval_load.report.units import many
from coval_load.report.visible import visible

__all__ = ["Finding", "Told", "annotations", "fenced", "inert_json", "is_github", "step_summary", "write_for_github"]

MOST = 10
"""Errors, and warnings, that GitHub shows of one step."""

MOST_BYTES = 1024 * 1024
"""What the file of GITHUB_STEP_SUMMARY may hold; beyond it GitHub shows nothing of it."""

_LONGEST = 1_000
_TITLE = "coval-load"


def is_github(environment: Mapping[str, str]) -> bool:
    """Whether this is a step of a GitHub workflow."""
    return environment.get("GITHUB_ACTIONS") == "true"


def annotations(summary: Mapping[str, Any], run: Mapping[str, Any], diagnosis: Told | None = None) -> Iterator[str]:
    """Workflow commands, one a line without its end: at most ten errors, then at most ten warnings.

    Errors are a run that can't be trusted, one in which nothing was completed, and thresholds that were crossed;
    warnings are one to be trusted with care, the kinds of errors, most often first, and checks that failed.
    `diagnosis`, where there is one, is the first line of all.
    """
    if diagnosis is not None and diagnosis.answer:
        yield _command("notice", f"{_TITLE}: {run['name']}", diagnosis.answer)
    yield from _limited("error", list(_errors(summary)))
    yield from _limited("warning", list(_warnings(summary)))


def _errors(summary: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    found = summary["generator"]
    if found["verdict"] == "invalid":
        yield "the run can't be trusted", "\n".join(found["reasons"])
    elif not summary["counts"][metrics.COMPLETED]:
        yield "no simulation completed", many(summary["counts"][metrics.FAILED], "simulation") + " failed"
    for row in summary.get("thresholds") or []:
        if not row["passed"]:
            yield "threshold crossed", f"{row['metric']} {row['threshold']}: {row.get('reason') or row['value']}"


def _warnings(summary: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    found = summary["generator"]
    if found["verdict"] == "degraded":
        yield "the run can be trusted with care", "\n".join(found["reasons"])
    examples = summary.get("error_examples") or {}
    kinds = sorted(summary["errors"].items(), key=lambda item: -item[1])
    for kind, amount in kinds[: MOST // 2]:
        yield f"{many(amount, 'conversation')} failed: {kind}", str(examples.get(kind) or kind)
    for row in summary.get("checks") or []:
        if row["failed"]:
            title = f"{row['failed']:,} of {row['failed'] + row['passed']:,} failed the check {row['check']}"
            yield title, f"{row['test_case']}: {row.get('example') or row['check']}"


def _limited(command: str, found: list[tuple[str, str]]) -> Iterator[str]:
    shown = found if len(found) <= MOST else found[: MOST - 1]
    for title, message in shown:
        yield _command(command, f"{_TITLE}: {title}", message)
    if len(found) > len(shown):
        yield _command(command, f"{_TITLE}: and {len(found) - len(shown):,} more", "summary.json has all of them")


def _command(command: str, title: str, message: str) -> str:
    return f"::{command} title={_property(_cut(title))}::{_data(_cut(message))}"


def _cut(text: str) -> str:
    shown = _tame(visible(text))
    return shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + "…"


def _tame(text: str) -> str:
    """With `##[` as `## [`: where the runner does not obey it, the page of the log folds and colours by it."""
    return text.replace("##[", "## [")


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def step_summary(summary: Mapping[str, Any], run: Mapping[str, Any], diagnosis: Told | None = None) -> str:
    """The page of the job's summary; see `github_page.page`. At most 1 MiB of UTF-8."""
    return page(summary, run, diagnosis, most_bytes=MOST_BYTES)


def fenced(text: str, token: str) -> str:
    """`text` so that no line of it is a workflow command, and `##[` is `## [`. Nobody may have guessed `token`."""
    lines = text if text.endswith("\n") else f"{text}\n"
    return f"::stop-commands::{token}\n{_tame(lines)}::{token}::\n"


def inert_json(text: bytes) -> bytes:
    """JSON that says the same and has no `##[` in it; no line of JSON begins with `::`."""
    return text.replace(b"##[", b"\\u0023#[")


def write_for_github(
    summary: Mapping[str, Any],
    run: Mapping[str, Any],
    environment: Mapping[str, str],
    stream: TextIO,
    diagnosis: Told | None = None,
) -> None:
    """Annotations to `stream`, and the page to the end of the file that GITHUB_STEP_SUMMARY names.

    Does nothing where this is no step of a workflow. Error handling: nothing is raised; a file that can't be written
    is told on standard error.
    """
    if not is_github(environment):
        return
    _say(stream, "".join(f"{line}\n" for line in annotations(summary, run, diagnosis)))
    name = environment.get("GITHUB_STEP_SUMMARY")
    if not name:
        return
    try:
        _append(Path(name), summary, run, diagnosis)
    except OSError as error:
        reason = visible(error.strerror or str(error))
        _say(sys.stderr, f"expected to write the file of GITHUB_STEP_SUMMARY; got: {reason}\n")


def _append(path: Path, summary: Mapping[str, Any], run: Mapping[str, Any], diagnosis: Told | None) -> None:
    with path.open("ab") as file:
        room = MOST_BYTES - file.tell()
        file.write(page(summary, run, diagnosis, most_bytes=room).encode("utf-8"))


def _say(stream: TextIO, text: str) -> None:
    with suppress(OSError, ValueError):  # whoever read it has gone
        encoding = stream.encoding or "utf-8"
        stream.write(text.encode(encoding, "replace").decode(encoding))
        stream.flush()
