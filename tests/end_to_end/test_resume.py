"""`--resume`: a run that was killed, or stopped, goes on with what is left of it."""

import json
import signal
import wave
from collections import Counter

import pytest
import trio
from command import coval_load, running
from in_process import chat_plan, on_the_line, voice_plan

from coval_load.engine.run_folder import read_rows

CAREFREE = {"persona": {"wait_seconds": 0}, "limits": {"per_agent": 50}, "metadata": {"coalesce_timeout_seconds": 0}}


async def answers(call):
    while True:
        await call.say((await call.hear())["text"])


async def answers_slowly(call):
    await call.hear()
    with trio.move_on_after(0.2):
        await call.stay()
    await call.say("hi")
    await call.stay()


def write(folder, plan):
    (folder / "plan.json").write_text(json.dumps(plan))


def rows_of(folder):
    return list(read_rows(folder / "run" / "simulations.jsonl"))


def read(folder, name):
    return json.loads((folder / "run" / name).read_text())


def settled(rows):
    """How often each simulation was completed or has failed."""
    return Counter((row["scenario"], row["number"]) for row in rows if row["outcome"] != "cancelled")


async def until(folder, rows):
    """Waits until so many rows are on disk."""
    path = folder / "run" / "simulations.jsonl"
    with trio.fail_after(60):
        while not path.exists() or path.read_bytes().count(b"\n") < rows:  # noqa: ASYNC110 - a file has no event
            await trio.sleep(0.02)


async def killed(folder, *arguments, rows=1, after_s=0.0):
    """Runs the command and kills it once there are so many rows, and so long after that."""
    async with running(*arguments, cwd=folder) as command:
        if rows:
            await until(folder, rows)
        await trio.sleep(after_s)
        command.process.kill()
        await command.process.wait()


async def resumed(folder, *more):
    return await coval_load("run", "--resume=run", *more, cwd=folder)


def assert_all_were_done_once(folder, planned):
    rows, summary = rows_of(folder), read(folder, "summary.json")
    assert settled(rows) == Counter(dict.fromkeys(planned, 1))
    counts = summary["counts"]
    assert counts["completed"] + counts["failed"] == len(planned)
    assert (counts["offered"], counts["started"], counts["cancelled"]) == (len(planned), len(planned), 0)
    assert sum(entry["counts"]["offered"] for entry in summary["scenarios"].values()) == len(planned)
    lines = (folder / "run" / "simulations.jsonl").read_bytes().splitlines(keepends=True)
    assert all(line.endswith(b"}\n") for line in lines)


@pytest.mark.parametrize("kills", [[(1, 0.0)], [(40, 0.1)], [(1, 0.15), (120, 0.0)]])
async def test_every_simulation_is_done_once_however_often_it_is_killed(tmp_path, kills):
    async with on_the_line(answers) as endpoint:
        write(tmp_path, chat_plan(endpoint, "hello", load={"concurrency": 5, "simulations": 600}, **CAREFREE))
        arguments = ["run", "plan.json", "--out=run"]
        for rows, after_s in kills:
            await killed(tmp_path, *arguments, rows=rows, after_s=after_s)
            arguments = ["run", "--resume=run"]
        assert 0 < len(rows_of(tmp_path)) < 600
        done = await resumed(tmp_path)
    assert done.exit_code == 0, done.both
    assert done.tells("going on after")
    assert "600 simulations completed" in done.out
    assert_all_were_done_once(tmp_path, [("default", number) for number in range(600)])
    run = read(tmp_path, "run.json")
    assert 1 <= len(run["resumed"]) <= len(kills)  # one may be killed before it goes on
    assert (run["ended"] is not None, run["exit_code"]) == (True, 0)
    assert any("the run was resumed" in note for note in read(tmp_path, "summary.json")["notes"])
    latencies = read(tmp_path, "summary.json")["metrics"]["response_latency"]["count"]
    assert abs(latencies - 600) <= 5 * len(kills)  # of those cut off some had been answered


@pytest.mark.parametrize("after_s", [0.05, 0.4, 0.7])
async def test_killed_before_or_as_it_begins(tmp_path, after_s):
    async with on_the_line(answers) as endpoint:
        write(tmp_path, chat_plan(endpoint, "hello", load={"concurrency": 2, "simulations": 20}, **CAREFREE))
        await killed(tmp_path, "run", "plan.json", "--out=run", rows=0, after_s=after_s)
        done = await resumed(tmp_path)
    assert "Traceback" not in done.both
    if done.exit_code == 0:
        assert_all_were_done_once(tmp_path, [("default", number) for number in range(20)])
    else:
        assert done.exit_code == 2
        assert done.tells("has no run.json") or done.tells("ended before it dialled")


async def test_killed_between_its_folder_and_its_first_row(tmp_path):
    async def silent(call):
        await call.stay()

    load = {"concurrency": 2, "simulations": 4}
    async with on_the_line(silent) as endpoint:
        write(tmp_path, chat_plan(endpoint, "hello", load=load, **CAREFREE))
        async with running("run", "plan.json", "--out=run", cwd=tmp_path) as command:
            await command.says("2 running")
            command.process.kill()
            await command.process.wait()
        port = int(endpoint.rpartition(":")[2])
    assert rows_of(tmp_path) == []
    printed = await coval_load("report", "run", cwd=tmp_path)
    assert printed.exit_code == 0
    assert port
    done = await resumed(tmp_path)  # nobody is at that port any more
    assert done.exit_code == 3
    assert_all_were_done_once(tmp_path, [("default", number) for number in range(4)])
    assert {row["outcome"] for row in rows_of(tmp_path)} == {"failed"}


@pytest.mark.parametrize(
    ("command", "load", "options"),
    [
        ("run", {"concurrency": 3, "duration": "6s"}, []),
        ("run", {"shape": "arrival_rate", "rate": "10/s", "duration": "6s"}, []),
        ("soak", {"concurrency": 3}, ["--duration=6s", "--ramp-up=1s"]),
    ],
)
async def test_a_run_for_a_time_goes_on_for_the_time_that_is_left(tmp_path, command, load, options):
    async with on_the_line(answers_slowly) as endpoint:
        write(tmp_path, chat_plan(endpoint, "hello", load=load, **CAREFREE))
        await killed(tmp_path, command, "plan.json", "--out=run", *options, rows=5)
        before = rows_of(tmp_path)
        done = await coval_load(command, "--resume=run", cwd=tmp_path)
    assert done.exit_code == 0, done.both
    rows = rows_of(tmp_path)
    later = rows[len(before) :]
    assert later
    assert set(settled(rows).values()) == {1}
    elapsed = max(row["ended_at"] for row in before)
    assert elapsed < 6
    assert min(row["scheduled_at"] for row in later) >= elapsed - 0.001
    assert max(row["scheduled_at"] for row in rows) < 6
    counts = read(tmp_path, "summary.json")["counts"]
    assert counts["completed"] + counts["failed"] == sum(settled(rows).values())
    at = [row["at"] for row in read_rows(tmp_path / "run" / "timeline.jsonl")]
    assert at == sorted(at)
    assert at[-1] >= 5.9


async def test_two_scenarios(tmp_path):
    async with on_the_line(answers) as endpoint:
        plan = chat_plan(endpoint, "hello", **CAREFREE)
        plan["scenarios"] = [
            {"name": "day", "load": {"concurrency": 2, "simulations": 150}},
            {"name": "night", "load": {"concurrency": 3, "simulations": 200}},
        ]
        write(tmp_path, plan)
        await killed(tmp_path, "run", "plan.json", "--out=run", rows=20)
        done = await resumed(tmp_path)
    assert done.exit_code == 0, done.both
    day, night = [("day", number) for number in range(150)], [("night", number) for number in range(200)]
    assert_all_were_done_once(tmp_path, day + night)
    scenarios = read(tmp_path, "summary.json")["scenarios"]
    assert {name: entry["counts"]["completed"] for name, entry in scenarios.items()} == {"day": 150, "night": 200}


async def test_those_that_an_interruption_cut_off_are_done_again(tmp_path):
    heard = 0
    patient = True
    waiting = trio.Event()

    async def agent(call):
        nonlocal heard
        await call.hear()
        heard += 1
        if heard > 6 and patient:
            if heard == 9:
                waiting.set()
            await call.stay()
        await call.say("hi")
        await call.stay()

    async with on_the_line(agent) as endpoint:
        plan = chat_plan(endpoint, "hello", load={"concurrency": 3, "simulations": 12}, **CAREFREE)
        write(tmp_path, plan | {"timeouts": {"grace": "1s"}})
        async with running("run", "plan.json", "--out=run", cwd=tmp_path) as command:
            await waiting.wait()
            command.interrupt(signal.SIGINT)
            assert await command.end() == 130
        assert Counter(row["outcome"] for row in rows_of(tmp_path)) == {"completed": 6, "cancelled": 3}
        patient = False
        done = await resumed(tmp_path)
        assert done.exit_code == 0, done.both
        assert_all_were_done_once(tmp_path, [("default", number) for number in range(12)])
        notes = read(tmp_path, "summary.json")["notes"]
        assert not any("interrupted" in note for note in notes)
        # As if it had been killed before it wrote its end: what was cancelled and done again is counted once.
        run = read(tmp_path, "run.json") | {"ended": None, "exit_code": None}
        (tmp_path / "run" / "run.json").write_text(json.dumps(run))
        printed = await coval_load("report", "run", "--json", cwd=tmp_path)
    counts = json.loads(printed.out)["counts"]
    assert (counts["offered"], counts["started"], counts["completed"], counts["cancelled"]) == (12, 12, 12, 0)


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


async def test_one_that_still_runs_is_left_alone(tmp_path):
    async with on_the_line(answers_slowly) as endpoint:
        write(tmp_path, chat_plan(endpoint, "hello", load={"concurrency": 2, "simulations": 20}, **CAREFREE))
        async with running("run", "plan.json", "--out=run", cwd=tmp_path) as command:
            await until(tmp_path, 1)
            second = await resumed(tmp_path)
            assert second.exit_code == 2
            assert second.tells("expected a run that has ended in run, but another process still runs it")
            assert await command.end() == 0
    assert_all_were_done_once(tmp_path, [("default", number) for number in range(20)])
    assert read(tmp_path, "run.json")["resumed"] == []


async def test_what_is_no_run_is_refused(tmp_path):
    (tmp_path / "run").mkdir()
    for folder in ("run", "nowhere"):
        done = await coval_load("run", f"--resume={folder}", cwd=tmp_path)
        assert done.exit_code == 2
        assert done.tells("it has no run.json: give the folder of a run")
        assert "Traceback" not in done.both
    assert list((tmp_path / "run").iterdir()) == []
    assert not (tmp_path / "nowhere").exists()


async def test_thresholds_and_checks_are_of_the_whole_run(tmp_path):
    async with on_the_line(answers) as endpoint:
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
    names = {path.name for path in (tmp_path / "run" / "recordings").iterdir()}
    assert names == {row["recording"]["file"].partition("/")[2] for row in rows_of(tmp_path)}
