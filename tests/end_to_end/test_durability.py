"""What is on disk: every row of a long run, and every row before a kill."""

import json
import shutil

import trio
from command import PATIENCE_S, begun, coval_load
from in_process import chat_plan, on_the_line, run
from processes import DEEP

from coval_load.engine.run_folder import read_rows

MANY = 10_000 if DEEP else 1_000


async def answers(call):
    while True:
        await call.say((await call.hear())["text"])


def plan_of_many(endpoint, **load):
    return chat_plan(
        endpoint,
        "hello",
        metadata={"coalesce_timeout_seconds": 0},
        persona={"wait_seconds": 0},
        load={"concurrency": 50, **load},
        limits={"per_agent": 50},
    )


async def test_many_simulations_are_as_many_lines(tmp_path):
    async with on_the_line(answers) as endpoint:
        ran = await run(plan_of_many(endpoint, simulations=MANY), tmp_path / "run")
    lines = (tmp_path / "run" / "simulations.jsonl").read_bytes().splitlines(keepends=True)
    assert len(lines) == len(ran.rows) == MANY
    assert all(line.endswith(b"\n") for line in lines)
    assert len({row["simulation_output_id"] for row in ran.rows}) == MANY
    assert {row["outcome"] for row in ran.rows} == {"completed"}
    counts = ran.summary["counts"]
    assert (counts["offered"], counts["started"], counts["completed"]) == (MANY, MANY, MANY)
    assert ran.summary["metrics"]["response_latency"]["count"] == MANY
    assert ran.summary["counters"]["rows_lost"] == 0


async def test_a_kill_leaves_every_row_before_it(tmp_path):
    answered = 0

    async def counts(call):
        nonlocal answered
        await call.say((await call.hear())["text"])
        answered += 1
        await call.stay()

    rows_file = tmp_path / "run" / "simulations.jsonl"
    async with on_the_line(counts) as endpoint:
        (tmp_path / "plan.json").write_text(json.dumps(plan_of_many(endpoint, duration="1h")))
        with begun("run", "plan.json", "--out=run", cwd=tmp_path), trio.fail_after(PATIENCE_S):
            while answered < 500 or not rows_file.stat().st_size:  # noqa: ASYNC110 - a file has no event
                await trio.sleep(0.05)
            known_long_before = answered
            await trio.sleep(1.0)  # a row is on disk half a second after its simulation
    rows = list(read_rows(rows_file))
    assert known_long_before - 50 <= len(rows) <= answered + 50
    assert {row["outcome"] for row in rows} == {"completed"}
    assert len({row["simulation_output_id"] for row in rows}) == len(rows)
    run_file = json.loads((tmp_path / "run" / "run.json").read_text())
    assert (run_file["ended"], run_file["exit_code"]) == (None, None)


async def test_a_folder_that_is_gone_takes_no_result_from_sight(tmp_path):
    (tmp_path / "run").mkdir()

    async def spiteful(call):
        await call.hear()
        shutil.rmtree(tmp_path / "run", ignore_errors=True)
        await call.say("gone")
        await call.stay()

    async with on_the_line(spiteful) as endpoint:
        (tmp_path / "plan.json").write_text(json.dumps(plan_of_many(endpoint, simulations=1)))
        done = await coval_load("run", "plan.json", "--out=run", cwd=tmp_path)
    assert done.exit_code == 98
    assert "1 simulation completed" in done.out
    assert done.tells("expected to write summary.json to run; got: No such file or directory")
    assert "Traceback" not in done.both
