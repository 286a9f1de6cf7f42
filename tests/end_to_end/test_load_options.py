"""`coval-load run` with a rate, with thresholds and with a verdict that is accepted, as a process."""

import json

from command import coval_load, side_by_side
from in_process import chat_plan, on_the_line

from coval_load.engine.run_folder import read_rows


async def answers(call):
    while True:
        await call.say("you said " + (await call.hear())["text"])


async def test_a_rate_and_thresholds_on_the_command_line(tmp_path):
    async with on_the_line(answers) as endpoint:
        plan = chat_plan(endpoint, "hello", metadata={"coalesce_timeout_seconds": 0}, limits={"per_agent": 50})
        plan |= {"generator": {}, "thresholds": {"offered": "count == 10"}}
        (tmp_path / "plan.json").write_text(json.dumps(plan))
        given = ["failed: rate < 50%", "failed: count < 5", "turns: count > 99"]
        options = [
            "--rate=10/s",
            "--duration=1s",
            "--accept-invalid",
            "--out=run",
            *(f"--threshold={one}" for one in given),
        ]
        done = await coval_load("run", "plan.json", *options, cwd=tmp_path)
    assert done.exit_code == 99, done.both
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert [(row["metric"], row["threshold"], row["passed"]) for row in summary["thresholds"]] == [
        ("offered", "count == 10", True),
        ("failed", "rate < 50%", True),
        ("failed", "count < 5", True),
        ("turns", "count > 99", False),
    ]
    resolved = json.loads((tmp_path / "run" / "run.json").read_text())["plan"]
    assert (resolved["load"]["shape"], resolved["load"]["rate"]) == ("arrival_rate", 10.0)
    assert resolved["generator"] == {"accept_invalid": True}
    due = sorted(row["scheduled_at"] for row in read_rows(tmp_path / "run" / "simulations.jsonl"))
    assert [round(at, 6) for at in due] == [number / 10 for number in range(10)]


async def test_options_that_are_none(tmp_path):
    plan = chat_plan("ws://127.0.0.1:1", "hello", load={"duration": "1s"})
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    wrong = {
        ("--rate=fast",): "load.rate: expected a rate such as 20/s",
        ("--threshold=response_latency p95 < 1s", "--rate=1/s"): "--threshold: expected",
        ("--threshold=failed: rat < 1%",): "thresholds.failed[0]: ",
    }
    ended = await side_by_side(*(["run", "plan.json", *options] for options in wrong), cwd=tmp_path)
    for told, done in zip(wrong.values(), ended, strict=True):
        assert (done.exit_code, done.out) == (2, ""), done.both
        assert done.tells(told), done.err
    assert [path.name for path in tmp_path.iterdir()] == ["plan.json"]
