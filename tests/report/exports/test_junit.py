"""JUnit XML: what other tools' schemas ask for, and any text that comes back as it was shown."""

import re
from xml.etree import ElementTree

import pytest
from exported import ANY_TEXT, HOSTILE, row, sample_run, sample_summary
from hypothesis import example, given
from hypothesis import strategies as st

from coval_load.report.exports import junit, test_case_tally
from coval_load.report.visible import visible

NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")
SUITE = {"name", "package", "id", "timestamp", "hostname", "tests", "failures", "errors", "skipped", "time"}
BAD = {"failure": {"message", "type"}, "error": {"message", "type"}, "skipped": {"message"}}


def exported(summary=None, run=None, rows=()):
    cases = junit.TestCases()
    for number, one in enumerate(rows):
        cases.add(one, number)
    root = ElementTree.fromstring(junit.junit_xml(summary or sample_summary(), run or sample_run(), cases))
    keeps_to_the_schemas(root)
    return root


def keeps_to_the_schemas(root):
    """What both schemas (`junit-10.xsd` of Jenkins' xUnit plugin, Windy Road's `JUnit.xsd`) ask for and allow."""
    assert root.tag == "testsuites"
    assert set(root.attrib) == {"name", "tests", "failures", "errors", "time"}
    for number, suite in enumerate(root):
        assert (suite.tag, set(suite.attrib), suite.get("id")) == ("testsuite", SUITE, str(number))
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", suite.get("timestamp"))
        tags = [element.tag for element in suite]
        cases = suite.findall("testcase")
        assert tags == ["properties", *["testcase"] * len(cases), "system-out", "system-err"]
        for element in suite.find("properties"):
            assert (element.tag, set(element.attrib)) == ("property", {"name", "value"})
        for case in cases:
            assert set(case.attrib) == {"name", "classname", "time"}
            assert len(case) <= 1
            assert all(set(bad.attrib) == BAD[bad.tag] for bad in case)
        counted = {bad: str(sum(case.find(bad) is not None for case in cases)) for bad in BAD}
        told = (suite.get("tests"), suite.get("failures"), suite.get("errors"), suite.get("skipped"))
        assert told == (str(len(cases)), counted["failure"], counted["error"], counted["skipped"])
    for element in root.iter():
        if "time" in element.attrib:
            assert NUMBER.fullmatch(element.get("time"))
    for total in ("tests", "failures", "errors"):
        assert int(root.get(total)) == sum(int(suite.get(total)) for suite in root)


def case_of(root, name):
    (found,) = (case for case in root.iter("testcase") if case.get("name") == name)
    return found


def suite_of(root, name):
    (found,) = (suite for suite in root if suite.get("name") == name)
    return found


def test_a_test_case_fails_with_its_kinds_of_errors_first_messages_and_ids():
    errors = [("no_response", "No response received"), ("no_response", "later"), ("connection_closed", "gone")]
    rows = [row(number, error=error) for number, error in enumerate(errors)] + [row(number) for number in range(3, 468)]
    failure = case_of(exported(rows=rows), "order-a-pizza").find("failure")
    assert failure.get("message") == "3 of 468 conversations failed: no_response 2, connection_closed 1"
    assert failure.get("type") == "no_response"
    assert failure.text.splitlines() == [
        "error no_response (2, first in id-0): No response received",
        "error connection_closed (1, first in id-2): gone",
    ]


def test_a_test_case_fails_by_a_check_alone():
    check = {"name": "says pizza", "passed": False, "message": 'expected "pizza"; got "Sorry?"'}
    rows = [row(0, checks=[check, {"name": "short", "passed": True}]), row(1, checks=[check | {"passed": True}])]
    failure = case_of(exported(rows=rows), "order-a-pizza").find("failure")
    assert (failure.get("message"), failure.get("type")) == ("1 of 3 checks failed", "check")
    assert failure.text == 'check says pizza (1, first in id-0): expected "pizza"; got "Sorry?"'


def test_a_test_case_passes_with_its_mean_duration_and_one_that_never_ran_is_skipped():
    rows = [row(0), row(1, ended_at=5.0), row(2, test_case="never-ran", outcome="cancelled", ended_at=90.0)]
    root = exported(rows=rows)
    passed, skipped = case_of(root, "order-a-pizza"), case_of(root, "never-ran")
    assert (len(passed), passed.get("time")) == (0, "3.000")
    assert skipped.find("skipped").get("message") == "no conversation with it ended; 1 conversation cut off"
    assert skipped.get("time") == "0.000"


def test_test_cases_of_the_plan_come_in_its_order_before_others():
    scenarios = [{"test_set": [{"id": "of-a-scenario"}]}, {"name": "without any"}]
    run = sample_run(plan={"test_set": [{"id": "b"}, {"id": "a"}], "scenarios": scenarios})
    root = exported(run=run, rows=[row(0, test_case="unknown"), row(1, test_case="a")])
    names = [case.get("name") for case in suite_of(root, "test cases").iter("testcase")]
    assert names == ["b", "a", "of-a-scenario", "unknown"]


def test_a_threshold_fails_with_its_reason():
    root = exported()
    failure = case_of(root, "response_latency p95 < 1s").find("failure")
    assert failure.get("message") == "expected p95 < 1s; got expected a reply"
    assert len(case_of(root, "response_latency p95 < 2s")) == 0


@pytest.mark.parametrize(("verdict", "bad"), [("valid", None), ("degraded", None), ("invalid", "error")])
def test_the_generator_is_an_error_only_where_the_run_is_not_to_be_trusted(verdict, bad):
    suite = suite_of(exported(sample_summary(verdict=verdict)), "generator")
    (case,) = suite.iter("testcase")
    assert [element.tag for element in case] == ([bad] if bad else [])
    reason = "the generator woke late: expected a reply"
    assert (reason in suite.find("system-out").text) is (verdict != "valid")


def test_properties_are_the_numbers_of_the_summary():
    summary = sample_summary()
    for suite in exported(summary):
        told = {one.get("name"): one.get("value") for one in suite.iter("property")}
        assert told["counts.completed"] == "465"
        for name in ("p50", "p95", "p99"):
            latency = summary["metrics"]["response_latency"][name]
            assert float(told[f"metrics.response_latency.{name}"]) == latency
        assert told["started"] == "2026-03-04T12:00:00.250Z"


def test_class_names_have_one_dot_whatever_the_run_is_called():
    run = sample_run(name="v1.2 / Support.Line")
    for case in exported(run=run).iter("testcase"):
        package, _, suite = case.get("classname").partition(".")
        assert package == "v1-2-support-line"
        assert suite in ("thresholds", "test-cases", "generator")


@example("\ufffe and \uffff, \x00, \ud800")
@given(ANY_TEXT | st.just(HOSTILE))
def test_any_text_comes_back_as_it_is_shown(text):
    rows = [row(0, test_case=text, error=("no_response", text))]
    root = exported(sample_summary(text, "invalid"), sample_run(name=text), rows)
    shown = junit.xml_text(text)
    assert shown == re.sub("[\ufffe\uffff]", lambda found: f"⟨U+{ord(found[0]):04X}⟩", visible(text))
    assert root.get("name") == shown
    failure = case_of(root, shown or "(no test case)").find("failure")
    assert failure.text.endswith(f"first in id-0): {shown}")
    assert suite_of(root, "generator").find("testcase/error").get("message").endswith(f"woke late: {shown}")


def test_memory_is_bounded_however_many_test_cases_and_checks_there_are(monkeypatch):
    monkeypatch.setattr(test_case_tally, "MOST", 3)
    monkeypatch.setattr(test_case_tally, "MOST_CHECKS", 2)
    cases = junit.TestCases()
    for number in range(9):
        checks = [{"name": f"check {number}", "passed": False, "message": "m" * 10_000}]
        cases.add(row(number, test_case=f"case {number}"))
        cases.add(row(number, test_case="case 0", checks=checks))
    assert list(cases.cases) == ["case 0", "case 1", "case 2", "others"]
    assert cases.cases["others"].completed == 6
    failed = cases.cases["case 0"].failed_checks
    assert {name: example.amount for name, example in failed.items()} == {"check 0": 1, "check 1": 1, "others": 7}
    assert len(failed["others"].message) == 2_000
