"""A disk that takes no more: what it took is whole, what it did not is counted, and the summary is printed."""

import json
import resource
import signal
import sys
from subprocess import PIPE

import pytest
import trio
from command import coval_load, read_all, running
from in_process import chat_plan, on_the_line
from killed_runs import CAREFREE, answers, answers_in_a_while, read, rows_of, until, write

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="no other process's limits can be set there")

STRICT = CAREFREE | {"generator": {"accept_invalid": False}}


def let_files_grow_to(size, process):
    """Writing beyond is refused, as on a full disk; None takes the limit off."""
    _, hard = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (hard if size is None else size, hard))


async def ended(command):
    """What it printed, and how it ended."""
    code = await command.end()
    return (await read_all(command.process.stdout)).decode(), code


def assert_lines_are_whole(folder):
    for name in ("simulations.jsonl", "timeline.jsonl"):
        lines = (folder / "run" / name).read_bytes().splitlines(keepends=True)
        assert all(line.endswith(b"}\n") and json.loads(line) for line in lines)


@pytest.mark.parametrize("room", [100_000, 0])
async def test_rows_that_were_lost_are_counted_and_make_the_run_invalid(tmp_path, room):
    async with on_the_line(answers_in_a_while) as endpoint:
        write(tmp_path, chat_plan(endpoint, "hello", load={"concurrency": 10, "duration": "2s"}, **STRICT))
        async with running("run", "plan.json", "--out=run", cwd=tmp_path, stdout=PIPE) as command:
            await until(tmp_path, 1)
            let_files_grow_to(room, command.process)
            out, code = await ended(command)
    assert code == 98
    assert "Traceback" not in command.err + out
    assert "simulations completed" in out
    assert_lines_are_whole(tmp_path)
    assert not list((tmp_path / "run").glob("*.part"))
    rows = rows_of(tmp_path)
    assert rows
    printed = await coval_load("report", "run", "--json", cwd=tmp_path)
    assert printed.exit_code == 0, printed.both
    summary = json.loads(printed.out)
    if room:
        lost = summary["counters"]["rows_lost"]
        assert lost > 0
        assert summary["counts"]["completed"] == len(rows) + lost
        assert summary["generator"]["verdict"] == "invalid"
        assert read(tmp_path, "run.json")["exit_code"] == 98
    else:
        assert "expected to write summary.json to run" in " ".join(out.split())
        assert not (tmp_path / "run" / "summary.json").exists()
        assert read(tmp_path, "run.json")["ended"] is None
        assert summary["counts"]["completed"] == len(rows)


async def test_when_there_is_room_again_rows_that_waited_are_written(tmp_path):
    answered = 0

    async def counts(call):
        nonlocal answered
        await call.say((await call.hear())["text"])
        answered += 1
        await call.stay()

    async with on_the_line(counts) as endpoint:
        write(tmp_path, chat_plan(endpoint, "hello", load={"concurrency": 5, "duration": "1h"}, **CAREFREE))
        async with running("run", "plan.json", "--out=run", cwd=tmp_path) as command:
            await until(tmp_path, 1)
            size = (tmp_path / "run" / "simulations.jsonl").stat().st_size
            let_files_grow_to(size + 1500, command.process)  # in the middle of a line
            enough = answered + 200
            while answered < enough:  # noqa: ASYNC110 - to see that the disk stands still is to wait
                await trio.sleep(0.02)
            assert_lines_are_whole(tmp_path)
            assert len(rows_of(tmp_path)) < answered - 100
            let_files_grow_to(None, command.process)
            await until(tmp_path, enough)
            command.interrupt(signal.SIGINT)
            assert await command.end() == 130
    assert_lines_are_whole(tmp_path)
    rows, summary = rows_of(tmp_path), read(tmp_path, "summary.json")
    assert summary["counters"]["rows_lost"] == 0
    assert sum(summary["counts"][name] for name in ("completed", "failed", "cancelled")) == len(rows)
    assert len({row["simulation_output_id"] for row in rows}) == len(rows)


async def test_a_summary_that_is_not_written_is_printed_and_run_json_says_how_it_ended(tmp_path):
    async def spiteful(call):
        (tmp_path / "run" / "summary.json").mkdir(exist_ok=True)
        await answers(call)

    async with on_the_line(spiteful) as endpoint:
        write(tmp_path, chat_plan(endpoint, "hello", load={"concurrency": 1, "simulations": 2}, **CAREFREE))
        done = await coval_load("run", "plan.json", "--out=run", cwd=tmp_path)
    assert done.exit_code == 98
    assert "2 simulations completed" in done.out
    assert done.tells("expected to write summary.json to run; got: Is a directory")
    assert "Traceback" not in done.both
    run = read(tmp_path, "run.json")
    assert (run["exit_code"], run["ended"] is not None) == (98, True)
    assert len(rows_of(tmp_path)) == 2
