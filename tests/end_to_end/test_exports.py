"""A run in a step of a GitHub workflow, with every file that it can be exported to, as a process of its own."""

import json
import re
from xml.etree import ElementTree

import pyarrow.parquet as pq
from command import coval_load
from in_process import chat_plan, on_the_line

GENERATOR = ("the run can be trusted with care",)
"""What a machine that is busy with other tests may add."""


async def commands(call):
    """An agent that would like to run the workflow."""
    while True:
        await call.hear()
        await call.say("::error::said by the agent\n##[group]folded")


def obeyed(said):
    """Command and title of what the workflow takes: what stands where commands are not stopped."""
    lines = iter(said.splitlines())
    for line in lines:
        if line.startswith("::stop-commands::"):
            token = line.removeprefix("::stop-commands::")
            assert f"::{token}::" in lines  # goes on after it
        elif line.startswith("::"):
            yield re.match(r"::(\w+) title=(.*?)::", line).groups()


async def test_a_run_in_a_workflow_is_exported_and_the_agent_commands_nothing(tmp_path):
    plan = {"thresholds": {"checks_failed": "rate < 1%"}, "load": {"simulations": 3, "concurrency": 3}}
    async with on_the_line(commands) as endpoint:
        made = chat_plan(endpoint, "hello", metadata={"coalesce_timeout_seconds": 0}, **plan)
        made["test_set"][0]["checks"] = [{"type": "contains", "text": "pizza"}]
        (tmp_path / "plan.json").write_text(json.dumps(made))
        asked = ("--junit=out/junit.xml", "--hgrm=out/hgrm", "--parquet=out/tables")
        github = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md")}
        done = await coval_load("run", "plan.json", "--out=run", *asked, cwd=tmp_path, env=github)
    assert done.exit_code == 99, done.both
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert "::error::said by the agent" in summary["checks"][0]["example"]
    assert [command for command, title in obeyed(done.out) if title not in GENERATOR] == ["notice", "error", "warning"]
    assert "##[" not in done.both
    root = ElementTree.parse(tmp_path / "out" / "junit.xml").getroot()
    assert (root.get("failures"), root.get("errors")) == ("2", "0")
    assert (tmp_path / "out" / "hgrm" / "response_latency.hgrm").exists()
    assert pq.read_table(tmp_path / "out" / "tables" / "simulations.parquet")["checks_failed"].to_pylist() == [1, 1, 1]
    assert "<strong>crossed</strong>" in (tmp_path / "summary.md").read_text()
