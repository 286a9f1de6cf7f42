"""What an answer that is no success is called, whatever stands in it."""

import math

from hypothesis import given
from hypothesis import strategies as st

from coval_load.actors.http_answers import RateLimited, is_success, refusal
from coval_load.codecs.dialects.http_interface import HttpRequest
from coval_load.engine.outcome import ErrorKind

REQUEST = HttpRequest("POST", "https://agent.example/chat?key=s3cret", ())


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
