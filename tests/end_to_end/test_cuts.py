"""A run that is stopped or cut off at any instant leaves one row for each simulation, and nothing behind."""

import gc
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from in_process import answers, chat_plan, launch, on_the_line, voice_plan
from trio.testing import MockClock

from coval_load.actors.loss import Loss
from coval_load.actors.receiver import CoalescingReceiver
from coval_load.actors.simulation import Simulation
from coval_load.engine.link import Link
from coval_load.engine.outcome import SimulationFailed
from coval_load.engine.run_folder import create, read_rows


async def talk(call):
    """Now and then it drops the caller."""
    for number in range(3):
        text = (await call.hear())["text"]
        await trio.sleep(0.3)
        await call.say(f"{text}?")
        if number == 1 and call.path.endswith("rude"):
            await call.hang_up(1011)
            return
    await call.stay()


def open_descriptors():
    """Zero where the system does not list them."""
    if not Path("/proc/self/fd").exists():
        return 0
    return len(list(Path("/proc/self/fd").iterdir()))


async def run_until(plan, folder, told):
    """Runs `plan`; `told` are the seconds at which it is stopped and cut off, as by Ctrl-C."""
    runners = []

    async def interrupt(live):
        runner = live.runner
        runners.append(runner)
        for seconds, tell in zip(told, (runner.stop, runner.cut), strict=False):
            await trio.sleep(seconds)
            tell()

    finished = await launch(plan, folder, watches=[interrupt])
    return finished.summary, runners[0]


async def cut_chat(told, out):
    async with on_the_line(talk) as endpoint, on_the_line(talk) as other:
        plan = chat_plan(endpoint, "a", "b", load={"concurrency": 6, "duration": "3s"}, timeouts={"grace": "2s"})
        plan["agents"] += chat_plan(other + "/rude", "a")["agents"]
        plan["limits"] = {"per_agent": 2}
        folder = create(out, "cut", datetime.now(UTC))
        return folder, *await run_until(plan, folder, told)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0, 3), max_size=2))
def test_every_simulation_has_one_row_and_lets_go(told):
    before = open_descriptors()
    with tempfile.TemporaryDirectory() as temporary:
        folder, summary, runner = trio.run(
            cut_chat, told, Path(temporary) / "run", clock=MockClock(autojump_threshold=0.001)
        )
        rows = list(read_rows(folder.simulations_file))
    counts = summary["counts"]
    assert len(rows) == counts["offered"] == len({row["simulation_output_id"] for row in rows})
    assert counts["offered"] == counts["completed"] + counts["failed"] + counts["cancelled"]
    assert counts["started"] == sum(row["started_at"] is not None for row in rows)
    assert summary["errors"].keys() <= {"connection_closed"}
    assert (runner.running, runner.queued) == (0, 0)
    assert [semaphore.value for semaphore in runner.floor._agents.values()] == [2] * len(runner.floor._agents)
    assert open_descriptors() <= before


@pytest.mark.parametrize("told", [[], [1.0, 0.1]], ids=["to the end", "cut off"])
async def test_none_waits_for_the_garbage_collector(tmp_path, autojump_clock, told):
    autojump_clock.autojump_threshold = 0.001
    gc.collect()
    gc.disable()
    others = _kept_alive()  # by tests that came before
    try:
        await cut_chat(told, tmp_path / "chat")
        left = _kept_alive()  # before the next run, which begins with a collection
        async with on_the_line(answers) as endpoint:
            plan = voice_plan(endpoint, {"type": "text", "text": "hi", "audio": "clip:thanks-bye"})
            plan |= {"load": {"concurrency": 2, "simulations": 3}, "record": {"audio": "all"}}
            await run_until(plan, create(tmp_path / "voice", "cut", datetime.now(UTC)), told)
        left += _kept_alive()
    finally:
        gc.enable()
    assert [type(it).__name__ for it in left if not any(it is other for other in others)] == []


def _kept_alive():
    kinds = Simulation | Link | Loss | CoalescingReceiver | SimulationFailed
    return [it for it in gc.get_objects() if isinstance(it, kinds)]
