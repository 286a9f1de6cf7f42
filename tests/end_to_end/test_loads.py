"""Loads, scenarios and thresholds of whole runs against an agent in this process, in virtual time."""

import json
import math
from functools import partial

import pytest
import trio
from in_process import chat_plan, on_the_line, run

from coval_load.engine.run_folder import read_rows
from coval_load.plans import launch

AT_ONCE = {"coalesce_timeout_seconds": 0}
"""A reply is complete with its first text."""
EXACT = 0.15
"""Seconds that virtual time may be off: what a busy machine takes for a dial is time that passes."""


async def answers(call):
    """Says something half a second after it was spoken to; two seconds if that was `slow`, nothing if `never`."""
    while True:
        text = (await call.hear())["text"]
        if text == "never":
            await call.stay()
        await trio.sleep(2 if text == "slow" else 0.5)
        await call.say(f"you said {text}")


def case(name, *turns, **more):
    return {"id": name, "turns": [{"type": "text", "text": turn} for turn in turns or (name,)], **more}


def plan_of(endpoint, **sections):
    cases = sections.pop("test_set", [case("quick")])
    return {**chat_plan(endpoint, metadata=AT_ONCE, **sections), "test_set": cases}


@pytest.fixture
def perform(tmp_path):
    async def perform(agent=answers, **sections):
        async with on_the_line(agent) as endpoint:
            return await run(plan_of(endpoint, **sections), tmp_path / "run")

    return perform


def replies(rows, metric="response_latency"):
    return [turn["metrics"][metric] for row in rows for turn in row["transcript"] if metric in turn.get("metrics", {})]


def percentile(values, percent):
    return sorted(values)[math.ceil(percent / 100 * len(values)) - 1]


def judged(ran):
    return {(row["metric"], row["threshold"]): row for row in ran.summary["thresholds"]}


BURST = {
    "limits": {"per_agent": 100},
    "timeouts": {"response": "3s"},
    "test_set": [case("quick", "hello", "bye"), case("slow")],
    "scenarios": [
        {"name": "steady", "load": {"concurrency": 2, "duration": "8s"}},
        {
            "name": "burst",
            "start": "4s",
            "test_set": [case("quick"), case("slow"), case("never")],
            "load": {"rate": "6/s", "duration": "2s"},
        },
    ],
}


async def test_thresholds_of_scenarios_say_what_the_rows_say(perform, virtual_time):
    ran = await perform(
        **BURST,
        thresholds={
            "response_latency{scenario=burst}": ["p50 < 1s", "max < 3s", "count == 8"],
            "response_latency{scenario=steady,test_case=slow}": "min > 1s",
            "response_latency": "mean < 10s",
            "failed{kind=no_response}": "count == 4",
            "failed{scenario=burst}": "rate < 30%",
            "failed{scenario=steady}": "rate <= 0",
            "turns{test_case=quick}": "count >= 4",
            "offered{scenario=burst}": "per_second > 1",
            "never_started": "count == 0",
        },
    )
    burst = [row for row in ran.rows if row["scenario"] == "burst"]
    steady = [row for row in ran.rows if row["scenario"] == "steady"]
    assert [len(burst), min(row["scheduled_at"] for row in burst)] == [12, 4]
    assert sorted(row["number"] for row in burst) == list(range(12))
    failed = [row for row in burst if row["error"] and row["error"]["kind"] == "no_response"]
    assert [len(failed), {row["test_case"] for row in failed}] == [4, {"never"}]
    elapsed_s = max(row["ended_at"] for row in ran.rows)
    rows = judged(ran)
    told = {(metric, text): row["value"] for (metric, text), row in rows.items()}
    of_slow = [row for row in steady if row["test_case"] == "slow"]
    spoken = sum(
        turn["role"] == "user" for row in ran.rows if row["test_case"] == "quick" for turn in row["transcript"]
    )
    assert told == {
        ("response_latency{scenario=burst}", "p50 < 1s"): pytest.approx(percentile(replies(burst), 50), rel=2e-3),
        ("response_latency{scenario=burst}", "max < 3s"): pytest.approx(max(replies(burst)), rel=2e-3),
        ("response_latency{scenario=burst}", "count == 8"): len(replies(burst)),
        ("response_latency{scenario=steady,test_case=slow}", "min > 1s"): pytest.approx(
            min(replies(of_slow)), rel=2e-3
        ),
        ("response_latency", "mean < 10s"): pytest.approx(sum(replies(ran.rows)) / len(replies(ran.rows)), rel=2e-3),
        ("failed{kind=no_response}", "count == 4"): 4,
        ("failed{scenario=burst}", "rate < 30%"): pytest.approx(4 / 12),
        ("failed{scenario=steady}", "rate <= 0"): 0,
        ("turns{test_case=quick}", "count >= 4"): spoken,
        ("offered{scenario=burst}", "per_second > 1"): pytest.approx(12 / elapsed_s, rel=0.05),
        ("never_started", "count == 0"): 0,
    }
    assert [key for key, row in rows.items() if not row["passed"]] == [("failed{scenario=burst}", "rate < 30%")], (
        ran.summary["thresholds"]
    )
    assert ran.exit_code == 99
    assert not any(row["aborted"] for row in rows.values())


async def test_each_scenario_has_a_tally(perform, virtual_time):
    ran = await perform(**BURST)
    assert ran.exit_code == 0
    for name, tally in ran.summary["scenarios"].items():
        rows = [row for row in ran.rows if row["scenario"] == name]
        assert tally["counts"]["offered"] == tally["counts"]["started"] == len(rows)
        for outcome in ("completed", "failed", "cancelled"):
            assert tally["counts"][outcome] == sum(row["outcome"] == outcome for row in rows)
        assert tally["response_latency"]["count"] == len(replies(rows))
        assert tally["response_latency"]["p50"] == pytest.approx(percentile(replies(rows), 50), rel=2e-3)
    assert list(ran.summary["scenarios"]) == ["steady", "burst"]
    assert ran.summary["scenarios"]["burst"]["errors"] == {"no_response": 4}
    whole = ran.summary["counts"]
    for count, amount in whole.items():
        assert amount == sum(tally["counts"][count] for tally in ran.summary["scenarios"].values())


async def test_an_agent_of_two_scenarios_has_one_limit(perform, virtual_time):
    load = {"concurrency": 3, "simulations": 6}
    ran = await perform(limits={"per_agent": 2}, scenarios=[{"name": "a", "load": load}, {"name": "b", "load": load}])
    edges = sorted([(row["started_at"], 1) for row in ran.rows] + [(row["ended_at"], -1) for row in ran.rows])
    running = [0]
    for _, change in edges:
        running.append(running[-1] + change)
    assert max(running) == 2
    assert [ran.summary["agents"]["in process"]["counts"]["completed"], list(ran.summary["agents"])] == [
        12,
        ["in process"],
    ]


async def test_a_threshold_stops_a_run_which_lets_the_running_ones_finish(perform, virtual_time):
    ran = await perform(
        test_set=[case("never"), case("slow", "slow", "slow", "slow")],
        load={"concurrency": 4, "duration": "10m"},
        timeouts={"response": "2500ms", "grace": "1m"},
        thresholds={
            "failed": {"threshold": "count < 1", "abort_on_fail": True},
            "completed": {"threshold": "count > 100000", "abort_on_fail": True, "delay": "5m"},
        },
    )
    assert ran.exit_code == 99
    by_metric = {row["metric"]: row for row in ran.summary["thresholds"]}
    assert [by_metric[name]["aborted"] for name in ("failed", "completed")] == [True, False]
    stopped_at = 3  # the first second after the first failure
    assert all(row["started_at"] < stopped_at + EXACT for row in ran.rows)
    assert max(row["ended_at"] for row in ran.rows) > 6
    assert {row["outcome"] for row in ran.rows} == {"completed", "failed"}
    (note,) = (note for note in ran.summary["notes"] if "stopped" in note)
    assert note.startswith("the run was stopped: failed: expected count < 1; got ")


async def test_what_stopped_a_run_has_failed_though_it_held_in_the_end(perform, virtual_time):
    # Three of the first four fail; those that are let finish make it less than half.
    cases = [case("never", "never"), *[case(f"slow{number}", *["slow"] * 3) for number in range(3)]]
    ran = await perform(
        test_set=cases,
        load={"concurrency": 4, "duration": "10m"},
        timeouts={"response": "2500ms", "grace": "1m"},
        thresholds={"failed": {"threshold": "rate < 50%", "abort_on_fail": True}},
    )
    (row,) = ran.summary["thresholds"]
    ended = [row["outcome"] for row in ran.rows]
    assert ended.count("failed") / len(ended) < 0.5
    assert [row["aborted"], row["passed"], row["value"], ran.exit_code] == [True, False, 1.0, 99]


async def test_a_delay_holds_an_abort_back(perform, virtual_time):
    ran = await perform(
        load={"concurrency": 1, "duration": "9s"},
        thresholds={"completed": {"threshold": "count < 1", "abort_on_fail": True, "delay": "5s"}},
    )
    assert 5 - 1 < max(row["started_at"] for row in ran.rows) < 6.5
    assert ran.summary["thresholds"][0]["aborted"]


async def test_the_agent_gets_slower_and_arrivals_do_not(perform, virtual_time):
    """Coordinated omission: who is due is called, however many wait for the agent by then."""

    async def tires(call):
        await call.hear()
        await trio.sleep(min(trio.current_time() / 2, 6))
        await call.say("well")

    ran = await perform(
        tires,
        limits={"per_agent": 500},
        load={"rate": "4/s", "duration": "10s"},
        thresholds={"start_lateness": "max < 1h", "dropped": "count == 0"},
    )
    rows = sorted(ran.rows, key=lambda row: row["number"])
    assert [row["scheduled_at"] for row in rows] == pytest.approx([number / 4 for number in range(40)])
    for row in rows:
        assert row["started_at"] - row["scheduled_at"] == pytest.approx(row["metrics"]["queue_time"])
        assert row["metrics"]["queue_time"] < EXACT
    assert replies(rows[-5:])[0] > 3 * replies(rows[:5])[0]
    assert ran.summary["metrics"]["start_lateness"]["count"] == 40
    assert ran.exit_code == 0


async def test_who_waits_for_a_place_waits_in_the_twins(perform, virtual_time):
    ran = await perform(
        test_set=[case("slow")],
        limits={"per_agent": 500},
        load={"rate": "2/s", "duration": "5s", "concurrency": 2},
        timeouts={"grace": "1m"},
    )
    started = [row for row in ran.rows if row["started_at"] is not None]
    assert len(ran.rows) == 10
    waited = [row for row in started if row["metrics"]["queue_time"] > 0.5]
    assert len(waited) >= 2
    for row in started:
        waited_s, own = row["metrics"]["queue_time"], row["metrics"]
        for name in ("connect_time", "simulation_time"):
            assert own[f"scheduled_{name}"] == pytest.approx(own[name] + waited_s, abs=1e-6)
        assert waited_s == pytest.approx(row["started_at"] - row["scheduled_at"])
        assert replies([row])[0] == pytest.approx(2, abs=EXACT)
    late = ran.summary["metrics"]["scheduled_simulation_time"]["max"] - ran.summary["metrics"]["simulation_time"]["max"]
    assert late > 1
    counts = ran.summary["counts"]
    assert ran.summary["counters"]["queued"] == len(waited) + counts["never_started"]
    assert counts["offered"] == counts["started"] + counts["never_started"] == 10


async def test_what_is_dropped_is_counted_and_is_a_threshold(perform, virtual_time):
    ran = await perform(
        test_set=[case("slow")],
        limits={"per_agent": 500},
        load={"rate": "2/s", "duration": "5s", "concurrency": 2, "when_full": "drop"},
        thresholds={"dropped": ["rate < 10%", "count < 100"]},
    )
    counts = ran.summary["counts"]
    assert counts["offered"] == 10
    assert counts["dropped"] == 10 - len(ran.rows) == 10 - counts["started"]
    assert 4 <= len(ran.rows) <= 6
    assert [row["passed"] for row in ran.summary["thresholds"]] == [False, True]
    assert ran.summary["thresholds"][0]["value"] == pytest.approx(counts["dropped"] / 10)
    assert ran.exit_code == 99


async def test_a_drift_that_can_not_be_told_has_not_passed(perform, virtual_time):
    ran = await perform(load={"concurrency": 2, "duration": "20s"}, thresholds={"response_latency": "drift < 5%"})
    (row,) = ran.summary["thresholds"]
    assert [row["value"], row["unit"], row["passed"], ran.exit_code] == [None, "1/h", False, 99]
    assert ran.summary["counts"]["completed"] > 50
    assert row["reason"].startswith("expected drift < 5%; got no trend of response_latency: the run was too short")


@pytest.mark.parametrize(("accepted", "exit_code"), [(False, 98), (True, 99)])
async def test_a_run_that_is_not_to_be_trusted(perform, virtual_time, monkeypatch, accepted, exit_code):
    # A recorder that takes no row: so the verdict does not depend on how busy this machine is.
    monkeypatch.setattr(launch, "open_recorder", partial(launch.open_recorder, rows_at_most=0))
    ran = await perform(
        load={"concurrency": 2, "simulations": 4},
        generator={"accept_invalid": accepted},
        thresholds={"completed": "count > 100"},
    )
    assert ran.summary["generator"]["verdict"] == "invalid"
    assert ran.exit_code == exit_code


async def test_a_ramp_is_in_the_timeline(perform, virtual_time, tmp_path):
    ran = await perform(
        limits={"per_agent": 50},
        load={"stages": [{"duration": "10s", "concurrency": 10}, {"duration": "10s", "concurrency": 0}]},
        record={"timeline": "1s"},
    )
    running = {round(row["at"]): row["running"] for row in read_rows(ran.folder / "timeline.jsonl")}
    assert running[10] in (9, 10)
    assert [running[at] for at in (2, 5, 8)] == sorted(running[at] for at in (2, 5, 8))
    assert all(running[at] <= at + 1 for at in range(1, 11))
    assert running[19] <= 3
    counted = sum(row["counts"]["offered"] for row in read_rows(ran.folder / "timeline.jsonl"))
    assert counted == ran.summary["counts"]["offered"] == len(ran.rows)
    shown = json.loads((ran.folder / "run.json").read_text())["plan"]["load"]
    assert [stage["concurrency"] for stage in shown["stages"]] == [10, 0]
