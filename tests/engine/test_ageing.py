"""What is said of the first quarter of long conversations against the last."""

import pytest

from coval_load.engine import metrics
from coval_load.engine.ageing import ageing_sentence


@pytest.mark.parametrize(
    ("first", "last", "found"),
    [
        (0.61, 0.683, "12 % slower than the first (p50 610 ms -> 683 ms)"),
        (0.5, 0.4, "20 % faster than the first (p50 500 ms -> 400 ms)"),
        (0.61, 0.612, "as fast as the first (p50 610 ms -> 612 ms)"),
        (0.0, 0.0, "as fast as the first (p50 0 ms -> 0 ms)"),
    ],
)
def test_the_sentence(first, last, found):
    measured = {metrics.FIRST_TURNS_LATENCY: {"p50": first}, metrics.LAST_TURNS_LATENCY: {"p50": last}}
    expected = f"in conversations of eight turns and more the last quarter was answered {found}"
    assert ageing_sentence(measured) == expected


def test_short_conversations_have_no_sentence():
    assert ageing_sentence({}) is None
