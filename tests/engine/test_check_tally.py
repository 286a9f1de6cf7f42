"""Counts of checks stay few, add up, and know one reason for each that failed."""

from hypothesis import given
from hypothesis import strategies as st

from coval_load.engine.check_tally import MOST, OTHERS, CheckTally

RESULTS = st.lists(st.tuples(st.sampled_from("xyz"), st.sampled_from("abc"), st.sampled_from([None, "why", "so"])))


def tally_of(results, clean=lambda value: value):
    tally = CheckTally(clean)
    for case, name, message in results:
        tally.add(case, name, message is None, message)
    return tally


def test_counts_the_worst_first_with_the_first_reason():
    tally = tally_of([("a", "polite", None), ("a", "short", "too long"), ("a", "short", "again"), ("b", "short", None)])
    assert tally.summary() == [
        {"test_case": "a", "check": "short", "passed": 0, "failed": 2, "example": "too long"},
        {"test_case": "a", "check": "polite", "passed": 1, "failed": 0, "example": None},
        {"test_case": "b", "check": "short", "passed": 1, "failed": 0, "example": None},
    ]


@given(RESULTS, RESULTS)
def test_merged_they_are_as_counted_together(first, second):
    merged = tally_of(first)
    merged.merge(tally_of(second).summary())

    def by_check(rows):
        return {(row["test_case"], row["check"]): (row["passed"], row["failed"]) for row in rows}

    assert by_check(merged.summary()) == by_check(tally_of(first + second).summary())
    assert all((row["example"] is None) == (row["failed"] == 0) for row in merged.summary())


def test_there_are_never_more_than_so_many():
    tally = tally_of([(f"case {number}", "short", "long") for number in range(MOST + 50)])
    tally.add("case 0", "short", True, None)
    rows = tally.summary()
    assert len(rows) == MOST + 1
    assert rows[0] == {"test_case": OTHERS, "check": "short", "passed": 0, "failed": 50, "example": "long"}
    assert {"test_case": "case 0", "check": "short", "passed": 1, "failed": 1, "example": "long"} in rows
    twice = tally_of([])
    twice.merge(rows)
    twice.merge(rows)
    assert sum(row["failed"] for row in twice.summary()) == 2 * (MOST + 50)
    assert len(twice.summary()) <= MOST + 1


def test_secrets_are_masked():
    tally = tally_of([("a", "contains sesame", "got sesame")], lambda value: value.replace("sesame", "***"))
    (row,) = tally.summary()
    assert (row["check"], row["example"]) == ("contains ***", "got ***")


def test_of_many_cases_with_many_checks_the_rest_is_one():
    tally = tally_of([(f"case {number}", f"check {number}", "long") for number in range(3 * MOST)])
    rows = tally.summary()
    assert len(rows) <= 2 * MOST + 1
    assert sum(row["failed"] for row in rows) == 3 * MOST
    assert any((row["test_case"], row["check"]) == (OTHERS, OTHERS) for row in rows)
