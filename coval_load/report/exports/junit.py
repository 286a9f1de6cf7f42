"""A run as JUnit XML: what Jenkins, GitLab and others show as tests.

Elements and attributes keep to the two schemas in use, that of Jenkins' xUnit plugin (`junit-10.xsd`) and the stricter
`JUnit.xsd` of Windy Road, but for the totals on `testsuites`, which only the first one has.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from xml.etree import ElementTree as Xml

import attrs

from coval_load.engine import metrics
from coval_load.engine.run_folder import slug
from coval_load.report.exports.test_case_tally import MOST, CaseTally, Example, TestCases
from coval_load.report.units import many
from coval_load.report.visible import visible

__all__ = ["TestCases", "junit_xml", "xml_text"]

_PERCENTILES = ("p50", "p95", "p99")
_LONGEST_TITLE = 500
_NOT_IN_XML = re.compile("[\ufffe\uffff]")


@attrs.frozen
class _Case:
    """A test case of XML. `bad` is None where it passed, or the element `failure`, `error` or `skipped`."""

    name: str
    seconds: float = 0.0
    bad: str | None = None
    kind: str = ""
    message: str = ""
    body: str = ""


def junit_xml(summary: Mapping[str, Any], run: Mapping[str, Any], cases: TestCases) -> bytes:
    """The suites `thresholds`, `test cases` and `generator`, as UTF-8.

    `summary` and `run` are what `summary.json` and `run.json` hold; `cases` has seen every row. A suite that would be
    empty is left out. Text is shown with `visible`, as XML 1.0 (section 2.2) has no control characters.
    """
    suites = {
        "thresholds": [_threshold(row) for row in summary.get("thresholds") or []],
        "test cases": [_test_case(name, tally) for name, tally in _all_cases(run, cases)],
        "generator": [_generator(summary["generator"])],
    }
    told = [(name, found) for name, found in suites.items() if found]
    root = Xml.Element(
        "testsuites", {"name": xml_text(run["name"]), **_totals(one for _, found in told for one in found)}
    )
    for number, (name, found) in enumerate(told):
        suite = _suite(root, number, name, found, run)
        _properties(suite, summary, run)
        for one in found:
            _add(suite, one, f"{slug(run['name'])}.{slug(name)}")
        Xml.SubElement(suite, "system-out").text = _said(summary) if name == "generator" else None
        Xml.SubElement(suite, "system-err")
    Xml.indent(root)
    return bytes(Xml.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def xml_text(text: object) -> str:
    """`text` as it may stand in XML 1.0: every letter is one of its `Char`, or told by its code point."""
    return _NOT_IN_XML.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", visible(str(text)))


def _totals(cases: Iterable[_Case]) -> dict[str, str]:
    found = list(cases)
    bad = [one.bad for one in found]
    return {
        "tests": str(len(found)),
        "failures": str(bad.count("failure")),
        "errors": str(bad.count("error")),
        "time": f"{sum(one.seconds for one in found):.3f}",
    }


def _suite(root: Xml.Element, number: int, name: str, cases: list[_Case], run: Mapping[str, Any]) -> Xml.Element:
    return Xml.SubElement(
        root,
        "testsuite",
        {
            "name": name,
            "package": "coval-load",
            "id": str(number),
            "timestamp": str(run["started"])[: len("2026-03-04T12:00:00")],  # the schema has no fraction and no zone
            "hostname": "localhost",
            "skipped": str(sum(one.bad == "skipped" for one in cases)),
            **_totals(cases),
        },
    )


def _properties(suite: Xml.Element, summary: Mapping[str, Any], run: Mapping[str, Any]) -> None:
    found: dict[str, object] = {name: run.get(name) for name in ("run_id", "started", "ended", "exit_code")}
    found["generator.verdict"] = summary["generator"]["verdict"]
    # Named by where the same number stands in summary.json.
    found |= {f"counts.{name}": amount for name, amount in summary["counts"].items()}
    latency = summary["metrics"].get(metrics.RESPONSE_LATENCY) or {}
    found |= {f"metrics.{metrics.RESPONSE_LATENCY}.{name}": latency.get(name) for name in _PERCENTILES}
    element = Xml.SubElement(suite, "properties")
    for name, value in found.items():
        if value is not None:
            Xml.SubElement(element, "property", {"name": xml_text(name), "value": xml_text(value)})


def _add(suite: Xml.Element, case: _Case, class_name: str) -> None:
    named = {"name": xml_text(case.name), "classname": class_name, "time": f"{case.seconds:.3f}"}
    element = Xml.SubElement(suite, "testcase", named)
    if case.bad is None:
        return
    message = {"message": xml_text(case.message)[:_LONGEST_TITLE]}
    told = message if case.bad == "skipped" else message | {"type": xml_text(case.kind)}
    Xml.SubElement(element, case.bad, told).text = xml_text(case.body) or None


def _threshold(row: Mapping[str, Any]) -> _Case:
    name = f"{row['metric']} {row['threshold']}"
    if row["passed"]:
        return _Case(name)
    reason = str(row.get("reason") or f"expected {row['threshold']}; got {row['value']}")
    stopped = "\nthe run was stopped for it" if row.get("aborted") else ""
    return _Case(name, 0.0, "failure", "threshold", reason, f"{name}: {reason}{stopped}")


def _generator(found: Mapping[str, Any]) -> _Case:
    name = "the run can be trusted"
    if found["verdict"] != "invalid":
        return _Case(name)
    reasons = [str(reason) for reason in found["reasons"]]
    message = f"the run can't be trusted: {reasons[0] if reasons else 'the generator was the bottleneck'}"
    return _Case(name, 0.0, "error", "invalid", message, "\n".join(reasons))


def _said(summary: Mapping[str, Any]) -> str | None:
    """What a reader should know of a run that passed with care."""
    found = summary["generator"]
    reasons = [f"{found['verdict']}: {reason}" for reason in found["reasons"]]
    notes = [f"note: {note}" for note in summary.get("notes") or []]
    return xml_text("\n".join([*reasons, *notes])) or None


def _all_cases(run: Mapping[str, Any], cases: TestCases) -> Iterator[tuple[str, CaseTally]]:
    """Those of the plan in its order, then what rows have besides."""
    planned = list(_planned(run["plan"]))[:MOST]
    for name in dict.fromkeys((*planned, *cases.cases)):
        yield name, cases.cases.get(name) or CaseTally()


def _planned(plan: Mapping[str, Any]) -> Iterator[str]:
    for section in (plan, *(plan.get("scenarios") or ())):
        for case in section.get("test_set") or ():
            if isinstance(case, Mapping):
                yield str(case.get("id"))


def _test_case(name: str, tally: CaseTally) -> _Case:
    shown = name or "(no test case)"
    if not tally.ended:
        cut_off = f"; {many(tally.cancelled, 'conversation')} cut off" if tally.cancelled else ""
        return _Case(shown, 0.0, "skipped", message=f"no conversation with it ended{cut_off}")
    if not tally.failed and not tally.failed_checks:
        return _Case(shown, tally.mean_s)
    kinds, checks = _most_first(tally.errors), _most_first(tally.failed_checks)
    said = []
    if kinds:
        counted = ", ".join(f"{kind} {example.amount:,}" for kind, example in kinds)
        said.append(f"{tally.failed:,} of {many(tally.ended, 'conversation')} failed: {counted}")
    if checks:
        amount = sum(example.amount for _, example in checks)
        said.append(f"{amount:,} of {many(tally.judged_checks, 'check')} failed")
    body = [*(_told("error", *one) for one in kinds), *(_told("check", *one) for one in checks)]
    return _Case(shown, tally.mean_s, "failure", kinds[0][0] if kinds else "check", "; ".join(said), "\n".join(body))


def _most_first(found: Mapping[str, Example]) -> list[tuple[str, Example]]:
    return sorted(found.items(), key=lambda item: -item[1].amount)


def _told(what: str, name: str, example: Example) -> str:
    where = f"first in {example.simulation_output_id}"
    return f"{what} {name} ({example.amount:,}, {where}): {example.message}"
