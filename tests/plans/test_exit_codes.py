import pytest

from coval_load.engine import metrics
from coval_load.engine.labels import Selector
from coval_load.engine.outcome import ErrorKind, Failure, Outcome, Stage
from coval_load.engine.results import Results
from coval_load.engine.thresholds import Threshold, judge
from coval_load.plans.ending import exit_code_of, judged_thresholds

COMPLETED = Outcome("completed")
REFUSED = Outcome("failed", Failure(ErrorKind.CONNECTION_REFUSED, Stage.CONNECT, "no"))
OURS = Outcome("failed", Failure(ErrorKind.INTERNAL, Stage.CONNECT, "no file descriptors"))


@pytest.mark.parametrize(
    ("outcomes", "interrupted", "code"),
    [
        ([COMPLETED, REFUSED], False, 0),
        ([REFUSED], False, 3),
        ([], False, 3),
        ([COMPLETED, OURS], False, 98),
        ([OURS], False, 98),
        ([COMPLETED, OURS], True, 130),
        ([], True, 130),
    ],
)
def test_what_a_run_exits_with(outcomes, interrupted, code):
    results = Results()
    for outcome in outcomes:
        results.finished(outcome)
    assert exit_code_of(results.summary(), interrupted) == code


def test_rows_that_were_lost_are_not_to_be_trusted():
    results = Results()
    results.finished(COMPLETED)
    results.count(metrics.ROWS_LOST)
    assert exit_code_of(results.summary(), False) == 98


INTERRUPTED, LOST, UNTRUSTED, CROSSED, NONE_COMPLETED, WELL = 130, 97, 98, 99, 3, 0


@pytest.mark.parametrize("accepts", [False, True])
@pytest.mark.parametrize("interrupted", [False, True])
@pytest.mark.parametrize("workers", [None, [None, None], [None, "its process was killed by SIGKILL"], [""]])
@pytest.mark.parametrize("invalid", [False, True])
@pytest.mark.parametrize("crossed", [False, True])
@pytest.mark.parametrize("completed", [0, 5])
def test_of_several_reasons_the_first_holds(interrupted, workers, invalid, crossed, completed, accepts):
    summary = {
        "generator": {"verdict": "invalid" if invalid else "degraded"},
        "thresholds": [{"passed": True}, {"passed": not crossed}],
        "counts": {"completed": completed},
    }
    if workers is not None:
        summary["generator"]["workers"] = [{"lost": lost} for lost in workers]
    reasons = [
        (INTERRUPTED, interrupted),
        (LOST, not accepts and any(lost is not None for lost in workers or ())),
        (UNTRUSTED, invalid and not accepts),
        (CROSSED, crossed),
        (NONE_COMPLETED, not completed),
        (WELL, True),
    ]
    expected = next(code for code, holds in reasons if holds)
    assert exit_code_of(summary, interrupted, accept_invalid=accepts) == expected


def test_what_stopped_a_run_is_not_judged_again():
    threshold, other = (
        Threshold("failed", Selector(), None, "rate", "<", limit, f"rate < {limit}", True) for limit in (0.5, 0.6)
    )
    results = Results()
    results.finished(REFUSED)
    aborted = judge(threshold, results, 1.0)
    for _ in range(9):
        results.finished(COMPLETED)
    rows = judged_thresholds([threshold, other], results, 2.0, [], aborted)
    assert [(row["value"], row["passed"], row["aborted"]) for row in rows] == [(1.0, False, True), (0.1, True, False)]
    assert exit_code_of(results.summary() | {"thresholds": rows}, False) == CROSSED
