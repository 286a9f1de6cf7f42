"""What an answer that is no success is called, whatever stands in it."""

import math
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from coval_load.actors.http_answers import RateLimited, is_success, refusal, retry_after_s
from coval_load.codecs.dialects.http_interface import HttpRequest
from coval_load.engine.outcome import ErrorKind

REQUEST = HttpRequest("POST", "https://agent.example/chat?key=s3cret", ())
USUAL_S = 1.0
DATES = st.from_regex(r"[A-Za-z]{0,4},? ?[0-9]{0,6}[ -][A-Za-z]{0,4}[ -]?[0-9:]{0,12} ?([+-][0-9]{0,6}|[A-Z]{0,4})")


@given(st.one_of(st.none(), st.text(), st.from_regex(r"[0-9._eE+-]+", fullmatch=True), DATES))
@example("9" * 5000)
@example("1e999")
@example("²")
@example("nan")
@example("infinity")
@example("Wed, 21 Oct 99999999999999999999 07:28:00 GMT")
@example("Wed, 21 Oct 2015 07:28:00 +99999999999999")
@example("Wed, 21 Oct 2015 07:28:00 -0000")
@example("Fri, 31 Dec 9999 23:59:59 -2359")
def test_any_text_is_a_wait(text):
    seconds = retry_after_s(text)
    assert math.isfinite(seconds)
    assert seconds >= 0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("7", 7), (" 0 ", 0), ("2.5", 2.5), ("-3", USUAL_S), ("soon", USUAL_S), ("", USUAL_S), (None, USUAL_S)],
)
def test_seconds(text, seconds):
    assert retry_after_s(text) == seconds


@given(st.integers(-100_000, 100_000))
def test_a_date_is_waited_for(seconds):
    then = datetime.now(UTC) + timedelta(seconds=seconds)
    assert retry_after_s(format_datetime(then, usegmt=True)) == pytest.approx(max(seconds, 0), abs=2)


@given(
    st.integers(300, 999) | st.integers(0, 199),
    st.dictionaries(
        st.just("retry-after"),
        st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=100),
    ),
    st.binary(max_size=3000),
    st.booleans(),
)
def test_every_refusal_has_a_name(status, headers, body, in_setup):
    failure = refusal(REQUEST, status, headers, body, in_setup=in_setup)
    assert not is_success(status)
    assert f"from POST https://agent.example/chat; got {status}: " in failure.message
    assert len(failure.message) < 1200
    assert failure.message.isprintable()
    match status:
        case 401 | 403:
            assert failure.kind is ErrorKind.AUTHENTICATION_FAILED
        case 429:
            assert isinstance(failure, RateLimited)
            assert failure.kind is ErrorKind.RATE_LIMITED
            assert math.isfinite(failure.retry_after_s)
        case _:
            assert failure.kind is (ErrorKind.SETUP_FAILED if in_setup else ErrorKind.AGENT_ERROR)
