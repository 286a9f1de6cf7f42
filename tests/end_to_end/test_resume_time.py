"""A resumed run goes on in time: with what is left of its load, and in its timeline."""

import json

import trio
from command import coval_load
from in_process import chat_plan, on_the_line
from killed_runs import CAREFREE, answers_slowly, killed, read, rows_of, settled, write

from coval_load.engine.run_folder import read_rows

LOADS = {
    "closed": ("run", {"concurrency": 3, "duration": "4s"}, []),
    "open": ("run", {"shape": "arrival_rate", "rate": "10/s", "duration": "4s"}, []),
    "soak": ("soak", {"concurrency": 3}, ["--duration=4s", "--ramp-up=1s"]),
}


async def test_a_run_for_a_time_goes_on_for_the_time_that_is_left(tmp_path):
    async with on_the_line(answers_slowly) as endpoint, trio.open_nursery() as nursery:
        for name, (command, load, options) in LOADS.items():
            folder = tmp_path / name
            folder.mkdir()
            write(folder, chat_plan(endpoint, "hello", load=load, **CAREFREE))
            nursery.start_soon(goes_on_for_the_time_that_is_left, folder, command, options)


async def goes_on_for_the_time_that_is_left(folder, command, options):
    await killed(folder, command, "plan.json", "--out=run", *options, rows=5)
    before = rows_of(folder)
    done = await coval_load(command, "--resume=run", cwd=folder)
    assert done.exit_code == 0, done.both
    rows = rows_of(folder)
    later = rows[len(before) :]
    assert later
    assert set(settled(rows).values()) == {1}
    elapsed = max(row["ended_at"] for row in before)
    assert elapsed < 4
    assert min(row["scheduled_at"] for row in later) >= elapsed - 0.001
    assert max(row["scheduled_at"] for row in rows) < 4
    counts = read(folder, "summary.json")["counts"]
    assert counts["completed"] + counts["failed"] == sum(settled(rows).values())
    at = [row["at"] for row in read_rows(folder / "run" / "timeline.jsonl")]
    assert at == sorted(at)
    assert at[-1] >= 3.9


async def test_the_timeline_goes_on_and_counts_everything_once(tmp_path):
    async with on_the_line(answers_slowly) as endpoint:
        plan = chat_plan(endpoint, "hello", load={"concurrency": 4, "duration": "1h"}, **CAREFREE)
        write(tmp_path, plan | {"record": {"timeline": "1s"}})
        await killed(tmp_path, "run", "plan.json", "--out=run", rows=25)
        await killed(tmp_path, "run", "--resume=run", rows=25)
        printed = await coval_load("report", "run", "--json", cwd=tmp_path)
    summary, rows = json.loads(printed.out), rows_of(tmp_path)
    timeline = list(read_rows(tmp_path / "run" / "timeline.jsonl"))
    assert [row["at"] for row in timeline] == sorted({row["at"] for row in timeline})
    assert summary["counts"]["completed"] == len(rows)
    replies = sum("response_latency" in turn.get("metrics", {}) for row in rows for turn in row["transcript"])
    # Of those who were on the line at either kill an answer may be in the timeline and in no row.
    assert abs(summary["metrics"]["response_latency"]["count"] - replies) <= 8
    assert sum(row["counts"]["completed"] for row in timeline) <= len(rows)
