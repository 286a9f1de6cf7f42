from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.engine.outcome import ErrorKind, Failure, Outcome, SimulationFailed, Stage, forget_frames, leaves, worst

ERRORS = st.builds(SimulationFailed, st.sampled_from(ErrorKind), st.text(max_size=3)) | st.builds(ValueError)
TREES = st.recursive(ERRORS, lambda inner: st.lists(inner, min_size=1, max_size=4).map(lambda e: ExceptionGroup("", e)))


def flat(error):
    return [leaf for inner in error.exceptions for leaf in flat(inner)] if hasattr(error, "exceptions") else [error]


@given(TREES)
def test_every_leaf_of_a_group_of_groups(tree):
    assert list(leaves(tree)) == flat(tree)


@given(st.lists(st.builds(Failure, st.sampled_from(ErrorKind), st.sampled_from(Stage), st.just("")), min_size=1))
def test_the_worst_is_one_of_them_and_none_ranks_higher(failures):
    ranks = list(ErrorKind)
    found = worst(failures)
    assert found in failures
    assert all(ranks.index(failure.kind) <= ranks.index(found.kind) for failure in failures)


@pytest.mark.parametrize(
    ("consequence", "cause"),
    [
        (ErrorKind.CONNECTION_CLOSED, ErrorKind.INVALID_MESSAGE),
        (ErrorKind.NO_RESPONSE, ErrorKind.AGENT_ERROR),
        (ErrorKind.SIMULATION_TIMEOUT, ErrorKind.AGENT_NOT_READING),
        (ErrorKind.CONNECTION_CLOSED, ErrorKind.SIMULATION_TIMEOUT),
        (ErrorKind.AUTHENTICATION_FAILED, ErrorKind.INTERNAL),
        (ErrorKind.SETUP_FAILED, ErrorKind.WORKER_LOST),
        (ErrorKind.WORKER_LOST, ErrorKind.INTERNAL),
    ],
)
def test_the_cause_is_told_rather_than_its_consequence(consequence, cause):
    failures = [Failure(kind, Stage.CONVERSATION, "") for kind in (consequence, cause)]
    assert {worst(order).kind for order in permutations(failures)} == {cause}


def test_the_kinds_are_those_that_users_script_against():
    assert set(ErrorKind) == {
        *("setup_failed", "dns_failed", "connection_refused", "connect_timeout", "tls_failed"),
        *("authentication_failed", "upgrade_refused", "handshake_timeout", "handshake_invalid", "no_response"),
        *("invalid_message", "agent_error", "rate_limited", "connection_closed", "agent_not_reading"),
        *("simulation_timeout", "worker_lost", "internal"),
    }


def test_an_outcome_needs_no_error():
    assert Outcome("completed").error is None
    assert str(SimulationFailed(ErrorKind.NO_RESPONSE, "no one speaks")) == "no one speaks"


def test_frames_are_forgotten_of_all_that_led_to_a_failure():
    def fail():
        try:
            raise OSError("first")
        except OSError as error:
            raise ValueError("then") from error

    try:
        raise ExceptionGroup("several", [KeyError("other")]) from None
    except ExceptionGroup as raised:
        group = raised
    with pytest.raises(ValueError, match="then") as caught:
        fail()
    then = caught.value
    first = then.__cause__
    group.__cause__, first.__context__ = then, group  # in a circle
    forget_frames(group)
    assert [error.__traceback__ for error in (group, *group.exceptions, then, first)] == [None] * 4
