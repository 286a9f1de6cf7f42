"""A plan that this machine has no room for is refused before anything is dialled; one that comes close is noted."""

import json
import sys

import pytest
import trio
from command import COMMAND, environment
from in_process import chat_plan, on_the_line

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no such limit")

LIMITED = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
os.execv(sys.argv[1], sys.argv[1:])
"""


async def limited(folder, plan):
    """`coval-load run` in a process that may open 256 files and can't raise that."""
    (folder / "plan.json").write_text(json.dumps(plan))
    command = [sys.executable, "-c", LIMITED, COMMAND, "run", "plan.json", "--out=run"]
    with trio.fail_after(60):
        return await trio.run_process(
            [str(part) for part in command],
            cwd=folder,
            env=environment(),
            capture_stdout=True,
            capture_stderr=True,
            check=False,
        )


async def test_more_at_once_than_files_may_be_open(tmp_path):
    called = []

    async def answers(call):
        called.append(call)
        await call.say("you said " + (await call.hear())["text"])
        await call.stay()

    quick = {"coalesce_timeout_seconds": 0}
    async with on_the_line(answers) as endpoint:
        sections = {"limits": {"per_agent": 1000}, "metadata": quick}
        plan = chat_plan(endpoint, "hello", load={"concurrency": 193, "duration": "1h"}, **sections)
        done = await limited(tmp_path, plan)
        assert (done.returncode, done.stdout) == (2, b""), done.stderr
        said = " ".join(done.stderr.decode().split())
        assert "load: 193 simulations at once take some 257 file descriptors; this process may open 256: " in said
        assert "run `ulimit -n 322` before" in said
        assert "nothing was dialled" in said
        assert [called, (tmp_path / "run").exists()] == [[], False]

        plan = chat_plan(endpoint, "hello", load={"rate": "3/s", "duration": "1s", "concurrency": 193}, **sections)
        done = await limited(tmp_path, plan)
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert [len(called), summary["counts"]["completed"]] == [3, 3]
    assert [note for note in summary["notes"] if note.startswith("193 simulations at once take some 257 file desc")]
