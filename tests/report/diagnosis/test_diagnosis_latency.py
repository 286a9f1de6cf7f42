"""Latencies that change over the time, with the load, by label; and whose they are."""

import made_rows as made
import pytest

LATE = [made.interval(at * 10.0) for at in range(1, 13)]


def slower(from_s, times, until_s=float("inf")):
    def each(number, began_s, chance):
        told = made.healthy(number, began_s, chance)
        for turn in told["transcript"]:
            if "metrics" in turn and from_s <= turn["start"] < until_s:
                turn["metrics"] = {"response_latency": turn["metrics"]["response_latency"] * times}
        return told

    return each


def test_it_doubled():
    found = made.looked_at(made.closed(slower(60.0, 2.0), 20, 120.0), LATE)
    one = made.finding(found, "response latency")
    assert (one.about, one.severity) == ("agent", "bad")
    assert one.from_s == pytest.approx(60.0, abs=2.5)
    assert one.until_s is None
    assert one.title.endswith("from 1m00s on")
    assert "p50 36" in made.said(one)
    assert "-> 7" in made.said(one)
    assert "the load was the same: about 20 ran at once" in made.said(one)
    assert "it was the agent" in made.said(one)
    assert found.answer == f"It was the agent: {one.title}"


def test_a_tail_alone_is_found():
    def each(number, began_s, chance):
        told = made.healthy(number, began_s, chance)
        if began_s >= 60.0 and chance.random() < 0.15:
            told |= made.replies(began_s, [3.0, 3.0, 3.0])
        return told

    one = made.finding(made.looked_at(made.closed(each, 30, 120.0), LATE), "response latency")
    assert "p95" in one.title
    assert one.from_s == pytest.approx(60.0, abs=5.0)


def test_slow_at_the_start_is_a_warning():
    one = made.finding(made.looked_at(made.closed(slower(0.0, 3.0, 20.0), 20, 120.0), LATE), "response latency")
    assert one.severity == "warning"
    assert one.from_s is None
    assert one.until_s == pytest.approx(20.0, abs=2.5)


def test_a_small_change_is_none():
    found = made.looked_at(made.closed(slower(60.0, 1.1), 60, 120.0), LATE)
    assert "response latency level throughout" in [one.title for one in found.findings]


def test_it_rose_with_the_load():
    def each(number, began_s, chance):
        told = made.healthy(number, began_s, chance)
        at_once = 80 if began_s >= 60.0 else 10
        return told | made.replies(began_s, [0.3 * at_once / 10 * (0.9 + 0.2 * chance.random())] * 3)

    rows = made.closed(each, lambda at_s: 80 if at_s >= 60.0 else 10, 120.0)
    one = made.finding(made.looked_at(rows, LATE), "response latency")
    assert "it rose with the load: with up to 1" in made.said(one)


def test_without_transcripts_the_timeline_tells():
    def latency(p50_s):
        values = {"min": p50_s / 2, "p50": p50_s, "p90": p50_s * 1.5, "p95": p50_s * 1.7, "p99": p50_s * 2}
        return {"count": 200, "max": p50_s * 2.1} | values

    timeline = [made.interval(at * 10.0) for at in range(1, 13)]
    for row in timeline:
        row["metrics"] = row["metrics"] | {"response_latency": latency(0.9 if row["at"] > 60.0 else 0.4)}
    rows = made.closed(lambda *_: {}, 20, 120.0)
    one = made.finding(made.looked_at(rows, timeline), "response latency")
    assert one.from_s == pytest.approx(60.0)


def strained(from_s, until_s, **how):
    ends = [at * 10.0 for at in range(1, 13)]
    return [made.interval(at, **(how if from_s < at <= until_s else {})) for at in ends]


@pytest.mark.parametrize("how", [{"cpu_share": 0.97}, {"lag_s": 0.3}])
def test_what_rose_while_the_generator_fell_behind_is_its_own(how):
    found = made.looked_at(made.closed(slower(60.0, 2.0), 20, 120.0), strained(60.0, 120.0, **how))
    one = made.finding(found, "response latency")
    assert one.about == "generator"
    assert "these latencies are the generator's own" in made.said(one)
    assert found.answer.startswith("It was the load generator: response latency")


def test_one_that_was_late_by_little_is_not_why():
    found = made.looked_at(made.closed(slower(60.0, 6.0), 20, 120.0), strained(60.0, 120.0, lag_s=0.06))
    one = made.finding(found, "response latency")
    assert one.about == "agent"
    assert "woke at most 60 ms late (p99)" in made.said(one)
    assert "little beside the" in made.said(one)
    assert found.answer.startswith("It was the agent: response latency")


def test_a_generator_that_fell_behind_before_is_not_why():
    found = made.looked_at(made.closed(slower(60.0, 2.0), 20, 120.0), strained(0.0, 50.0, lag_s=0.3))
    one = made.finding(found, "response latency")
    assert one.about == "agent"
    assert "woke at most 3.0 ms late" in made.said(one)


def test_in_part_of_the_time_it_is_both():
    told = made.summary(loop_lag_p99_s=0.3, loop_lag_samples=1000)
    found = made.looked_at(made.closed(slower(60.0, 2.0), 20, 120.0), strained(60.0, 80.0, lag_s=0.3), told)
    one = made.finding(found, "response latency")
    assert one.about == "agent"
    assert "can't be told apart" in made.said(one)
    assert found.answer.startswith("Both the agent and the generator: response latency")


def test_without_a_timeline_the_whole_run_is_judged():
    told = made.summary(cpu_s=97.0)
    found = made.looked_at(made.closed(slower(60.0, 2.0), 20, 120.0), (), told)
    assert made.finding(found, "response latency").about == "generator"


def test_a_slow_test_case_is_named():
    def each(number, began_s, chance):
        told = made.healthy(number, began_s, chance)
        return told | made.replies(began_s, [1.2 + chance.random()] * 3) if told["test_case"] == "case-2" else told

    found = made.looked_at(made.closed(each, 20, 120.0), LATE)
    one = made.finding(found, "is slower")
    assert one.title.startswith('test case "case-2" is slower: 1.')
    assert one.severity == "warning"
    assert one.labels == {"test_case": "case-2"}
    assert not [one for one in found.findings if "p50" in one.title and one.severity != "good"]
