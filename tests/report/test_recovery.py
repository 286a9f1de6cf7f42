"""A summary from what a killed run left: whatever of it is there."""

import json
import tempfile
from collections import Counter
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import jsonschema
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

import coval_load.report
from coval_load.engine import metrics
from coval_load.engine.labels import Labels, Selector
from coval_load.engine.outcome import ErrorKind, Failure, Outcome, Stage
from coval_load.engine.recorder import open_recorder
from coval_load.engine.results import Results
from coval_load.engine.run_folder import create
from coval_load.engine.timeline import keep_timeline
from coval_load.faults import Faulty
from coval_load.report.recovery import recover
from coval_load.report.summary_text import summary_text

SCHEMAS = Path(coval_load.report.__file__).parent / "schemas"
SCHEMA = json.loads((SCHEMAS / "summary.schema.json").read_text())
TIMELINE_SCHEMA = json.loads((SCHEMAS / "timeline.schema.json").read_text())
COMPLETED = Outcome("completed")
CANCELLED = Outcome("cancelled")
EVENING = Selector.of({"agent": "a, b=c", "scenario": "evening"})


def failed(kind, message):
    return Outcome("failed", Failure(kind, Stage.CONVERSATION, message, 1))


class Drama:
    """A run in virtual time that measures what it is told to and writes rows as a real one does."""

    def __init__(self):
        self.results = Results()
        self.results.select(EVENING, {metrics.RESPONSE_LATENCY, metrics.TURNS})
        self.rows, self.timeline = [], []

    async def simulation(self, number, begins_s, latencies, outcome, labels, turn_s=1.0):
        await trio.sleep_until(self.origin + begins_s)
        account = self.results.account(labels)
        account.count(metrics.OFFERED)
        account.count(metrics.STARTED)
        account.record(metrics.CONNECT_TIME, 0.004)
        transcript = []
        for latency in latencies:
            await trio.sleep(turn_s)
            account.count(metrics.TURNS)
            account.record(metrics.RESPONSE_LATENCY, latency)
            start = trio.current_time() - self.origin
            turn = {"role": "assistant", "content": "hi", "start": start, "end": start}
            transcript.append(turn | {"metrics": {"response_latency": latency}})
        self.results.finished(outcome, account)
        ended_s = trio.current_time() - self.origin
        if outcome is COMPLETED:
            account.record(metrics.SIMULATION_TIME, ended_s - begins_s)
        times = {"simulation_time": ended_s - begins_s} if outcome is COMPLETED else {}
        self.rows.append(
            {
                "simulation_output_id": f"id{len(self.rows)}",
                "agent": labels.agent,
                "scenario": labels.scenario,
                "test_case": labels.test_case,
                "persona": labels.persona,
                "number": number,
                "scheduled_at": begins_s,
                "started_at": begins_s,
                "ended_at": ended_s,
                "outcome": outcome.status,
                "error": None if outcome.error is None else outcome.error.row(),
                "metrics": {"connect_time": 0.004} | times,
                "transcript": transcript,
                "events": [],
            }
        )

    def play(self, *simulations, ends_s):
        async def main():
            self.origin = trio.current_time()
            async with trio.open_nursery() as nursery:
                gauge = lambda: (0, 0)  # noqa: E731
                await nursery.start(
                    partial(keep_timeline, self.results, self.timeline.append, gauge, origin=self.origin)
                )
                for arguments in simulations:
                    nursery.start_soon(self.simulation, *arguments)
                await trio.sleep(ends_s)
                nursery.cancel_scope.cancel()

        trio.run(main, clock=MockClock(autojump_threshold=0))
        return self


def folder_of(drama, path, timeline_rows=None):
    """What a run that was killed leaves, with the first `timeline_rows` of its timeline."""
    folder = create(path, "support line", datetime(2026, 3, 4, 12, tzinfo=UTC))
    folder.begin({"load": {"concurrency": 2}}, 1.0)

    async def write():
        for name, rows in (("simulations", drama.rows), ("timeline", drama.timeline[:timeline_rows])):
            async with open_recorder(path / f"{name}.jsonl", lambda value: value, pytest.fail) as recorder:
                for row in rows:
                    recorder.write(row)

    trio.run(write)
    return path


DAY, NIGHT = Labels("morning", "support", "pizza", "p"), Labels("evening", "a, b=c", "refund", "q")
NO_RESPONSE = failed(ErrorKind.NO_RESPONSE, "No response received within 30 s")


def a_run():
    return Drama().play(
        (0, 0.0, [0.2, 0.3], COMPLETED, DAY),
        (1, 1.0, [0.4], NO_RESPONSE, DAY),
        (0, 3.5, [0.5] * 20, COMPLETED, NIGHT),
        (1, 12.0, [0.7], failed(ErrorKind.NO_RESPONSE, "another"), NIGHT),
        (2, 21.0, [0.8, 0.9, 0.8], COMPLETED, DAY),
        (3, 24.5, [1.1], COMPLETED, NIGHT),
        (4, 24.9, [], CANCELLED, DAY),
        ends_s=27,
    )


@pytest.fixture(scope="module")
def drama():
    return a_run()


def test_all_that_was_measured_is_in_the_summary(drama, tmp_path):
    recovered = recover(folder_of(drama, tmp_path / "run", timeline_rows=2))
    jsonschema.validate(json.loads(json.dumps(recovered.summary)), SCHEMA)
    truth = drama.results.summary()
    summary = recovered.summary
    assert not recovered.is_whole
    assert (summary["counts"], summary["errors"]) == (truth["counts"], truth["errors"])
    assert summary["error_examples"] == {"no_response": "No response received within 30 s"}
    for name in ("response_latency", "connect_time", "simulation_time"):
        mine, true = summary["metrics"][name], truth["metrics"][name]
        assert (mine["count"], mine["max"]) == (true["count"], pytest.approx(true["max"], rel=1e-3))
        assert mine["p50"] == true["p50"]
    for group in ("agents", "scenarios"):
        assert set(summary[group]) == set(truth[group])
        for name, entry in truth[group].items():
            assert summary[group][name]["counts"] == entry["counts"]
            assert summary[group][name]["errors"] == entry["errors"]
            assert summary[group][name]["response_latency"]["count"] == entry["response_latency"]["count"]
    (mine,), (true,) = summary["selections"].values(), truth["selections"].values()
    assert list(summary["selections"]) == [str(EVENING)]
    assert (mine["counts"], mine["errors"]) == (true["counts"], true["errors"])
    assert mine["metrics"]["response_latency"]["count"] == true["metrics"]["response_latency"]["count"]
    assert summary["notes"] == ["made from what a run that did not end left: 7 simulations, the last at 26s"]


def test_counters_are_those_of_the_timeline(drama, tmp_path):
    assert recover(folder_of(drama, tmp_path / "run", timeline_rows=2)).summary["counters"]["turns"] == 20
    assert recover(folder_of(drama, tmp_path / "whole")).summary["counters"]["turns"] == 28


def test_without_a_timeline_the_rows_tell_all_they_have(drama, tmp_path):
    folder = folder_of(drama, tmp_path / "run", timeline_rows=0)
    for summary in (recover(folder).summary, [(folder / "timeline.jsonl").unlink(), recover(folder).summary][1]):
        assert summary["metrics"]["response_latency"]["count"] == 28
        assert summary["counts"]["started"] == 7
        assert summary["scenarios"]["evening"]["counts"]["completed"] == 2


def test_a_run_that_is_whole_is_left_as_it_is(drama, tmp_path):
    folder = folder_of(drama, tmp_path / "run")
    (folder / "summary.json").write_text(json.dumps(drama.results.summary() | {"notes": ["mine"]}))
    run = json.loads((folder / "run.json").read_text()) | {"ended": "2026-03-04T12:00:27.000Z", "exit_code": 0}
    (folder / "run.json").write_text(json.dumps(run))
    recovered = recover(folder)
    assert (recovered.is_whole, recovered.summary["notes"], recovered.run) == (True, ["mine"], run)


def test_of_a_simulation_that_ran_twice_the_last_counts(drama, tmp_path):
    folder = folder_of(drama, tmp_path / "run")
    failed_first = next(row for row in drama.rows if row["outcome"] == "failed")
    again = failed_first | {"outcome": "completed", "error": None, "metrics": {}, "transcript": []}
    with (folder / "simulations.jsonl").open("a") as file:
        file.write(json.dumps(again) + "\n")
    counts = recover(folder).summary["counts"]
    truth = drama.results.summary()["counts"]
    assert (counts["failed"], counts["completed"]) == (truth["failed"] - 1, truth["completed"] + 1)


def test_rows_without_a_number_count_each(drama, tmp_path):
    folder = folder_of(drama, tmp_path / "run")
    rows = [{name: value for name, value in row.items() if name not in ("number", "scenario")} for row in drama.rows]
    (folder / "simulations.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows * 2))
    assert recover(folder).summary["counts"]["completed"] == 8


def test_the_generator_is_judged_by_its_vitals(drama, tmp_path):
    folder = folder_of(drama, tmp_path / "run")
    lines = [json.loads(line) for line in (folder / "timeline.jsonl").read_text().splitlines()]
    for line in lines:
        line["generator"] |= {"cpu_s": 0.95 * line["seconds"], "watched_s": line["seconds"]}
    (folder / "timeline.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    generator = recover(folder).summary["generator"]
    assert (generator["verdict"], generator["cpu_share"]) == ("degraded", 0.95)


def test_a_selection_that_measured_late_is_kept_whole(tmp_path):
    drama = Drama().play(
        (0, 1.0, [], CANCELLED, NIGHT),
        (1, 12.0, [0.4], COMPLETED, NIGHT),
        (2, 22.0, [0.6], COMPLETED, NIGHT),
        ends_s=25,
    )
    folder = folder_of(drama, tmp_path / "run", timeline_rows=2)
    assert recover(folder).summary["selections"][str(EVENING)]["metrics"]["response_latency"]["count"] == 2


def test_a_summary_of_a_run_without_an_end_is_not_trusted(drama, tmp_path):
    folder = folder_of(drama, tmp_path / "run")
    (folder / "summary.json").write_text("{}")
    assert not recover(folder).is_whole


def test_drift_is_told_of_when_the_load_was_even(drama, tmp_path):
    folder = folder_of(drama, tmp_path / "run", timeline_rows=1)
    (row,) = map(json.loads, (folder / "timeline.jsonl").read_text().splitlines())
    latency = row["metrics"]["response_latency"]
    course = (
        [(10 * n, 0.05 * n) for n in range(1, 11)]
        + [(99 - n % 3, 0.6) for n in range(20)]
        + [(50, 3.0)] * 5
        + [(60, 5.0)] * 3
    )
    with (folder / "timeline.jsonl").open("w") as file:
        for number, (running, p95) in enumerate(course):
            row |= {"at": 10.0 * (number + 1), "running": running}
            row["metrics"]["response_latency"] = latency | {"p95": p95}
            file.write(json.dumps(row) + "\n")
    drifted = recover(folder).summary["drift"]
    (p95,) = (entry for entry in drifted if entry["what"] == "response_latency p95")
    # The ramp comes to 90 of at most 100 in its ninth row: what is after that counts.
    assert (p95["points"], p95["verdict"], p95["level"]) == (21, "steady", 0.6)


@pytest.fixture(scope="module")
def files(drama):
    with tempfile.TemporaryDirectory() as folder:
        path = folder_of(drama, Path(folder) / "run")
        return {file.name: file.read_bytes() for file in path.iterdir()}


@given(data=st.data())
def test_whatever_was_written_before_the_kill_is_recovered(files, data):
    cut = dict(files)
    for name in ("simulations.jsonl", "timeline.jsonl"):
        size = len(files[name])
        cut[name] = files[name][: data.draw(st.integers(0, size) | st.just(size), name)]
    with tempfile.TemporaryDirectory() as folder:
        for name, content in cut.items():
            (Path(folder) / name).write_bytes(content)
        recovered = recover(Path(folder))
    summary = recovered.summary
    jsonschema.validate(json.loads(json.dumps(summary)), SCHEMA)
    lines = cut["simulations.jsonl"].count(b"\n")
    rows = [json.loads(line) for line in cut["simulations.jsonl"].splitlines()[:lines]]
    outcomes = Counter(row["outcome"] for row in rows)
    assert {name: summary["counts"][name] for name in outcomes} == outcomes
    assert sum(summary["errors"].values()) == outcomes["failed"]
    for name in (*outcomes, "offered"):
        assert sum(agent["counts"][name] for agent in summary["agents"].values()) == summary["counts"][name]
    # Each reply is in the timeline or in a row, and none is counted twice.
    latency = summary["metrics"].get("response_latency", {"count": 0})["count"]
    assert latency <= 28
    assert cut["simulations.jsonl"] != files["simulations.jsonl"] or latency == 28
    assert summary_text(summary, recovered.run, colour=False).endswith("\n")


def added_to_timeline(folder, recovered):
    """Does what a resumed run does first."""
    timeline = folder / "timeline.jsonl"
    if recovered.remainder is not None:
        jsonschema.validate(json.loads(json.dumps(recovered.remainder)), TIMELINE_SCHEMA)
        whole = timeline.read_bytes()
        timeline.write_bytes(whole[: whole.rfind(b"\n") + 1] + json.dumps(recovered.remainder).encode() + b"\n")


@given(data=st.data())
def test_with_the_remainder_the_timeline_has_all_that_was_known(files, data):
    rows = data.draw(st.integers(0, len(files["simulations.jsonl"]) - 1))
    intervals = data.draw(st.integers(0, len(files["timeline.jsonl"]) - 1))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name, content in files.items():
            (folder / name).write_bytes(content)
        (folder / "simulations.jsonl").write_bytes(files["simulations.jsonl"][:rows])
        (folder / "timeline.jsonl").write_bytes(files["timeline.jsonl"][:intervals])
        before = recover(folder)
        added_to_timeline(folder, before)
        after = recover(folder)
        (folder / "simulations.jsonl").write_bytes(b"")
        alone = recover(folder)
    assert after.remainder is None
    assert after.elapsed_s == pytest.approx(before.elapsed_s, abs=1e-6)
    for known in ("counts", "errors", "counters", "checks"):
        assert after.summary[known] == before.summary[known]
    assert counted(alone) == counted(after) == counted(before)


def counted(recovered):
    """How many values of each metric, of all simulations, of each agent and each scenario."""
    summary = recovered.summary
    found = {name: entry["count"] for name, entry in summary["metrics"].items()}
    for group in ("agents", "scenarios"):
        for name, entry in summary[group].items():
            found[group, name] = (entry["response_latency"] or {"count": 0})["count"]
    return {name: count for name, count in found.items() if count}


@given(data=st.data())
def test_bytes_that_are_none_of_ours_are_a_fault_or_make_a_summary(files, data):
    name = data.draw(st.sampled_from(sorted(files)))
    content = bytearray(files[name])
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with tempfile.TemporaryDirectory() as folder:
        for other, kept in files.items():
            (Path(folder) / other).write_bytes(bytes(content) if other == name else kept)
        try:
            recover(Path(folder))
        except Faulty as faulty:
            assert name in str(faulty)


@given(data=st.data())
def test_a_run_file_that_is_cut_is_a_clear_fault(files, data):
    content = files["run.json"].rstrip()
    cut = content[: data.draw(st.integers(0, len(content) - 1))]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "run.json").write_bytes(cut)
        with pytest.raises(Faulty, match=r"expected .*run\.json of a run; got"):
            recover(Path(folder))


def test_what_is_no_run_is_a_fault(tmp_path):
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(Faulty, match="No such file or directory: give the folder of a run"):
            recover(folder)
    (tmp_path / "run.json").write_text('{"name": "package"}')
    with pytest.raises(Faulty, match="got a file without plan, started"):
        recover(tmp_path)


def test_a_run_without_its_rows_is_a_fault(drama, tmp_path):
    folder = folder_of(drama, tmp_path / "run")
    (folder / "simulations.jsonl").unlink()
    with pytest.raises(Faulty, match=r"expected .*simulations\.jsonl of a run; got No such file"):
        recover(folder)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"outcome": "completed"}', r"simulations\.jsonl, row 8: expected a row as docs/results\.md has it; got no"),
        ("nonsense", r"simulations\.jsonl, line 8: expected JSON"),
    ],
)
def test_a_row_that_is_none_is_named(drama, tmp_path, line, message):
    folder = folder_of(drama, tmp_path / "run")
    with (folder / "simulations.jsonl").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(Faulty, match=message):
        recover(folder)
