"""The `coval-load` command as people run it: a process of its own, in an empty folder."""

import os
import re
import subprocess
import sys
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import attrs
import trio
from forked import begun_command, run_command

COMMAND = Path(sys.executable).with_name("coval-load")
PATIENCE_S = 60
DEMO_PATIENCE_S = 180
"""As people talk for 20 s in it, and all demos begin at once while other tests compute."""
ESCAPE = "\x1b"


@attrs.frozen
class Done:
    """How a command ended and what it said."""

    exit_code: int
    out: str
    err: str

    @property
    def both(self):
        return self.out + self.err

    def tells(self, words):
        """Whether `words` were said, however the lines were broken."""
        return " ".join(words.split()) in " ".join(self.both.split())


def environment(**more):
    """Ours, but for what changes how output looks; warnings are errors there too."""
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    return {**kept, "PYTHONWARNINGS": "error", **more}


async def coval_load(*arguments, cwd, env=None):
    """Runs the command to its end, in a process that has what the command imports."""
    with trio.fail_after(PATIENCE_S):
        return Done(*await run_command([*map(str, arguments)], cwd, environment(**(env or {}))))


@contextmanager
def begun(*arguments, cwd, env=None):
    """As `coval_load`; killed once the block is left. Gives the process."""
    with begun_command([*map(str, arguments)], cwd, environment(**(env or {}))) as (process, _):
        yield process


async def side_by_side(*commands, cwd):
    """Runs several commands at once; how each ended, in order."""
    ended = {}

    async def one(number, arguments):
        ended[number] = await coval_load(*arguments, cwd=cwd)

    async with trio.open_nursery() as nursery:
        for number, arguments in enumerate(commands):
            nursery.start_soon(one, number, arguments)
    return [ended[number] for number in range(len(commands))]


@attrs.define
class Running:
    """A command that runs: in a session of its own, as a shell in a terminal would have it."""

    process: trio.Process
    err: str = ""

    async def says(self, pattern):
        """Reads standard error up to what matches `pattern`."""
        with trio.fail_after(PATIENCE_S):
            while not re.search(pattern, self.err):
                data = await self.process.stderr.receive_some()
                assert data, f"expected {pattern!r}; got {self.err}"
                self.err += data.decode()

    def interrupt(self, signal):
        """As a terminal does: to every process in the foreground."""
        os.killpg(self.process.pid, signal)

    async def end(self):
        with trio.fail_after(PATIENCE_S):
            while data := await self.process.stderr.receive_some():
                self.err += data.decode()
            return await self.process.wait()


@asynccontextmanager
async def running(*arguments, cwd, env=None, within_s=PATIENCE_S, **how):
    """The command while it runs; killed if it is left running.

    Whatever the block waits for, it does not wait longer than `within_s`: what it waits for may never come, as where
    the command has ended. `how` goes to `subprocess.Popen`.
    """
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, **how}
    process = await trio.lowlevel.open_process(
        [COMMAND, *map(str, arguments)], cwd=cwd, env=environment(**(env or {})), start_new_session=True, **streams
    )
    command = Running(process)
    try:
        with trio.move_on_after(within_s) as patience:
            yield command
    finally:
        with trio.move_on_after(PATIENCE_S, shield=True):
            ended_with = process.returncode
            if ended_with is None:
                process.kill()
            await process.wait()
            if process.stderr is not None:
                if patience.cancelled_caught:
                    command.err += (await read_all(process.stderr)).decode(errors="replace")
                await process.stderr.aclose()
    if patience.cancelled_caught:
        how_it_stood = "it still ran" if ended_with is None else f"it had ended with {ended_with}"
        raise AssertionError(f"the test still waited after {within_s} s; {how_it_stood}; it said: {command.err}")


async def read_all(stream):
    """What is left in a pipe, as far as it comes within a second: a child may hold the other end."""
    data = b""
    with trio.move_on_after(1):
        async for piece in stream:
            data += piece
    return data


@attrs.define
class Demos:
    """`coval-load demo` of each medium, side by side."""

    folder: Path
    _processes: dict = attrs.field(factory=dict)

    def begin(self, medium, *options):
        cwd = self.folder / medium
        cwd.mkdir()
        command = [COMMAND, "demo", "--model-type", medium, "--concurrency=2", *options]
        self._processes[medium] = subprocess.Popen(
            command, cwd=cwd, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def end(self, medium):
        """The folder it ran in, and how it ended."""
        process = self._processes[medium]
        out, err = process.communicate(timeout=DEMO_PATIENCE_S)
        return self.folder / medium, Done(process.returncode, out, err)

    def clean_up(self):
        for process in self._processes.values():
            with process:
                process.terminate()
