import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.report.chart import COLUMNS, ROWS, average, chart, columns_of, highest, when
from coval_load.report.plan_text import plan_text

BASIS = "with responses after 600ms"


def scenario(**given):
    zero = dict.fromkeys(("dropped", "never_started", "queued", "cut_off", "too_long"), 0)
    return {
        "name": "morning",
        "is_open": False,
        "offered": 1200,
        "started": 1200,
        **zero,
        "peak_concurrency": 50,
        "peak_starts_per_s": 50.0,
        "begins_s": 0.0,
        "ends_s": 600.0,
        "mean_length_s": 16.25,
        "divisor": 1,
        **given,
    }


def seen(*scenarios, levels=(50,) * 160, starts=(3.0,) * 160, **given):
    scenarios = list(scenarios or [scenario()])
    counts = ("offered", "started", "dropped", "never_started", "queued", "cut_off", "too_long")
    return {
        "duration_s": 600.0,
        "divisor": 1,
        "counts": {count: sum(one[count] for one in scenarios) for count in counts},
        "peak_concurrency": 50,
        "peak_starts_per_s": 50.0,
        "scenarios": scenarios,
        "agents": {"support": {"peak_concurrency": 50, "limit": None}},
        "timeline": {
            "bucket_s": 600 / len(levels),
            "concurrency": [{"min": level, "mean": level, "max": level} for level in levels],
            "starts_per_s": list(starts),
        },
        **given,
    }


def text(preview, colour=False, name="support line"):
    return plan_text(name, preview, BASIS, colour)


def test_the_first_lines_say_how_much():
    lines = text(seen()).splitlines()
    assert lines[:3] == [
        "support line",
        "1,200 simulations in 10m00s, up to 50 at once and 50 started in a second",
        "tried without an agent, with responses after 600ms",
    ]
    assert lines[5].split() == ["morning", "1,200", "50", "50", "0s", "10m00s", "16.2", "s"]


def test_what_was_tried_at_a_part_of_its_size_says_so():
    assert "at 1/40 of its size" in " ".join(text(seen(divisor=40)).split())
    assert "of its size" not in text(seen())


def test_what_is_lost_is_told_for_each_scenario():
    told = text(seen(scenario(queued=3, offered=10), scenario(name="evening", dropped=7, offered=9)))
    assert "3 of 10 simulations of morning would have to wait for a place" in told
    assert "7 of 9 simulations of evening would be dropped" in told


@pytest.mark.parametrize(
    ("count", "words"),
    [("never_started", "never start"), ("cut_off", "timeouts.grace"), ("too_long", "timeouts.simulation")],
)
def test_every_loss_has_words(count, words):
    assert words in text(seen(scenario(**{count: 1})))
    assert words not in text(seen())


def test_a_limit_that_is_reached_is_told():
    assert "support: its limit of 50 at once is reached" in text(
        seen(agents={"support": {"peak_concurrency": 50, "limit": 50}})
    )
    assert "limit" not in text(seen(agents={"support": {"peak_concurrency": 50, "limit": 51}}))


def test_each_of_several_agents_has_its_peak():
    agents = {"a": {"peak_concurrency": 5, "limit": 8}, "b": {"peak_concurrency": 6, "limit": None}}
    told = text(seen(agents=agents))
    assert "a: up to 5 of 8 at once" in told
    assert "b: up to 6 at once" in told


def test_starts_are_drawn_only_where_they_do_not_depend_on_the_agent():
    assert "started a second" not in text(seen())
    assert "started a second" in text(seen(scenario(), scenario(is_open=True)))


def test_colours_are_optional_and_change_no_words():
    preview = seen(scenario(queued=3), agents={"a": {"peak_concurrency": 5, "limit": 5}})
    plain, coloured = text(preview), text(preview, colour=True)
    assert "\x1b" not in plain
    assert "\x1b" in coloured
    assert re.sub("\x1b\\[[0-9]+m", "", coloured) == plain


def test_a_scenario_that_started_none_has_no_times():
    assert " - " in text(seen(scenario(begins_s=None, ends_s=None, started=0)))


levels = st.lists(st.integers(0, 10**5), min_size=1, max_size=240)


@given(st.text(max_size=200), levels, st.floats(0.01, 1e7), st.integers(0, 10**9))
def test_no_line_is_too_long_and_none_moves_the_cursor(name, heights, duration_s, number):
    one = scenario(
        name=name or "s",
        offered=number,
        started=number,
        queued=number,
        is_open=True,
        ends_s=duration_s,
        too_long=number,
    )
    preview = seen(one, scenario(name="b"), levels=heights, starts=[float(h) for h in heights], duration_s=duration_s)
    preview["timeline"]["bucket_s"] = duration_s / len(heights)
    told = text(preview, name=name)
    assert all(len(line) <= 80 for line in told.split("\n"))
    assert told.replace("\n", "").isprintable()


# The chart


def rows(lines):
    return [line.partition("┤" if "┤" in line else "│")[2] for line in lines[:ROWS]]


def heights(lines):
    """In eighths of a row, column by column."""
    drawn = [row.ljust(COLUMNS) for row in rows(lines)]
    return [sum(" ▁▂▃▄▅▆▇█".index(row[at]) for row in drawn) for at in range(COLUMNS)]


@given(st.lists(st.floats(0, 1e5), min_size=COLUMNS, max_size=COLUMNS))
def test_columns_are_as_high_as_their_values(values):
    lines = chart(values, 60.0)
    top = lines[0].split("┤")[0].strip()
    top = float(top[:-1]) * 1000 if top.endswith("k") else float(top.replace(",", ""))
    assert len(lines) == ROWS + 2
    assert max(values) <= top * 1.01
    assert top <= 2 * max(values) or max(values) < 1
    for value, drawn in zip(values, heights(lines), strict=True):
        assert drawn == pytest.approx(value / top * ROWS * 8, abs=0.51 + 0.005 * ROWS * 8)


def test_the_axis_has_times():
    assert chart([1.0] * COLUMNS, 600.0)[-1].split() == ["0s", "2m30s", "5m00s", "7m30s", "10m00s"]
    assert chart([1.0] * COLUMNS, 7 * 86400.0)[-1].split() == ["0s", "1d18h", "3d12h", "5d06h", "7d00h"]


def test_times_of_days_are_days():
    assert when(7 * 86400.0) == "7d00h"
    assert when(3600.0) == "1h00m"
    assert when(3600.0, within_s=7 * 86400.0) == "0d01h"
    assert when(0.0, within_s=7 * 86400.0) == "0s"


def test_a_short_peak_is_not_overlooked():
    buckets = [0.0] * 100 + [7.0] + [0.0] * 139
    assert max(columns_of(buckets, 1.0, 240.0, highest)) == 7


@given(levels, st.floats(0.01, 1000))
def test_an_average_over_columns_keeps_the_whole(values, bucket_s):
    columns = columns_of([float(value) for value in values], bucket_s, bucket_s * len(values), average)
    assert len(columns) == COLUMNS
    assert sum(columns) / COLUMNS == pytest.approx(sum(values) / len(values), rel=1e-6, abs=1e-6)
