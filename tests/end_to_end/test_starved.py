"""A generator that does not get what it needs says so, and one that does is believed."""

import json
import os
import signal
import subprocess
import sys
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import pytest
import trio
import yaml
from command import running

from coval_load.reference.process import start_reference_agent

pytestmark = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="processes can't be pinned here")

THIEVES = 4
STOLEN_AT_MOST_S = 5
THIEF = f"""
import os, time
os.sched_setaffinity(0, {{{{{{core}}}}}})
try:
    os.nice({{nice}})
except OSError:
    pass  # only some may be more important than others
end = time.monotonic() + {STOLEN_AT_MOST_S}
while time.monotonic() < end:
    pass
"""


def cores():
    """One for the generator, and one that is another if there is one."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[-1]


@asynccontextmanager
async def generator(folder, duration, out="run"):
    """`coval-load run` on one core, once it has begun."""
    mine, others = cores()
    async with start_reference_agent([f"--cpu={others}"], folder / f"{out}-agent") as agent:
        plan = yaml.safe_load(agent.plan_file.read_text())
        plan |= {"load": {"concurrency": 4, "duration": duration}, "timeouts": {"grace": "0.2s"}}
        path = agent.plan_file.with_name("short.json")
        path.write_text(json.dumps(plan))
        async with running("run", path, f"--out={out}", cwd=folder) as command:
            os.sched_setaffinity(command.process.pid, {mine})
            await command.says(r"\d running")
            yield command


async def judged(command, folder, out="run"):
    """What the run says of its generator, and what it exited with."""
    code = await command.end()
    return json.loads((folder / out / "summary.json").read_text())["generator"], code


def rank(pid, nice):
    """To be ranked lower needs no privileges. Linux may share out the CPU by sessions, each with a rank of its own."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, nice)
    with suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text(str(nice))


@contextmanager
def core_stolen_from(pid):
    """Several processes want all of the generator's core, and all of them before it."""
    core, other = cores()
    programs = [THIEF.format(core=core, nice=-15 if number % 2 else 0) for number in range(THIEVES)]
    rank(pid, 19)
    thieves = [subprocess.Popen([sys.executable, "-I", "-S", "-c", program]) for program in programs]
    try:
        yield
    finally:
        for thief in thieves:
            thief.kill()
            thief.wait()
        rank(pid, 0)  # with another core, so that it is soon over where it may not be
        os.sched_setaffinity(pid, {core, other})


async def test_a_core_that_others_take_is_called_out(tmp_path):
    async with generator(tmp_path, "4s") as command:
        with core_stolen_from(command.process.pid):
            await trio.sleep(3)
        found, code = await judged(command, tmp_path)
    assert found["verdict"] in ("degraded", "invalid"), found
    assert (code == 98) == (found["verdict"] == "invalid")
    # Where the system does not say how long it kept others waiting, lateness still gives it away.
    told = "others had the CPU" if found["cpu_wait_share"] is not None else " late (p99)"
    assert any(told in reason for reason in found["reasons"]), found


async def test_a_generator_that_was_stopped_is_called_out(tmp_path):
    async with generator(tmp_path, "4s") as command:
        await trio.sleep(0.5)  # it says that it runs at the very beginning
        command.interrupt(signal.SIGSTOP)
        await trio.sleep(2)
        command.interrupt(signal.SIGCONT)
        found, code = await judged(command, tmp_path)
    assert (found["verdict"], code) == ("invalid", 98), found
    assert 1.9 < found["loop_lag_max_s"] < 4
    assert any("the generator woke up" in reason for reason in found["reasons"]), found


async def test_one_that_has_what_it_needs_is_believed(tmp_path):
    # Others may use this machine at the same time: of three runs one must be left alone.
    for attempt in ("first", "second", "third"):
        async with generator(tmp_path, "3s", attempt) as command:
            found, _ = await judged(command, tmp_path, attempt)
            if found["verdict"] == "valid":
                break
    assert (found["verdict"], found["reasons"]) == ("valid", [])
