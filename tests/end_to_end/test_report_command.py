"""`coval-load report`: the summary of a run that ended, and of one that was killed."""

import json

import trio
from command import begun, coval_load
from in_process import chat_plan, on_the_line


async def answers(call):
    while True:
        await call.say((await call.hear())["text"])


def plan_of_short_chats(endpoint, **load):
    return chat_plan(
        endpoint,
        "hello",
        metadata={"coalesce_timeout_seconds": 0},
        persona={"wait_seconds": 0},
        load={"concurrency": 10, **load},
        limits={"per_agent": 10},
    )


async def test_a_killed_run_has_a_summary(tmp_path):
    rows_file = tmp_path / "run" / "simulations.jsonl"
    async with on_the_line(answers) as endpoint:
        (tmp_path / "plan.json").write_text(json.dumps(plan_of_short_chats(endpoint, duration="1h")))
        with begun("run", "plan.json", "--out=run", cwd=tmp_path), trio.fail_after(60):
            while not rows_file.exists() or not rows_file.stat().st_size:  # noqa: ASYNC110 - a file has no event
                await trio.sleep(0.05)
    assert not (tmp_path / "run" / "summary.json").exists()
    rows = [json.loads(line) for line in rows_file.read_text().split("\n")[:-1]]
    printed = await coval_load("report", "run", cwd=tmp_path)
    assert printed.exit_code == 0
    assert f"{len(rows):,} simulation" in printed.out
    assert printed.tells("note: made from what a run that did not end left:")
    assert "response_latency" in printed.out
    as_json = await coval_load("report", "run", "--json", cwd=tmp_path)
    summary = json.loads(as_json.out)
    assert summary["counts"]["completed"] == sum(row["outcome"] == "completed" for row in rows) > 0
    replies = sum("response_latency" in turn.get("metrics", {}) for row in rows for turn in row["transcript"])
    # Those of conversations that were going on may be in the timeline and in no row.
    assert abs(summary["metrics"]["response_latency"]["count"] - replies) <= 10
    assert "this run" in as_json.err


async def test_a_run_that_ended_is_shown_again_as_it_was(tmp_path):
    async with on_the_line(answers) as endpoint:
        (tmp_path / "plan.json").write_text(json.dumps(plan_of_short_chats(endpoint, simulations=20)))
        ran = await coval_load("run", "plan.json", "--out=run", cwd=tmp_path)
    assert ran.exit_code == 0
    again = await coval_load("report", "run", cwd=tmp_path)
    assert (again.exit_code, again.out) == (0, ran.out)
    as_json = await coval_load("report", "run", "--json", cwd=tmp_path)
    assert json.loads(as_json.out) == json.loads((tmp_path / "run" / "summary.json").read_text())


async def test_a_folder_without_a_run_is_refused(tmp_path):
    done = await coval_load("report", ".", cwd=tmp_path)
    assert (done.exit_code, done.out) == (2, "")
    assert done.tells("expected run.json of a run; got No such file or directory: give the folder of a run")
    assert "Traceback" not in done.err
