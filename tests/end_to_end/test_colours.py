"""What a terminal gets that a pipe does not: colours and a line that is rewritten in place; NO_COLOR turns both off."""

import json
import os
import pty
import subprocess

import pytest
import trio
from command import COMMAND, ESCAPE, environment
from in_process import chat_plan, on_the_line


async def closes_on_everyone(call):
    await call.hear()
    await call.hang_up(4000)


def read_all(descriptor):
    said = b""
    try:
        while data := os.read(descriptor, 4096):
            said += data
    except OSError:  # what Linux says at the end of a terminal
        pass
    os.close(descriptor)
    return said.decode()


async def in_a_terminal(*arguments, cwd, stdout=None, **env):
    ours, theirs = pty.openpty()
    env = environment(TERM="xterm", **env)
    process = await trio.lowlevel.open_process(
        [COMMAND, *arguments], cwd=cwd, env=env, stdout=theirs if stdout is None else stdout, stderr=theirs
    )
    os.close(theirs)
    said = await trio.to_thread.run_sync(read_all, ours)
    return await process.wait(), said


@pytest.mark.parametrize("env", [{}, {"NO_COLOR": "1"}])
async def test_run(tmp_path, env):
    async with on_the_line(closes_on_everyone) as endpoint:
        (tmp_path / "plan.json").write_text(json.dumps(chat_plan(endpoint, "hello")))
        code, said = await in_a_terminal("run", "plan.json", cwd=tmp_path, **env)
    assert code == 3
    assert "connection_closed" in said
    assert (ESCAPE in said) is not bool(env)
    assert ("\r\x1b[K" in said) is not bool(env)


async def test_a_pipe_for_standard_output_makes_all_of_it_plain(tmp_path):
    async with on_the_line(closes_on_everyone) as endpoint:
        (tmp_path / "plan.json").write_text(json.dumps(chat_plan(endpoint, "hello")))
        code, said = await in_a_terminal("run", "plan.json", cwd=tmp_path, stdout=subprocess.DEVNULL)
    assert code == 3
    assert "0/1 done" in said
    assert ESCAPE not in said


@pytest.mark.parametrize("env", [{}, {"NO_COLOR": "1"}])
async def test_faults(tmp_path, env):
    (tmp_path / "plan.json").write_text("{}")
    code, said = await in_a_terminal("check", "plan.json", cwd=tmp_path, **env)
    assert code == 2
    assert "nothing was dialled" in said
    assert (ESCAPE in said) is not bool(env)
