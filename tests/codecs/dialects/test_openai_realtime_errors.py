"""OpenAI Realtime: which errors end a conversation, and what they are called."""

import pytest
from openai_realtime_events import MANUAL, VAD, created, decoded, error, opened, reported

from coval_load.codecs.events import AgentComplained, AgentFailed, GoingAway, MessageIgnored


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        (error(code="invalid_api_key"), "authentication"),
        (error("authentication_error"), "authentication"),
        (error(code="account_deactivated"), "authentication"),
        (error("insufficient_quota", "insufficient_quota"), "rate_limit"),
        (error(code="billing_not_active"), "rate_limit"),
        (error("tokens", "rate_limit_exceeded"), "rate_limit"),
        (error(code="beta_api_shape_disabled"), "agent"),
        (error(code="model_not_found"), "agent"),
    ],
)
def test_errors_of_key_and_account_are_fatal_at_any_time(message, cause):
    for dialect in (VAD.open({}), opened()):
        (found,) = decoded(dialect, message)
        assert isinstance(found, AgentFailed)
        assert found.cause == cause


def test_any_error_is_fatal_until_the_session_is_ready():
    whole = error(code="unknown_parameter", message="No such thing", param="session.voice")
    words = reported("No such thing", "unknown_parameter, invalid_request_error") + ", at session.voice"
    assert decoded(VAD.open({}), whole) == [AgentFailed(words)]
    assert decoded(opened(), whole) == [AgentComplained(words)]
    expired = error(code="session_expired", message="Your session hit the maximum duration of 60 minutes.")
    assert [type(found) for found in decoded(VAD.open({}), expired)] == [AgentFailed]
    assert decoded(opened(), expired) == [GoingAway(0.0)]


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ({"type": "error"}, "the agent reported an error: without a message"),
        ({"type": "error", "error": "Sorry"}, "the agent reported an error: Sorry"),
        ({"type": "error", "message": "Sorry", "code": 7}, "the agent reported an error: Sorry (7)"),
    ],
)
def test_errors_of_another_shape_are_complaints_too(message, words):
    assert decoded(opened(), message) == [AgentComplained(words)]


def test_advice_comes_with_an_error_that_has_a_remedy():
    (found,) = decoded(VAD.open({}), error(code="beta_api_shape_disabled"))
    assert found.reason.endswith("; remove OpenAI-Beta from custom_headers, and api-version from the endpoint")


def test_a_response_that_was_over_before_it_was_cancelled_is_no_complaint():
    race = error(code="response_cancel_not_active", message="Cancellation failed: no active response found")
    dialect = opened(MANUAL)
    assert [type(found) for found in decoded(dialect, race)] == [AgentComplained]
    decoded(dialect, created())
    dialect.cut_off(0.0)
    assert decoded(dialect, race) == [MessageIgnored("the response was over before it could be cancelled")]
