"""What becomes of a simulation that fails, takes too long or can't let go."""

from functools import partial

import pytest
import trio
from players import closed, cut_after, fail, failed, perform

from coval_load.engine.outcome import ErrorKind


def test_a_simulation_that_takes_too_long():
    played = perform(lambda number: partial(trio.sleep, 1 + 100 * number), closed(2, simulations=2), simulation_s=20)
    assert played.row(0)["error"] is None
    row = played.row(1)
    assert row["outcome"] == "failed"
    assert (row["error"]["kind"], row["error"]["stage"]) == ("simulation_timeout", "conversation")
    assert "within 20 s" in row["error"]["message"]
    assert played.ended_at == pytest.approx(20)


def test_what_is_raised_has_its_name():
    errors = [failed(), ValueError("bug"), ExceptionGroup("", [failed(ErrorKind.AGENT_ERROR, "it says no")])]
    played = perform(lambda number: partial(fail, errors[number]), closed(1, simulations=3))
    assert [row["error"]["kind"] for row in played.rows] == ["no_response", "internal", "agent_error"]
    assert played.row(0)["error"] == {"kind": "no_response", "stage": "conversation", "turn": None, "message": "silent"}
    assert "bug" in played.row(1)["error"]["message"]
    assert played.runner.results.summary()["errors"] == {"no_response": 1, "internal": 1, "agent_error": 1}


def test_the_worst_of_several_is_told():
    several = ExceptionGroup(
        "",
        [
            failed(ErrorKind.CONNECTION_CLOSED, "gone"),
            ExceptionGroup("", [failed(ErrorKind.INVALID_MESSAGE, "garbage"), failed(ErrorKind.NO_RESPONSE)]),
        ],
    )
    played = perform(lambda number: partial(fail, several), closed(1, simulations=1))
    assert played.rows[0]["error"]["kind"] == "invalid_message"


async def fail_while_cancelled(error):
    try:
        await trio.sleep_forever()
    finally:
        raise error


async def both(error):
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.sleep_forever)
        nursery.start_soon(fail_while_cancelled, error)


@pytest.mark.parametrize("way", [fail_while_cancelled, both])
@pytest.mark.parametrize("error", [failed(ErrorKind.CONNECTION_CLOSED, "gone"), ValueError("bug")])
def test_a_clean_up_that_fails_while_the_run_is_cut(way, error):
    """One that fails in its clean-up harms neither the run nor the others' rows."""
    scripts = [partial(way, error), partial(trio.sleep, 1), partial(way, error), trio.sleep_forever]
    played = perform(lambda number: scripts[number], closed(4, simulations=4), beside=partial(cut_after, 5))
    assert [played.row(number)["outcome"] for number in (1, 3)] == ["completed", "cancelled"]
    assert {played.row(number)["outcome"] for number in (0, 2)} <= {"failed", "cancelled"}


@pytest.mark.parametrize("way", [fail_while_cancelled, both])
def test_a_clean_up_that_fails_when_time_is_up_does_not_hide_that(way):
    error = failed(ErrorKind.CONNECTION_CLOSED, "gone")
    played = perform(lambda number: partial(way, error), closed(1, simulations=2), simulation_s=5)
    assert [row["error"]["kind"] for row in played.rows] == ["simulation_timeout"] * 2


@pytest.mark.parametrize("script", [trio.lowlevel.checkpoint, partial(fail, failed()), trio.sleep_forever])
def test_an_actor_that_can_not_let_go_of_everything(script):
    """Whatever `finished` raises is a fault of ours, told in its row; the others go on."""
    played = perform(
        lambda number: script if number == 1 else partial(trio.sleep, 1),
        closed(2, simulations=6, duration_s=50),
        clean_up=lambda number: ValueError("stuck") if number == 1 else None,
        grace_s=0,
    )
    assert played.row(1)["error"]["kind"] == "internal"
    assert "stuck" in played.row(1)["error"]["message"]
    assert played.outcomes["completed"] == 5
