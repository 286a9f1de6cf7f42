"""What the page says of how a run ended, and where its links lead."""

import pytest

from coval_load.report.diagnosis import Finding
from coval_load.report.page import tables, words

COUNTS = {"offered": 10, "started": 9, "completed": 6, "failed": 3, "cancelled": 0, "dropped": 1, "never_started": 0}


def summary(**more):
    generator = {"verdict": "valid", "reasons": [], "cpu_share": 0.31}
    return {"counts": COUNTS, "generator": generator, "metrics": {}, "errors": {}} | more


@pytest.mark.parametrize(
    ("code", "level", "said"),
    [
        (None, "warn", "did not end"),
        (0, "warn", "not every conversation did"),
        (3, "bad", "No simulation completed"),
        (97, "bad", "worker was lost"),
        (98, "bad", "generator was the bottleneck"),
        (99, "bad", "threshold was crossed"),
        (130, "warn", "interrupted"),
        (77, "bad", "Exit code 77"),
    ],
)
def test_an_exit_code_is_told_in_words(code, level, said):
    told = words.outcome(summary(), {"exit_code": code})
    assert (told.level, said in told.headline) == (level, True)


def test_all_well_is_said_where_nothing_failed():
    told = words.outcome(summary(counts=COUNTS | {"failed": 0}), {"exit_code": 0})
    assert (told.level, told.headline) == ("good", "All well")


@pytest.mark.parametrize(
    ("verdict", "level", "said"),
    [("valid", "good", "can be trusted"), ("degraded", "warn", "with care"), ("invalid", "bad", "can't be trusted")],
)
def test_whether_numbers_can_be_trusted_is_told_with_reasons(verdict, level, said):
    generator = {"verdict": verdict, "reasons": ["frames left late"], "cpu_share": 0.31}
    told = words.trust(summary(generator=generator, metrics={"loop_lag": {"p99": 0.002}}))
    assert (told.level, said in told.headline, told.reasons) == (level, True, ("frames left late",))
    assert "it woke 2.0 ms late (p99), CPU at 31% of one core" in told.meaning


def test_a_run_that_completed_nothing_is_not_called_trusted():
    told = words.trust(summary(counts=COUNTS | {"completed": 0}))
    assert told.level == "warn"
    assert "no simulation completed" in told.meaning


def test_counts_say_what_they_are_shares_of():
    found = {count.name: (count.amount, count.share, count.level) for count in words.counts(summary())}
    assert found == {
        "completed": (6, "66.7 % of those that ended", ""),
        "failed": (3, "33.3 % of those that ended", "bad"),
        "dropped": (1, "10.0 % of those due", "warn"),
    }


def test_a_finding_chooses_its_conversations():
    finding = Finding("agent", "bad", "x", (), 60.0, None, "no_response", {"test_case": "a&b=\u202e c", "odd": "x"})
    assert words.choice(finding) == "kind=no_response&test_case=a%26b%3D%E2%9F%A8U%2B202E%E2%9F%A9%20c&from=60.000"


def test_a_finding_about_nobody_chooses_none():
    assert words.choice(Finding("run", "warning", "x", (), 60.0, 70.0)) == ""


def test_metrics_that_people_ask_for_come_first_and_the_generators_last():
    row = {
        "count": 1,
        "min": 0.1,
        "mean": 0.1,
        "p50": 0.1,
        "p90": 0.1,
        "p95": 0.1,
        "p99": 0.1,
        "p99.9": 0.1,
        "max": 0.1,
    }
    measured = dict.fromkeys(("loop_lag", "connect_time", "made_up", "response_latency"), row)
    near = {"response_latency": {"p99": {"id": "abc", "value": 0.1}}}
    rows = tables.metric_rows({"metrics": measured}, near)
    assert [one.name for one in rows] == ["response_latency", "connect_time", "made_up", "loop_lag"]
    linked = dict(zip(tables.COLUMNS, rows[0].cells, strict=True))
    assert (linked["p99"].simulation, linked["p50"].simulation) == ("abc", None)
    assert (linked["p99"].shown, linked["p99"].exact) == ("100 ms", "0.1 s")


def test_crossed_thresholds_come_first_with_what_came():
    held = {"metric": "a", "threshold": "p95 < 1s", "value": 0.5, "unit": "s", "passed": True}
    crossed = {"metric": "b", "threshold": "p95 < 1s", "value": 1.5, "unit": "s", "passed": False, "aborted": True}
    silent = {"metric": "c", "threshold": "p95 < 1s", "value": None, "unit": "s", "passed": False, "reason": None}
    rows = tables.threshold_rows({"thresholds": [held, crossed, silent]})
    assert [(row.metric, row.value, row.aborted) for row in rows] == [
        ("b", "1.5 s", True),
        ("c", "nothing was measured for it", False),
        ("a", "0.5 s", False),
    ]


def test_errors_are_shares_of_those_that_ended():
    cut_off = COUNTS | {"started": 9, "completed": 1, "failed": 3, "cancelled": 5}
    (row,) = tables.error_rows(summary(counts=cut_off, errors={"no_response": 3}))
    assert (row.amount, row.share) == (3, "75.0 %")


def test_groups_are_told_apart_where_there_are_several():
    one = {"counts": {"completed": 3, "failed": 1}, "errors": {"no_response": 1}, "response_latency": None}
    assert tables.group_rows({"a": one}) == []
    first, _ = tables.group_rows({"a": one, "b": one})
    assert (first.share_failed, first.worst, first.cells[0].shown) == ("25.0 %", "no_response", "-")
