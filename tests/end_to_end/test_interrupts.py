"""Ctrl-C on a running command: once in good order, twice at once, and the results are on disk either way."""

import json
import math
import signal
import time

import pytest
import trio
from command import running
from in_process import chat_plan, on_the_line

from coval_load.engine.run_folder import read_rows


class Agent:
    """An agent that answers after `delay_s`; `busy` is set once three callers have spoken to it."""

    def __init__(self, delay_s):
        self.delay_s = delay_s
        self.busy = trio.Event()
        self.heard = 0

    async def take(self, call):
        text = (await call.hear())["text"]
        self.heard += 1
        if self.heard == 3:
            self.busy.set()
        with trio.move_on_after(self.delay_s):
            await call.stay()
        await call.say(f"you said {text}")
        await call.stay()


def write_plan(folder, endpoint, **timeouts):
    plan = chat_plan(
        endpoint,
        "hello",
        metadata={"coalesce_timeout_seconds": 0},
        load={"concurrency": 3, "duration": "1h"},
        timeouts=timeouts,
    )
    (folder / "plan.json").write_text(json.dumps(plan))


def results(folder):
    rows = list(read_rows(folder / "run" / "simulations.jsonl"))
    summary = json.loads((folder / "run" / "summary.json").read_text())
    run = json.loads((folder / "run" / "run.json").read_text())
    return rows, summary, run


@pytest.mark.parametrize("told", [signal.SIGINT, signal.SIGTERM])
async def test_the_first_lets_the_running_ones_finish(tmp_path, told):
    agent = Agent(delay_s=1)
    async with on_the_line(agent.take) as endpoint:
        write_plan(tmp_path, endpoint, grace="20s")
        async with running("run", "plan.json", "--out=run", cwd=tmp_path) as command:
            await agent.busy.wait()
            command.interrupt(told)
            assert await command.end() == 130
    rows, summary, run = results(tmp_path)
    assert "stopping: no new simulations; 3 running ones have 20 s to finish" in command.err
    assert "Traceback" not in command.err
    assert [row["outcome"] for row in rows] == ["completed"] * 3
    assert summary["counts"]["completed"] == 3
    assert run["exit_code"] == 130
    assert run["ended"] is not None


async def test_they_are_cut_off_when_the_grace_is_over(tmp_path):
    agent = Agent(delay_s=math.inf)
    async with on_the_line(agent.take) as endpoint:
        write_plan(tmp_path, endpoint, grace="1s")
        async with running("run", "plan.json", "--out=run", cwd=tmp_path) as command:
            await agent.busy.wait()
            command.interrupt(signal.SIGINT)
            asked_at = time.monotonic()
            assert await command.end() == 130
    assert 0.9 < time.monotonic() - asked_at < 5
    rows, summary, _ = results(tmp_path)
    assert [row["outcome"] for row in rows] == ["cancelled"] * 3
    assert summary["counts"]["cancelled"] == 3


async def test_the_second_cuts_off(tmp_path):
    agent = Agent(delay_s=math.inf)
    async with on_the_line(agent.take) as endpoint:
        write_plan(tmp_path, endpoint, grace="1h")
        async with running("run", "plan.json", "--out=run", cwd=tmp_path) as command:
            await agent.busy.wait()
            command.interrupt(signal.SIGINT)
            await command.says("again to cut them off")
            command.interrupt(signal.SIGINT)
            assert await command.end() == 130
    rows, summary, _ = results(tmp_path)
    assert [row["outcome"] for row in rows] == ["cancelled"] * 3
    assert [row["transcript"][0]["content"] for row in rows] == ["hello"] * 3
    assert summary["counts"]["cancelled"] == 3
    assert "Traceback" not in command.err


async def test_the_agent_of_a_demo_lives_on_for_the_running_ones(tmp_path):
    arguments = ["demo", "--model-type=chat_websocket", "--concurrency=2", "--duration=1h"]
    async with running(*arguments, cwd=tmp_path) as command:
        await command.says("callers against")
        while not list(tmp_path.glob("coval-runs/*/simulations.jsonl")):  # noqa: ASYNC110 - another process makes it
            await trio.sleep(0.05)
        await trio.sleep(0.3)  # by now both wait for an answer
        command.interrupt(signal.SIGINT)
        assert await command.end() == 130
    assert "Traceback" not in command.err
    (folder,) = (tmp_path / "coval-runs").iterdir()
    assert [row["outcome"] for row in read_rows(folder / "simulations.jsonl")] == ["completed"] * 2
