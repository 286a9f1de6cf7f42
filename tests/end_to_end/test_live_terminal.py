"""On a terminal of its own: the screen appears, follows the terminal's size, and is taken away however the run ends."""

import fcntl
import os
import pty
import re
import signal
import struct
import sys
import termios
from contextlib import asynccontextmanager

import pytest
import trio
from command import COMMAND, PATIENCE_S, environment
from in_process import chat_plan, on_the_line
from killed_runs import CAREFREE, answers_slowly, read, write

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a shell and its terminals")

TAKEN_AWAY = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l"


class Terminal:
    """What the command says on it, and its size."""

    def __init__(self, columns, lines):
        self.ours, self.theirs = pty.openpty()
        self.resize(columns, lines)
        os.set_blocking(self.ours, False)
        self.said = ""

    def resize(self, columns, lines):
        fcntl.ioctl(self.theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    async def read(self):
        """Until the command has let go of it."""
        kept = b""
        while True:
            try:
                await trio.lowlevel.wait_readable(self.ours)
                data = os.read(self.ours, 65536)
            except (OSError, trio.ClosedResourceError):  # what Linux says at the end of a terminal
                return
            kept += data
            self.said = kept.decode("utf-8", "ignore")

    def hang_up(self):
        """Nobody is there any more."""
        trio.lowlevel.notify_closing(self.ours)
        os.close(self.ours)
        self.ours = os.open(os.devnull, os.O_RDONLY)

    async def shows(self, pattern, since=0):
        with trio.fail_after(PATIENCE_S):
            while not re.search(pattern, self.said[since:], re.DOTALL):  # noqa: ASYNC110 - what is said is read elsewhere
                await trio.sleep(0.02)


@asynccontextmanager
async def in_a_terminal(*arguments, cwd, columns=100, lines=30, **env):
    terminal = Terminal(columns, lines)
    env = environment(**{"TERM": "xterm", **env})
    process = await trio.lowlevel.open_process(
        [COMMAND, *arguments], cwd=cwd, env=env, stdin=terminal.theirs, stdout=terminal.theirs, stderr=terminal.theirs
    )
    async with trio.open_nursery() as nursery:
        try:
            nursery.start_soon(terminal.read)
            yield terminal, process
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
            nursery.cancel_scope.cancel()
    os.close(terminal.ours)
    os.close(terminal.theirs)


@pytest.fixture
async def plan(tmp_path):
    """A plan that goes on for an hour."""
    async with on_the_line(answers_slowly) as endpoint:
        write(tmp_path, chat_plan(endpoint, "hello", load={"concurrency": 2, "duration": "1h"}, **CAREFREE))
        yield tmp_path


async def test_the_screen_appears_follows_the_terminal_and_is_taken_away(plan):
    async with in_a_terminal("run", "plan.json", "--out=run", cwd=plan) as (terminal, process):
        await terminal.shows(r"\x1b\[\?1049h.* of 1h00m.*running.*generator.*Ctrl-C: .*results in ")
        await terminal.shows("response_latency")
        drawn = len(terminal.said)
        terminal.resize(64, 13)
        await terminal.shows(r"\x1b\[13;1H", drawn)
        assert TAKEN_AWAY not in terminal.said
        process.send_signal(signal.SIGINT)
        with trio.fail_after(PATIENCE_S):
            assert await process.wait() == 130
        await terminal.shows("exit code 130")
    away = terminal.said.index(TAKEN_AWAY)
    assert "stopping: no new simulations" in terminal.said[away:]
    assert "the run was interrupted" in terminal.said[away:]
    assert "\x1b[?1049h" not in terminal.said[away:]
    assert read(plan, "run.json")["exit_code"] == 130


@pytest.mark.parametrize("env", [{"TERM": "dumb"}, {"columns": 59}, {"lines": 11}])
async def test_where_there_is_no_room_for_it_there_is_a_line(plan, env):
    async with in_a_terminal("run", "plan.json", "--out=run", cwd=plan, **env) as (terminal, _):
        await terminal.shows(r"\r\x1b\[K.* done · .*\r\x1b\[K.* done · ")
        assert "\x1b[?1049h" not in terminal.said


async def test_a_terminal_that_is_gone_does_not_end_the_run(tmp_path):
    async with on_the_line(answers_slowly) as endpoint:
        load = {"concurrency": 2, "duration": "2s"}
        write(tmp_path, chat_plan(endpoint, "hello", load=load, **CAREFREE))
        async with in_a_terminal("run", "plan.json", "--out=run", cwd=tmp_path) as (terminal, process):
            await terminal.shows("Ctrl-C: ")
            terminal.hang_up()
            with trio.fail_after(PATIENCE_S):
                assert await process.wait() == 0
    assert read(tmp_path, "run.json")["exit_code"] == 0


async def test_a_terminal_that_is_stopped_does_not_stop_the_run(tmp_path):
    async with on_the_line(answers_slowly) as endpoint:
        load = {"concurrency": 2, "duration": "1s"}
        write(tmp_path, chat_plan(endpoint, "hello", load=load, **CAREFREE))
        async with in_a_terminal("run", "plan.json", "--out=run", cwd=tmp_path) as (terminal, process):
            await terminal.shows("Ctrl-C: ")
            termios.tcflow(terminal.theirs, termios.TCOOFF)  # as Ctrl-S does
            with trio.fail_after(PATIENCE_S):
                while not (tmp_path / "run" / "summary.json").exists():  # noqa: ASYNC110 - a file has no event
                    await trio.sleep(0.05)
            termios.tcflow(terminal.theirs, termios.TCOON)
            assert await process.wait() == 0
            await terminal.shows("results in run.*$")
    assert terminal.said.index(TAKEN_AWAY) < terminal.said.index("1 turn" if "1 turn" in terminal.said else " turns,")
