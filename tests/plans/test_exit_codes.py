import pytest

from coval_load.engine import metrics
from coval_load.engine.outcome import ErrorKind, Failure, Outcome, Stage
from coval_load.engine.results import Results
from coval_load.plans.ending import exit_code_of

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
