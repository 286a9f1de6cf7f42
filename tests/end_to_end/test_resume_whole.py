"""`--resume`: what a resumed run leaves is that of the whole run."""

import json
import wave

import pytest
from command import coval_load
from in_process import chat_plan, on_the_line, voice_plan
from killed_runs import (
    CAREFREE,
    answers,
    answers_in_a_while,
    assert_all_were_done_once,
    killed,
    read,
    resumed,
    rows_of,
    write,
)


async def test_of_a_run_that_is_complete_nothing_is_left(tmp_path):
    async with on_the_line(answers) as endpoint:
        plan = chat_plan(endpoint, "hello", load={"concurrency": 2, "simulations": 4}, **CAREFREE)
        write(tmp_path, plan | {"thresholds": {"failed": "rate > 50%"}})
        ran = await coval_load("run", "plan.json", "--out=run", cwd=tmp_path)
        assert ran.exit_code == 99
        files = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}
        again = await resumed(tmp_path)
    assert again.exit_code == 99
    assert again.tells("nothing is left: the run was over after")
    assert again.out == ran.out
    assert {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()} == files


async def test_a_run_that_was_killed_when_all_was_done_gets_its_summary(tmp_path):
    async with on_the_line(answers) as endpoint:
        write(tmp_path, chat_plan(endpoint, "hello", load={"concurrency": 2, "simulations": 4}, **CAREFREE))
        await coval_load("run", "plan.json", "--out=run", cwd=tmp_path)
        run = read(tmp_path, "run.json") | {"ended": None, "exit_code": None}
        (tmp_path / "run" / "run.json").write_text(json.dumps(run))
        (tmp_path / "run" / "summary.json").unlink()
        again = await resumed(tmp_path)
    assert again.exit_code == 0, again.both
    assert again.tells("nothing is left")
    assert_all_were_done_once(tmp_path, [("default", number) for number in range(4)])


async def test_thresholds_and_checks_are_of_the_whole_run(tmp_path):
    async with on_the_line(answers_in_a_while) as endpoint:
        plan = chat_plan(endpoint, "hello", load={"concurrency": 3, "simulations": 200}, **CAREFREE)
        plan["test_set"][0]["checks"] = [{"type": "contains", "name": "says hello", "text": "hello"}]
        counted = {'completed{agent="in process"}': ["count == 200"], "checks_passed": "count == 200"}
        write(tmp_path, plan | {"thresholds": counted})
        await killed(tmp_path, "run", "plan.json", "--out=run", rows=10)
        part = json.loads((await coval_load("report", "run", "--json", cwd=tmp_path)).out)
        done = await resumed(tmp_path)
    assert [row["passed"] for row in part["thresholds"]] == [False, False]
    assert [row["value"] for row in part["thresholds"]] == [part["counts"]["completed"]] * 2
    assert any("thresholds are judged by what there is" in note for note in part["notes"])
    assert done.exit_code == 0, done.both
    summary = read(tmp_path, "summary.json")
    assert [(row["value"], row["passed"]) for row in summary["thresholds"]] == [(200, True), (200, True)]
    assert [(entry["check"], entry["passed"]) for entry in summary["checks"]] == [("says hello", 200)]


async def test_recordings_of_a_resumed_run_are_whole(tmp_path):
    async def hums(call):
        await call.play(b"\x00\x10" * 8000)
        await call.stay()

    async with on_the_line(hums) as endpoint:
        turns = [{"type": "skip"}]
        plan = voice_plan(endpoint, *turns, load={"concurrency": 2, "simulations": 6}, record={"audio": "all"})
        write(tmp_path, plan)
        await killed(tmp_path, "run", "plan.json", "--out=run", rows=2)
        done = await resumed(tmp_path)
    assert done.exit_code == 0, done.both
    assert_all_were_done_once(tmp_path, [("default", number) for number in range(6)])
    for row in rows_of(tmp_path):
        with wave.open(str(tmp_path / "run" / row["recording"]["file"])) as recording:
            lasted = recording.getnframes() / recording.getframerate()
        assert lasted == pytest.approx(row["ended_at"] - row["recording"]["start"], abs=1.0)
        assert lasted > 0.4
    left = {path.relative_to(tmp_path / "run").as_posix() for path in (tmp_path / "run" / "recordings").iterdir()}
    recordings = {row["recording"]["file"] for row in rows_of(tmp_path)}
    assert left == recordings | {recording.replace(".wav", ".labels.txt") for recording in recordings}
