"""How long an agent asks to wait, whatever stands in the header."""

import math
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from coval_load.engine.retry_after import retry_after_s

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


@pytest.mark.parametrize(("text", "seconds"), [("7", 7), ("0", 0), ("soon", 0.25), ("", 0.25), (None, 0.25)])
def test_what_nobody_asked_for_is_the_callers_word(text, seconds):
    assert retry_after_s(text, otherwise_s=0.25) == seconds
