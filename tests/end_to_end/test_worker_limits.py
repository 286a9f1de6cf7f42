"""An agent's limit holds over all workers, by its own count; and what a terminal does to a run over workers."""

import json
import os
import signal
from collections import Counter
from contextlib import asynccontextmanager

import trio
from command import coval_load, running
from crowd import LIMIT, QUICK, Crowd, assert_none_was_early, rows_of, summary_of
from dask_processes import ended, family, workers_of
from in_process import chat_plan, on_the_line


async def test_eight_are_eight_over_all_workers(tmp_path):
    agent = Crowd(many=LIMIT, delay_s=0.05)
    async with on_the_line(agent.take) as endpoint:
        plan = chat_plan(endpoint, "hello", metadata=QUICK, load={"concurrency": 24, "simulations": 120})
        (tmp_path / "plan.json").write_text(json.dumps(plan))
        done = await coval_load("run", "plan.json", "--out=run", "--workers=3", cwd=tmp_path)
    assert done.exit_code == 0, done.both
    assert agent.most == LIMIT
    assert agent.calls == 120
    assert summary_of(tmp_path)["counts"]["completed"] == 120
    rows = rows_of(tmp_path)
    assert_none_was_early(rows)
    dealt = Counter(row["worker"] for row in rows)
    assert dealt.keys() == {1, 2, 3}
    assert min(dealt.values()) > 20
    assert any("the limit of 8 simulations at once" in note for note in summary_of(tmp_path)["notes"])


@asynccontextmanager
async def busy(folder, agent, **timeouts):
    """A run over two workers while `agent` has all its callers on the line; and all processes of it."""
    async with on_the_line(agent.take) as endpoint:
        load = {"concurrency": agent.many, "duration": "1h"}
        plan = chat_plan(endpoint, "hello", metadata=QUICK, load=load, timeouts={"response": "1h", **timeouts})
        (folder / "plan.json").write_text(json.dumps(plan))
        async with running("run", "plan.json", "--out=run", "--workers=2", cwd=folder) as command:
            await agent.reached.wait()
            assert len(workers_of(command.process.pid)) == 2
            pids = [one.pid for one in family(command.process.pid)]
            try:
                yield command, pids
            finally:
                for pid in pids:
                    _kill(pid)


def _kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


async def the_first_interrupt_lets_those_at_workers_finish(tmp_path):
    agent = Crowd(many=4, delay_s=3600)
    async with busy(tmp_path, agent, grace="1h") as (command, pids):
        command.interrupt(signal.SIGINT)
        await command.says("stopping: no new simulations; 4 running ones have ")
        agent.answers.set()
        assert await command.end() == 130
        await ended(pids)
        assert agent.at_once == 0
    assert "Traceback" not in command.err
    assert [row["outcome"] for row in rows_of(tmp_path)] == ["completed"] * 4
    assert summary_of(tmp_path)["counts"]["completed"] == 4
    assert {worker["lost"] for worker in summary_of(tmp_path)["generator"]["workers"]} == {None}


async def the_second_interrupt_cuts_them_off(tmp_path):
    agent = Crowd(many=4, delay_s=3600)
    async with busy(tmp_path, agent, grace="1h") as (command, pids):
        command.interrupt(signal.SIGINT)
        await command.says("again to cut them off")
        command.interrupt(signal.SIGINT)
        assert await command.end() == 130
        await ended(pids)
    assert "Traceback" not in command.err
    rows = rows_of(tmp_path)
    assert [row["outcome"] for row in rows] == ["cancelled"] * 4
    assert {row["worker"] for row in rows} == {1, 2}
    assert [row["transcript"][0]["content"] for row in rows] == ["hello"] * 4
    assert summary_of(tmp_path)["counts"]["cancelled"] == 4


async def nothing_outlives_a_run_that_is_killed(tmp_path):
    agent = Crowd(many=4, delay_s=3600)
    async with busy(tmp_path, agent) as (command, pids):
        command.process.kill()
        with trio.fail_after(30):
            await agent.empty.wait()
        await ended(pids, within_s=30)


async def an_interrupt_before_the_workers_are_there(tmp_path):
    (tmp_path / "plan.json").write_text(json.dumps(chat_plan("ws://127.0.0.1:1", "hello")))
    async with running("run", "plan.json", "--out=run", "--workers=2", cwd=tmp_path) as command:
        await command.says("workers: 2 processes on this machine")
        await trio.sleep(0.2)  # in the midst of starting them, most likely
        pids = [one.pid for one in family(command.process.pid)]
        command.interrupt(signal.SIGINT)
        assert await command.end() == 130
        await ended(pids)
    assert "Traceback" not in command.err
    assert [path.name for path in tmp_path.iterdir()] == ["plan.json"]


async def test_runs_that_are_interrupted_or_killed(tmp_path):
    """Side by side, for most of each is to wait."""
    ends = (
        the_first_interrupt_lets_those_at_workers_finish,
        the_second_interrupt_cuts_them_off,
        nothing_outlives_a_run_that_is_killed,
        an_interrupt_before_the_workers_are_there,
    )
    async with trio.open_nursery() as nursery:
        for end in ends:
            folder = tmp_path / end.__name__
            folder.mkdir()
            nursery.start_soon(end, folder)
