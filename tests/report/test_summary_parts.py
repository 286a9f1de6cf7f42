"""What the summary says of thresholds, checks, drift, loads that were not kept up, and how the run ended."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.engine import metrics
from coval_load.engine.evidence import Evidence
from coval_load.engine.labels import Labels
from coval_load.engine.outcome import ErrorKind, Failure, Outcome, Stage
from coval_load.engine.results import Results
from coval_load.engine.verdict import verdict, verdict_over
from coval_load.engine.vitals import Vitals
from coval_load.engine.worker_health import COORDINATOR, WorkerHealth
from coval_load.report.summary_parts.course import COLUMNS, blocks
from coval_load.report.summary_parts.thresholds import figure
from coval_load.report.summary_text import summary_text

RUN = {
    "name": "support line",
    "plan": {"load": {"shape": "simulations", "concurrency": 50}},
    "started": "2026-03-04T12:00:00.000Z",
    "ended": "2026-03-04T12:03:05.000Z",
    "exit_code": 0,
}
NEW_KEYS = ("scenarios", "selections", "checks", "thresholds", "drift", "over_time")


def printed(results=None, run=None, colour=False, **more):
    return summary_text((results or Results()).summary() | more, RUN | (run or {}), colour)


def with_load(**load):
    return {"plan": {"load": load}}


def threshold(passed=True, value=0.91, text="p95 < 1s", unit="s", **more):
    row = {"metric": "response_latency", "threshold": text, "value": value, "unit": unit, "passed": passed}
    return row | {"abort_on_fail": False, "aborted": False, "reason": "got 0.91 s"} | more


def point(at, latency=0.5, rate=0.0):
    return {"at": at, "response_latency_p95": latency, "error_rate": rate}


def trend(verdict, sentence="response_latency p95 grew by 3.5 % an hour", name="response_latency"):
    return {"name": name, "verdict": verdict, "sentence": sentence}


@pytest.mark.parametrize(
    ("load", "said"),
    [
        ({"shape": "simulations", "concurrency": 50}, "up to 50 at once, in"),
        ({"shape": "ramp", "start": 7, "stages": [{"duration": 5.0, "concurrency": 3}]}, "up to 7 at once, in"),
        ({"shape": "arrival_rate", "rate": 5.0, "duration": 5.0, "concurrency": 1000}, "5 a second for 5s, in"),
        ({"shape": "arrival_rate", "rate": 0.25, "duration": 5.0}, "15 a minute for 5s, in"),
        ({"shape": "arrival_rate", "rate": 0.01, "duration": 5.0}, "36 an hour for 5s, in"),
        (
            {
                "shape": "ramping_arrival_rate",
                "start_rate": 2.0,
                "stages": [{"duration": 60.0, "rate": 1.0}, {"duration": 90.0, "rate": 50.0}],
                "concurrency": 1000,
            },
            "up to 50 a second for 2m30s, in",
        ),
        ({"concurrency": 8}, "up to 8 at once, in"),
    ],
)
def test_the_load_is_told_as_it_was_asked_for(load, said):
    assert f"0 turns, {said} 3m05s\n" in printed(run=with_load(**load))


def test_several_scenarios_are_counted_and_one_is_told_by_its_load():
    one = {"load": {"shape": "arrival_rate", "rate": 5.0, "duration": 5.0}}
    assert "0 turns, 3 scenarios, in 3m05s\n" in printed(run={"plan": {"scenarios": [one] * 3}})
    assert "0 turns, 5 a second for 5s, in 3m05s\n" in printed(run={"plan": {"scenarios": [one]}})


def test_what_was_not_as_due_is_told_with_its_share():
    results = Results()
    for name, amount in ((metrics.OFFERED, 1000), (metrics.STARTED, 850), (metrics.DROPPED, 120)):
        results.count(name, amount)
    results.count(metrics.NEVER_STARTED, 30)
    results.count(metrics.QUEUED, 400)
    text = printed(results, colour=True)
    whole = "of 1,000 simulations due: 120 dropped (12.0 %), 30 never started (3.0 %), 400"
    assert f"\x1b[33m{whole}\x1b[0m\n\x1b[33m  had to wait (40.0 %)\x1b[0m\n" in text
    assert "\n  850 of the 1,000 simulations due were started\n" in text


def test_waiting_alone_is_no_alarm():
    results = Results()
    results.count(metrics.OFFERED, 10)
    results.count(metrics.QUEUED, 4)
    assert "\nof 10 simulations due: 4 had to wait (40.0 %)\n" in printed(results, colour=True)


def test_thresholds_are_told_in_words_and_in_colour():
    rows = [threshold(), threshold(False, 2.5, aborted=True), threshold(False, None, reason="")]
    text = printed(thresholds=rows, colour=True)
    assert "\x1b[32mok     \x1b[0m response_latency p95 < 1s: 0.91 s\n" in text
    assert "\x1b[31mCROSSED\x1b[0m response_latency p95 < 1s: 2.5 s (stopped the run)\n" in text
    assert "\x1b[31m1 of 3 thresholds held\x1b[0m" in text


def test_a_threshold_without_a_value_says_why():
    reason = "expected p95 < 1s; got no value: nothing was measured for response_latency"
    lines = printed(thresholds=[threshold(False, None, reason=reason)]).splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("CROSSED"))
    assert lines[at] == "CROSSED response_latency p95 < 1s: no value: nothing was measured for"
    assert lines[at + 1] == "          response_latency"
    assert "nothing was measured for it" in printed(thresholds=[threshold(False, None, reason=None)])


def test_of_many_thresholds_those_that_were_crossed_are_shown():
    rows = [*(threshold(metric=f"m{at}") for at in range(31)), threshold(False, metric="the_last")]
    text = printed(thresholds=rows)
    assert "CROSSED the_last" in text
    assert "\nand 12 more (summary.json has all)\n31 of 32 thresholds held\n" in text


@pytest.mark.parametrize(
    ("value", "unit", "expression", "told"),
    [
        (0.91, "s", "p95 < 1s", "0.91 s"),
        (0.054, "s", "p95 < 1s", "54 ms"),
        (1.0004, "s", "p95 < 1s", "1.0004 s"),
        (0.3123, "s", "p95 < 300ms", "312 ms"),
        (0.0100004, "1", "rate < 1%", "1.00004 %"),
        (0.123, "1", "rate < 0.1", "12.3 %"),
        (12345, "1", "count == 0", "12,345"),
        (19.99996, "1/s", "per_second >= 20", "19.99996 a second"),
        (0.035, "1/h", "drift < 2%", "3.5 % an hour"),
        (5e9, "bytes", "count < 1", "5,000,000,000 bytes"),
    ],
)
def test_a_figure_is_told_in_its_limits_unit_and_never_rounded_onto_it(value, unit, expression, told):
    assert figure(value, unit, expression) == told


def test_scenarios_stand_below_the_whole_and_groups_are_named_where_both_are_there():
    results = Results()
    for agent, scenario in (("voice", "rush"), ("chat", "regulars")):
        results.account(Labels(agent=agent, scenario=scenario)).record(metrics.RESPONSE_LATENCY, 0.5)
    shown = [line.split()[0] for line in printed(results).splitlines() if line.startswith(" ") and line.split()]
    assert shown == ["count", "agents", "chat", "voice", "scenarios", "regulars", "rush"]


@pytest.mark.parametrize(("plain", "due", "is_told"), [(0.1, 0.2, True), (0.1, 0.1051, True), (0.01, 0.0149, False)])
def test_a_late_generator_is_told_where_it_matters(plain, due, is_told):
    results = Results()
    results.record(metrics.RESPONSE_LATENCY, plain)
    results.record("scheduled_response_latency", due)
    text = printed(results)
    assert ("scheduled_response_latency       1" in text) is is_told
    assert ("turns began late" in " ".join(text.split())) is is_told


def test_ageing_is_a_sentence():
    results = Results()
    results.record(metrics.FIRST_TURNS_LATENCY, 0.5)
    results.record(metrics.LAST_TURNS_LATENCY, 0.6)
    text = " ".join(printed(results).split())
    assert "the last quarter was answered 20 % slower than the first" in text
    assert "first_turns_latency" not in text


def test_failing_checks_are_told_with_an_example_and_ten_are_enough():
    results = Results()
    for at in range(12):
        for _ in range(at):
            results.checks.add(f"case {at}", "says so", False, "expected a pizza; got none")
    results.checks.add("case 3", "says so", True, None)
    text = printed(results)
    assert "\n1 check passed, 66 failed\n     11 of 11 case 11: says so\n        expected a pizza; got none\n" in text
    assert "      3 of 4 case 3: says so\n" in text
    assert "case 1:" not in text
    assert "        and 1 more (summary.json has all)\n" in text


def test_checks_of_a_run_that_was_killed_are_counted():
    results = Results()
    results.count(metrics.CHECKS_PASSED, 3)
    assert "\n3 checks passed\n" in printed(results)


def test_what_grew_is_coloured_and_what_was_too_short_is_left_out():
    rows = [trend("grew"), trend("grew", "the error rate grew", metrics.FAILED), trend("steady", "memory is steady")]
    text = printed(drift=[*rows, trend("too_short", "too little")], colour=True)
    assert "\x1b[33mresponse_latency p95 grew by 3.5 % an hour\x1b[0m\n\x1b[31mthe error rate grew\x1b[0m\n" in text
    assert "\nmemory is steady\n" in text
    assert "too little" not in text


def test_the_course_is_a_line_of_blocks():
    points = [point(7200.0 * at, 0.4 + at / 10, at / 100) for at in range(5)]
    text = printed(over_time=points)
    assert "\nresponse_latency p95  ▁▂▅▆█  400 ms .. 800 ms over 8h00m\n" in text
    assert "\nerror rate            ▁▃▅▇█  0.0 % .. 4.0 % over 8h00m\n" in text


def test_short_runs_have_no_course_and_a_rate_of_0_none_either():
    assert "over 59s" not in printed(over_time=[point(30.0), point(59.0)])
    text = printed(over_time=[point(30.0), point(60.0)])
    assert "over 1m00s" in text
    assert "error rate" not in text


@given(st.lists(st.none() | st.floats(0, 1e6), max_size=70))
def test_blocks_are_a_column_for_each_value_as_far_as_they_fit(values):
    line = blocks(values)
    assert len(line) == min(len(values), COLUMNS)
    if any(values):
        assert "█" in line
    if len(values) <= COLUMNS:
        assert [letter == " " for letter in line] == [value is None for value in values]


@pytest.mark.parametrize(
    ("code", "why"), [(99, "a threshold was crossed"), (97, "a worker was lost"), (3, "no simulation completed")]
)
def test_the_exit_code_is_explained(code, why):
    assert printed(run={"exit_code": code}).endswith(f"\n\nexit code {code}: {why}\n")
    assert "exit code" not in printed(run={"exit_code": 0}) + printed(run={"exit_code": None})


def over(*workers):
    return {"generator": verdict_over(Evidence(vitals=Vitals(watched_s=9.0, cpu_s=3.0)), workers, False)}


def worker(number, host, error_s=0.0004, **more):
    told = verdict(Evidence(vitals=Vitals(watched_s=9.0, cpu_s=number)))
    return WorkerHealth(name=f"worker-{number}", host=host, clock_error_s=error_s, generator=told, **more)


def test_workers_are_counted_on_one_line():
    coordinator = WorkerHealth(name=COORDINATOR, host="here", clock_error_s=9.0)
    four = [worker(1, "a"), worker(2, "b", 0.0001), worker(3, "a", None), worker(4, "a")]
    text = printed(**over(coordinator, *four))
    assert "CPU at at most" not in text
    assert ": CPU at most 44%\n  workers: 4 on 2 hosts, clocks within 0.4 ms\n" in text
    assert "  workers: 1 on 1 host\n" in printed(**over(coordinator, worker(1, "a", None)))
    assert "workers" not in printed()
    gone = worker(2, "b\x1b[2J", lost="killed", lost_at_s=35.0, simulations_lost=17)
    text = printed(**over(coordinator, worker(1, "a"), gone))
    assert "  workers: 2 on 2 hosts, 1 of them lost, clocks within 0.4 ms\n" in text
    assert "worker-2 on b [2J was lost at 0:00:35 (killed): 17 simulations were lost" in " ".join(text.split())
    assert "\x1b" not in text


def test_a_summary_of_an_earlier_release_is_printed():
    summary = Results().summary()
    summary["counts"] = dict.fromkeys(("offered", "started", "completed", "failed", "cancelled"), 1)
    summary["counters"] = {"turns": 2}
    earlier = {name: value for name, value in summary.items() if name not in NEW_KEYS}
    run = {name: value for name, value in RUN.items() if name != "exit_code"}
    assert summary_text(earlier, run, colour=False).startswith("support line\n1 simulation completed, 1 failed,")


@given(st.text(max_size=200), st.text(max_size=300))
def test_whatever_users_write_stays_on_its_line(name, message):
    results = Results()
    results.count(metrics.OFFERED, 1)
    results.checks.add(name, name, False, message)
    for label in (name, name + "2"):
        results.account(Labels(agent=label, scenario=label)).record(metrics.RESPONSE_LATENCY, 0.5)
    kind = ErrorKind.INVALID_MESSAGE
    results.finished(Outcome("failed", Failure(kind, Stage.CONVERSATION, message)))
    results.note(message)
    key = f"response_latency{{agent={json.dumps(name)}}}"
    rows = [threshold(metric=key), threshold(False, None, metric=key, reason=message)]
    lines = printed(results, {"name": name}, thresholds=rows, drift=[trend("grew", message)]).split("\n")
    assert all(len(line) <= 80 for line in lines)
    assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize(
    ("again", "replaced", "said"),
    [
        (18, 0, "18 reconnects"),
        (0, 1, "1 connection recycled by age"),
        (1, 58, "1 reconnect, 58 connections recycled by age"),
    ],
)
def test_connections_that_were_made_anew_are_told(again, replaced, said):
    results = Results()
    results.count(metrics.RECONNECTS, again)
    results.count(metrics.CONNECTIONS_RECYCLED, replaced)
    assert said in printed(results).splitlines()


def test_connections_that_lasted_are_not_told():
    assert "reconnect" not in printed() and "recycled" not in printed()


def test_a_limit_from_a_baseline_is_shown_with_what_it_comes_from():
    row = threshold(text="p95 <= baseline + 10%", value=1.3, baseline=1.0, limit=1.1, passed=False)
    shown = " ".join(printed(thresholds=[row]).split())
    assert "CROSSED response_latency p95 <= baseline + 10%: 1.3 s (limit 1.1 s, baseline 1 s) 0 of 1" in shown
    rate = threshold(text="rate <= baseline + 1%", value=0.1200001, unit="1", baseline=0.11, limit=0.12, passed=False)
    shown = " ".join(printed(thresholds=[rate]).split())
    assert "baseline + 1%: 12.00001 % (limit 12 %, baseline 11 %)" in shown
    reason = "expected at most 1.1 s (baseline 1 s + 10%); got no value: nothing was measured for it"
    silent = row | {"value": None, "reason": reason}
    assert reason in " ".join(printed(thresholds=[silent]).split())


def test_what_realtime_agents_say_of_their_replies_is_told_where_there_is_any():
    results = Results()
    counted = {
        metrics.INPUT_TOKENS: 1200,
        metrics.OUTPUT_TOKENS: 340,
        metrics.INPUT_AUDIO_TOKENS: 900,
        metrics.CACHED_TOKENS: 128,
        metrics.REPLIES_CANCELLED: 12,
        metrics.REPLIES_FAILED: 1,
        metrics.AGENT_COMPLAINTS: 1,
        metrics.RENEWALS: 3,
    }
    for name, amount in counted.items():
        results.count(name, amount)
    results.account(Labels()).record(metrics.RENEWAL_TIME, 0.42)
    lines = printed(results).splitlines()
    assert "1,200 tokens read (900 of audio, 128 cached) and 340 written by the agent" in " ".join(lines)
    assert "replies of the agent: 12 cancelled, 1 failed" in lines
    assert "1 error reported by the agent that ended nothing" in lines
    assert "3 connections renewed (p50 420 ms, p95 420 ms)" in lines
    assert any(line.startswith("renewal_time ") for line in lines)
    assert all(len(line) <= 80 for line in lines)
    results.count(metrics.OUTPUT_AUDIO_TOKENS, 300)
    assert "and 340 written (300 of audio) by the agent" in " ".join(printed(results).split())
    quiet = printed()
    assert not any(word in quiet for word in ("token", "replies of", "reported", "renewed"))
