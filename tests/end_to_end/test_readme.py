"""Every command and code block of the README, run as a reader would, against a reference agent of our own."""

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import trio
from command import Done, coval_load
from docs_pages import blocks as page_blocks
from processes import forked_agent

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
COMMANDS = [line for language, text in BLOCKS if language == "sh" for line in text.splitlines()]
SHORT = ["--concurrency", "2", "--simulations", "2"]
"""What takes a command of the README down to a test's size; later options overrule earlier ones."""


def blocks(language: str) -> list[str]:
    return [text for it, text in BLOCKS if it == language]


async def command(line: str, agent, folder: Path) -> Done:
    words = shlex.split(line)
    assert words[0] == "coval-load"
    options = ["--allow-private", "--ca-file", str(agent.ca_file)]
    if words[1] == "run":
        options += [*SHORT, "--accept-invalid"]  # a machine that is busy with other tests
    if words[1] == "soak":
        options += [*SHORT, "--accept-invalid", "--duration", "20s", "--ramp-up", "1s"]
    keys = {"AGENT_TOKEN": "a-token-of-mine", "OPENAI_API_KEY": "reference-token"}
    return await coval_load(*words[1:], *options, cwd=folder, env=keys)


async def test_the_commands_work_on_the_files_shown(tmp_path):
    lines = [line for line in COMMANDS if line.startswith("coval-load")]
    assert [line.split()[1] for line in lines] == ["check", "run", "plan", "run", "soak"]
    async with forked_agent(["--delay", "400ms"], tmp_path / "agent") as agent:
        written = json.loads(blocks("json")[0])
        assert written["metadata"]["endpoint"].startswith("wss://")
        written["metadata"]["endpoint"] = agent.endpoint
        (tmp_path / "agent.json").write_text(json.dumps(written))
        (plan,) = blocks("yaml")
        (tmp_path / "plan.yaml").write_text(plan)
        done = []

        async def run(line: str, folder: Path) -> None:
            done.append((line, await command(line, agent, folder)))

        async with trio.open_nursery() as nursery:
            for line in lines:
                nursery.start_soon(run, line, tmp_path)
                await trio.sleep(1.1)  # a run folder's name has whole seconds
    for line, result in done:
        assert result.exit_code == 0, (line, result.both)
        assert "a-token-of-mine" not in result.both
        assert ("simulations" if " plan " in line else "completed") in result.out
    folders = list((tmp_path / "coval-runs").iterdir())
    assert len(folders) == 3
    for folder in folders:
        rows = (folder / "simulations.jsonl").read_text().splitlines()
        assert len(rows) == 2
        assert b"a-token-of-mine" not in b"".join(path.read_bytes() for path in folder.glob("*.json*"))


async def test_a_prompt_behind_an_api_can_be_called_too(tmp_path):
    _, shown, _ = blocks("json")
    words = ["--model-type", "chat", "--api", "openai", "--delay", "100ms"]
    async with forked_agent(words, tmp_path / "agent") as agent:
        written = json.loads(shown)
        assert written["metadata"]["chat_endpoint"].startswith("https://api.openai.com/")
        written["metadata"]["chat_endpoint"] = agent.endpoint
        (tmp_path / "agent.json").write_text(json.dumps(written))
        result = await command("coval-load check agent.json --dial", agent, tmp_path)
    assert result.exit_code == 0, result.both
    assert "completed" in result.out
    assert "reference-token" not in result.both


def test_a_prompt_behind_a_realtime_api_is_the_one_that_its_page_has_with_all_defaults():
    _, _, shown = map(json.loads, blocks("json"))
    (whole, *_) = (json.loads(text) for language, text in page_blocks("realtime") if language == "json")
    assert shown["metadata"].items() <= whole["metadata"].items()
    assert shown["model_type"] == whole["model_type"]


@pytest.mark.parametrize("target", ["demo", "test", "check"])
def test_make_knows_its_targets(target):
    shown = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {"demo": "coval-load demo", "test": "tests/side_by_side.py", "check": "mypy"}[target] in shown


def test_every_command_is_one_that_is_run():
    others = [line for line in COMMANDS if not line.startswith("coval-load")]
    assert others == ["make demo", "pip install ."]  # the first above, the second in test_package.py


def test_links_lead_somewhere():
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", README):
        assert (ROOT / target).exists(), target
