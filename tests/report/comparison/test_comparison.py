"""What is said of two runs, in a terminal, as JSON and on a page."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from measured_runs import measured
from past_runs import RUN, conversations

from coval_load.report.comparison import words
from coval_load.report.comparison.comparison import Comparison, all_as_json
from coval_load.report.comparison.differences import MOST, differences
from coval_load.report.comparison.page import comparison_page
from coval_load.report.comparison.rows import Row, compared
from coval_load.report.comparison.text import comparison_text

HOSTILE = "<script>alert(1)</script>\x1b[31m\u202e\ud800"
INVALID = {"verdict": "invalid", "reasons": ["its CPU was at 99 %"]}


def latency(**more):
    row = {"name": "response_latency", "aggregate": "p50", "unit": "s", "baseline": 1.0, "value": 1.12}
    return Row(**row | {"change": 0.12, "interval": (0.08, 0.16), "verdict": "changed"} | more)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (latency(), "slower by 12 % (8 to 16 %)"),
        (latency(change=-0.12, interval=(-0.16, -0.08)), "faster by 12 % (8 to 16 %)"),
        (latency(name="scheduled_turn_time"), "longer by 12 % (8 to 16 %)"),
        (latency(name="audio_after_interrupt"), "longer by 12 % (8 to 16 %)"),
        (latency(name="queue_time", change=-0.5, interval=(-0.9, -0.1)), "shorter by 50 % (10 to 90 %)"),
        (latency(verdict="no_change"), "no change beyond noise"),
        (latency(verdict="too_few", needs=20), "too few to tell (n < 20)"),
        (latency(verdict="not_judged"), "not judged"),
        (
            latency(name="failed", unit="share", change=0.012, interval=(0.004, 0.021)),
            "more by 1.2 points (0.4 to 2.1)",
        ),
        (latency(name="completed", unit="1/min", change=-0.1, interval=(-0.2, -0.05)), "less by 10 % (5 to 20 %)"),
        (
            latency(name="completed", unit="1/min", change=float("inf"), interval=(3.0, float("inf"))),
            "more by at least 300 %",
        ),
        (latency(aggregate="distribution", interval=None, change=0.312), "slower overall (delta +0.31)"),
    ],
)
def test_words(row, said):
    assert words.said(row) == said


@pytest.mark.parametrize(
    ("row", "worse"),
    [
        (latency(), True),
        (latency(change=-0.1), False),
        (latency(verdict="no_change"), None),
        (latency(name="completed", change=0.1), False),
        (latency(name="checks_passed", change=-0.1), True),
    ],
)
def test_what_is_worse(row, worse):
    assert words.is_worse(row) is worse


def before_and_after(**more):
    return measured(conversations(200)), measured(conversations(200, seed=2, median_s=0.8), failed=30, **more)


def test_a_change_is_told_and_everything_else_left_out():
    text = comparison_text([Comparison.of(*before_and_after())], colour=False)
    assert re.search(r"^  p50 +\d+ ms +\d+ ms  slower by \d+ % \(", text, re.MULTILINE)
    assert re.search(r"^failed +0.0 % +13.0 %  more by 13 points", text, re.MULTILINE)
    assert re.search(r"^no_response +0.0 % +13.0 %  more by", text, re.MULTILINE)
    assert max(map(len, text.split("\n"))) <= 80
    assert "\x1b" not in text


def test_the_same_run_has_no_change():
    run = measured(conversations(200))
    one = Comparison.of(run, run)
    text = comparison_text([one], colour=False)
    assert "no change beyond noise in any of" in text
    assert "changed beyond" not in text
    assert not one.differing


def test_a_load_that_was_changed_and_a_run_that_was_stopped_are_told():
    change = {"at": 17.0, "scenario": "default", "before": 6, "concurrency": 11}
    before, after = before_and_after()
    summary = {**after.recovered.summary, "changes": [change]}
    run = {**after.recovered.run, "exit_code": 130}
    after = attrs.evolve(after, recovered=attrs.evolve(after.recovered, summary=summary, run=run))
    text = " ".join(comparison_text([Comparison.of(before, after)], colour=False).split())
    assert "the concurrency of scenario default was changed from 6 to 11 at 17s" in text
    assert "was interrupted: it is shorter than its plan says" in text


def test_that_a_run_can_not_be_trusted_is_said_before_any_number():
    before, after = before_and_after(generator=INVALID)
    text = comparison_text([Comparison.of(before, after)], colour=False)
    assert text.index("the numbers of run can't be trusted: its CPU was at 99 %") < text.index("p50")
    page = comparison_page([Comparison.of(before, after)])
    assert page.index("can&#39;t be trusted") < page.index("<table")


def test_few_simulations_tell_nothing():
    run = measured(conversations(10))
    rows = [row for row in compared(run, run) if row.name == "response_latency"]
    assert {(row.verdict, row.needs) for row in rows} == {("too_few", 20)}
    many = measured(conversations(25, turns=3))
    needs = {row.aggregate: row.needs for row in compared(many, many) if row.name == "response_latency"}
    assert needs == {"p50": None, "p95": 100, "p99": 500, "mean": None, "distribution": None}


def test_without_turns_in_rows_a_simulation_counts_once():
    told, untold = measured(conversations(200)), measured(conversations(200), with_turns=False)
    rows = compared(told, untold)
    assert all(row.is_guess for row in rows if row.name == "response_latency")
    widths = {}
    for name, runs in {"rows": (told, told), "none": (untold, untold)}.items():
        low, high = next(row.interval for row in compared(*runs) if row.aggregate == "mean")
        widths[name] = high - low
    assert widths["none"] > widths["rows"]
    (note,) = words.notes(rows, told, attrs.evolve(untold, folder=Path("another")))
    assert "rows do not tell which values of response_latency belong to one simulation" in note


def test_a_change_that_matters_to_nobody_is_not_told():
    before = measured([[0.5], [0.5001]] * 100)
    slower = [[0.5008], [0.5009]] * 100
    assert all(row.verdict != "changed" for row in compared(before, measured(slower)))
    assert any(row.verdict == "changed" for row in compared(before, measured([[0.51], [0.5101]] * 100)))


def test_it_is_the_same_each_time():
    runs = before_and_after()
    assert all_as_json([Comparison.of(*runs)]) == all_as_json([Comparison.of(*runs)])


def test_json_has_every_row():
    one = Comparison.of(*before_and_after())
    told = json.loads(json.dumps(all_as_json([one, one]), allow_nan=False))
    assert len(told["comparisons"]) == 2
    assert len(told["comparisons"][0]["rows"]) == len(one.rows)
    assert told["baseline"]["completed"] == 200
    nothing = measured(conversations(200), seconds=60), measured([], failed=200)
    json.dumps(all_as_json([Comparison.of(*nothing)]), allow_nan=False)
    json.dumps(all_as_json([Comparison.of(*reversed(nothing))]), allow_nan=False)


class Elements(HTMLParser):
    def __init__(self):
        super().__init__()
        self.names = []

    def handle_starttag(self, tag, attrs):
        self.names.append(tag)


@given(st.sampled_from([HOSTILE, '"><img src=x onerror=alert(1)>', "{{ 7 * 7 }}", "</style><b>"]))
def test_what_a_run_says_is_text(text):
    run = measured(conversations(25))
    other = measured(conversations(25))
    other.recovered.run["plan"] = RUN["plan"] | {"load": {text: text}}
    row = {"metric": f"failed{{agent={text}}}", "threshold": "rate < 1%", "value": 0.5, "unit": "1", "limit": 0.01}
    row |= {"baseline": None, "passed": False, "aborted": False, "reason": text}
    one = Comparison.of(run, other, [row])
    page = comparison_page([one], everything=True)
    page.encode()
    found = Elements()
    found.feed(page)
    assert not {"script", "img", "b"} & set(found.names)
    assert "\x1b" not in page + comparison_text([one], colour=False)
    assert "\u202e" not in page + json.dumps(all_as_json([one]), ensure_ascii=False)
    assert page.count("{{ 7 * 7 }}") == (4 if text.startswith("{{") else 0)
    comparison_text([one], colour=False).encode()


def test_the_page_needs_nothing_else():
    page = comparison_page([Comparison.of(*before_and_after())])
    assert 'http-equiv="Content-Security-Policy" content="default-src \'none\'' in page
    assert not re.search(r"(src|href)=\"(?!data:)", page)


def test_differences_of_plans():
    def run(**plan):
        return RUN | {"plan": RUN["plan"] | plan}

    assert differences(RUN, RUN) == []
    assert differences(RUN, run(name="x", thresholds={"failed": "rate < 1%"}, baseline="y")) == []
    assert differences(RUN, run(load={"shape": "constant", "concurrency": 8})) == [
        "load.shape: simulations -> constant"
    ]
    agents = [{"name": "support", "metadata": {"endpoint": "wss://b.example/ws"}}, {"name": "sales"}]
    assert differences(RUN, run(agents=agents)) == [
        "agents: support -> support, sales",
        "agents.support.metadata.endpoint: wss://a.example/ws -> wss://b.example/ws",
    ]
    assert differences(RUN, run(test_set=[{"id": "hello"}, {"id": "bye"}])) == ["test_set: 1 -> 2 test cases"]
    assert differences(RUN, run(test_set=[{"id": "bye"}])) == [
        "test_set: 1 of 1 test cases are others, or have other turns"
    ]
    assert differences(RUN, RUN | {"versions": {**RUN["versions"], "trio": "1"}, "machine": {"cpus": 4}}) == [
        "versions.trio: none -> 1",
        "machine.cpus: 2 -> 4",
    ]
    many = differences(RUN, run(load={str(number): number for number in range(50)}))
    assert len(many) == MOST
    assert many[-1] == "and 41 more"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
plans = st.dictionaries(st.sampled_from(["agents", "load", "test_set", "scenarios", "seed"]), json_values)


@given(plans, plans)
def test_any_plans_can_be_held_against_each_other(one, other):
    told = differences({"plan": one}, {"plan": other})
    assert bool(told) == (one != other and json.dumps(one) != json.dumps(other)) or not told
    assert len(told) <= MOST
