"""A generator that lagged for minutes of a night says so, whatever the percentiles of the whole night are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.engine.evidence import Evidence
from coval_load.engine.lapses import LATE_S, Lapses
from coval_load.engine.verdict import LAGGED_DEGRADED_S, verdict


def row(at, *, late, name="loop_lag", count=100):
    p90 = LATE_S[name] * (2.0 if late else 0.5)
    return {
        "at": at,
        "seconds": 10.0,
        "metrics": {name: {"count": count, "p90": p90}, "turn_time": {"count": 9, "p90": 9}},
    }


def judged(rows):
    lapses = Lapses()
    for one in rows:
        lapses.add(one)
    return lapses, verdict(Evidence(lapses=lapses))


@pytest.mark.parametrize("name", LATE_S)
def test_minutes_of_a_night(name):
    bad = range(7_800, 8_040, 10)
    rows = [row(at + 10.0, late=at in bad or at == 100, name=name) for at in range(0, 28_800, 10)]
    lapses, told = judged(rows)
    assert (lapses.total_s, lapses.longest) == (250.0, (7_800.0, 8_040.0))
    assert told["verdict"] == "degraded"
    (reason,) = told["reasons"]
    assert "lagged for 250 s in all, longest from 2:10:00 to 2:14:00" in reason
    assert (told["lagged_s"], told["lagged_from_s"], told["lagged_until_s"]) == (250.0, 7_800.0, 8_040.0)


@pytest.mark.parametrize(
    "rows", [[], [row(10.0, late=True), row(20.0, late=True)], [row(10.0, late=True, count=19)] * 9]
)
def test_a_moment_is_not_called_out(rows):
    assert judged(rows)[1]["verdict"] == "valid"


@given(st.lists(st.booleans(), max_size=40), st.lists(st.booleans(), max_size=40))
def test_two_parts_add_up(one, other):
    first, told = judged([row(10.0 * at, late=late) for at, late in enumerate(one, start=1)])
    second, _ = judged([row(10.0 * at, late=late) for at, late in enumerate(other, start=1)])
    longest = max((ends - begins for begins, ends in filter(None, (first.longest, second.longest))), default=0.0)
    second.merge(told)
    assert second.total_s == 10.0 * (sum(one) + sum(other))
    assert (second.longest[1] - second.longest[0] if second.longest else 0.0) == longest
    assert told["verdict"] == ("degraded" if 10 * sum(one) >= LAGGED_DEGRADED_S else "valid")
