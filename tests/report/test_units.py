import pytest

from coval_load.report.units import clock, duration, many


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (None, "-"),
        (0.0, "0.0 ms"),
        (0.0004, "0.4 ms"),
        (0.00994, "9.9 ms"),
        (0.00996, "10 ms"),
        (0.3333, "333 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.00 s"),
        (1.254, "1.25 s"),
        (9.996, "10.0 s"),
        (99.94, "99.9 s"),
        (99.96, "1m40s"),
        (3600.0, "1h00m"),
    ],
)
def test_durations_have_three_digits_and_the_unit_that_fits(seconds, written):
    assert duration(seconds) == written


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(0.4, "0s"), (59.4, "59s"), (59.6, "1m00s"), (185, "3m05s"), (7380, "2h03m"), (360_000, "100h00m")],
)
def test_clock(seconds, written):
    assert clock(seconds) == written


def test_many():
    assert (many(1, "turn"), many(12_000, "turn"), many(0, "reply", "replies")) == (
        "1 turn",
        "12,000 turns",
        "0 replies",
    )
