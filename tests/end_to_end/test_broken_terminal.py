"""Nobody reads the output any more: the run's files are whole, and the exit code is the run's."""

import fcntl
import os
import sys
import termios

import pytest
import trio
from command import COMMAND, PATIENCE_S, environment, running
from in_process import chat_plan, on_the_line
from killed_runs import CAREFREE, answers, answers_slowly, read, rows_of, until, write

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a shell and its terminals")


@pytest.fixture
async def crossed(tmp_path):
    """A folder with a plan of four simulations, which exits with 99."""
    async with on_the_line(answers) as endpoint:
        plan = chat_plan(endpoint, "hello", load={"concurrency": 2, "simulations": 4}, **CAREFREE)
        write(tmp_path, plan | {"thresholds": {"completed": "count > 4"}})
        yield tmp_path


def assert_whole(folder, code, simulations=4):
    run, summary = read(folder, "run.json"), read(folder, "summary.json")
    assert (run["exit_code"], run["ended"] is not None) == (code, True)
    assert len(rows_of(folder)) == simulations == summary["counts"]["completed"]


async def in_a_shell(line, folder):
    """Runs a line of bash, in which `$coval_load` is the command; returns what is left to be read, and of what fails
    in it the first exit code.
    """
    with trio.fail_after(PATIENCE_S):
        done = await trio.run_process(
            ["bash", "-o", "pipefail", "-c", line],
            cwd=folder,
            env=environment(coval_load=str(COMMAND)),
            capture_stdout=True,
            capture_stderr=True,
            check=False,
        )
    assert b"Traceback" not in done.stderr, done.stderr
    assert b"Exception ignored" not in done.stderr, done.stderr
    return done.stdout.decode(), done.stderr.decode(), done.returncode


@pytest.mark.parametrize(
    "redirected",
    [
        "| head -1",
        "2>&1 | head -1",
        "--json | head -c 10",
        ">&-",
        "2>&-",
        ">&- 2>&-",
        "> /dev/full",
        "2> /dev/full",
        "--json > /dev/full 2>&1",
    ],
)
async def test_in_a_shell(crossed, redirected):
    _, said, code = await in_a_shell(f'"$coval_load" run plan.json --out=run {redirected}', crossed)
    assert code == 99, said
    assert_whole(crossed, 99)


@pytest.mark.parametrize(("stream", "options"), [("stdout", []), ("stdout", ["--json"]), ("stderr", [])])
async def test_a_pipe_that_nobody_reads(crossed, stream, options):
    theirs, ours = os.pipe()
    os.close(theirs)
    try:
        async with running("run", "plan.json", "--out=run", *options, cwd=crossed, **{stream: ours}) as command:
            assert await command.process.wait() == 99
    finally:
        os.close(ours)
    assert_whole(crossed, 99)


async def test_a_terminal_that_is_gone_without_a_word(crossed):
    theirs, ours = os.openpty()
    try:
        streams = {"stdin": ours, "stdout": ours, "stderr": ours}
        async with running("run", "plan.json", "--out=run", cwd=crossed, env={"TERM": "xterm"}, **streams) as command:
            os.close(theirs)
            assert await command.process.wait() == 99
    finally:
        os.close(ours)
    assert_whole(crossed, 99)


async def test_a_terminal_that_hangs_up_ends_the_run_in_good_order(tmp_path):
    theirs, ours = os.openpty()
    async with on_the_line(answers_slowly) as endpoint:
        write(tmp_path, chat_plan(endpoint, "hello", load={"concurrency": 2, "duration": "1h"}, **CAREFREE))
        how = {"stdin": ours, "stdout": ours, "stderr": ours, "env": {"TERM": "xterm"}}
        # The session's own terminal, as a login has one: the system tells who runs there that it is gone.
        how["preexec_fn"] = lambda: fcntl.ioctl(ours, termios.TIOCSCTTY, 0)
        async with running("run", "plan.json", "--out=run", cwd=tmp_path, **how) as command:
            os.close(ours)
            await until(tmp_path, 1)
            os.close(theirs)
            assert await command.process.wait() == 130
    assert_whole(tmp_path, 130, len(rows_of(tmp_path)))
