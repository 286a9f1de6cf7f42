"""Runs that are killed and go on: what the tests of `--resume` share."""

import json
from collections import Counter

import trio
from command import PATIENCE_S, begun, coval_load

from coval_load.engine.run_folder import read_rows

CAREFREE = {"persona": {"wait_seconds": 0}, "limits": {"per_agent": 50}, "metadata": {"coalesce_timeout_seconds": 0}}


async def answers(call):
    while True:
        await call.say((await call.hear())["text"])


async def answers_in_a_while(call):
    text = (await call.hear())["text"]
    with trio.move_on_after(0.03):  # so that a kill finds something left to be done, however fast the machine is
        await call.stay()
    await call.say(text)
    await call.stay()


async def answers_slowly(call):
    await call.hear()
    with trio.move_on_after(0.2):
        await call.stay()
    await call.say("hi")
    await call.stay()


def write(folder, plan):
    (folder / "plan.json").write_text(json.dumps(plan))


def rows_of(folder):
    return list(read_rows(folder / "run" / "simulations.jsonl"))


def read(folder, name):
    return json.loads((folder / "run" / name).read_text())


def settled(rows):
    """How often each simulation was completed or has failed."""
    return Counter((row["scenario"], row["number"]) for row in rows if row["outcome"] != "cancelled")


async def until(folder, rows):
    """Waits until so many rows are on disk."""
    path = folder / "run" / "simulations.jsonl"
    with trio.fail_after(PATIENCE_S):
        while not path.exists() or path.read_bytes().count(b"\n") < rows:  # noqa: ASYNC110 - a file has no event
            await trio.sleep(0.02)


async def killed(folder, *arguments, rows=1, after_s=0.0, env=None):
    """Runs the command and kills it once it has written so many rows, and so long after that."""
    before = len(rows_of(folder)) if (folder / "run" / "simulations.jsonl").exists() else 0
    with begun(*arguments, cwd=folder, env=env):
        if rows:
            await until(folder, before + rows)
        await trio.sleep(after_s)


async def resumed(folder, *more):
    return await coval_load("run", "--resume=run", *more, cwd=folder)


def assert_all_were_done_once(folder, planned):
    rows, summary = rows_of(folder), read(folder, "summary.json")
    assert settled(rows) == Counter(dict.fromkeys(planned, 1))
    counts = summary["counts"]
    assert counts["completed"] + counts["failed"] == len(planned)
    assert (counts["offered"], counts["started"], counts["cancelled"]) == (len(planned), len(planned), 0)
    assert sum(entry["counts"]["offered"] for entry in summary["scenarios"].values()) == len(planned)
    lines = (folder / "run" / "simulations.jsonl").read_bytes().splitlines(keepends=True)
    assert all(line.endswith(b"}\n") for line in lines)
