"""docs/realtime.md, followed from an empty folder with reference agents in the place of the providers."""

import json
import shlex
from pathlib import Path

import pytest
import trio
from command import coval_load
from docs_pages import blocks, page
from followed_steps import Done
from processes import agents

from coval_load.engine import metrics
from coval_load.reference.realtime.gates import KEY

RUN, RUN_OWN = [text.strip() for language, text in blocks("realtime") if language == "sh"]
OPENAI, OWN, GEMINI, WITH_TOOLS = [json.loads(text) for language, text in blocks("realtime") if language == "json"]
BARGE_IN, TOOLS = [text for language, text in blocks("realtime") if language == "yaml"]
SHORT = ["--concurrency", "2", "--simulations", "2", "--accept-invalid"]

STEPS = {
    "openai": (RUN, "OpenAI", OPENAI),
    "gemini": (RUN, "Gemini", GEMINI),
    "own": (RUN_OWN, "own server", OWN),
    "barge-in": ("coval-load run plan.yaml", "OpenAI", OPENAI),
    "tools": ("coval-load run plan.yaml", "with tools", WITH_TOOLS),
    "check": ("coval-load check agent.json --dial", "OpenAI", OPENAI),
}
"""What is done, with which agent, and which agent file."""
PLANS = {"barge-in": BARGE_IN, "tools": TOOLS}
USUAL = ["--delay=400ms", "--reply-seconds=2.5"]
AGENTS = {
    "OpenAI": ["--model-type=openai_realtime", *USUAL],
    "Gemini": ["--model-type=gemini_realtime", *USUAL],
    "own server": ["--model-type=openai_realtime", "--no-tls", *USUAL],
    "with tools": ["--model-type=openai_realtime", "--tool-rounds=1", *USUAL],
}


async def follow(step: str, folder: Path, agent) -> Done:
    command, _, body = STEPS[step]
    await trio.Path(folder).mkdir()
    metadata = body["metadata"] | {"endpoint": agent.endpoint}
    (folder / "agent.json").write_text(json.dumps(body | {"metadata": metadata}))
    (folder / "plan.yaml").write_text(PLANS.get(step, ""))
    words = shlex.split(command)
    assert words[0] == "coval-load"
    own = ["--allow-private", *(SHORT if words[1] == "run" else ())]
    own += ["--ca-file", str(agent.ca_file)] if agent.ca_file else []
    keys = {"OPENAI_API_KEY": KEY, "GEMINI_API_KEY": KEY}
    done = await coval_load(*words[1:], *own, cwd=folder, env=keys)
    return Done(done.exit_code, done.both, folder)


async def follow_all(folder: Path) -> dict[str, Done]:
    done = {}

    async def take(step: str, agent) -> None:
        done[step] = await follow(step, folder / step, agent)

    async with agents(folder, AGENTS) as running, trio.open_nursery() as following:
        for step, (_, name, _) in STEPS.items():
            following.start_soon(take, step, running[name])
    return done


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    return trio.run(follow_all, tmp_path_factory.mktemp("newcomer"))


@pytest.mark.parametrize("step", STEPS)
def test_a_step_succeeds_and_shows_no_key(done, step):
    done[step].completed_without_showing(KEY)


@pytest.mark.parametrize("step", ["openai", "gemini", "own", "barge-in", "tools"])
def test_conversations_are_whole(done, step):
    assert [row["outcome"] for row in done[step].rows] == ["completed"] * 2
    for row in done[step].rows:
        spoken = [turn for turn in row["transcript"] if turn.get("type") is None]
        assert all(turn.get("transcribed") for turn in spoken if turn["role"] == "user")
        assert all(turn["content"] for turn in spoken if turn["role"] == "assistant")


def test_the_numbers_that_are_explained_are_there(done):
    found = done["openai"].summary["metrics"].keys() | done["barge-in"].summary["metrics"].keys()
    section = page("realtime").split("\n## What the numbers say\n")[1].split("\n## ")[0]
    explained = [name for line in section.splitlines() if line.startswith("| `") for name in line.split("`")[1::2]]
    assert {name for name in explained if name in metrics.METRICS} <= found
    counters = done["openai"].summary["counters"]
    assert all(counters[name] > 0 for name in ("input_tokens", "output_tokens", "output_audio_tokens"))


def test_the_caller_interrupts(done):
    assert all(row["transcript"][1]["interrupted"] for row in done["barge-in"].rows)


def test_tools_get_their_result(done):
    for row in done["tools"].rows:
        kinds = [turn.get("type", turn["role"]) for turn in row["transcript"]]
        assert kinds == ["user", "tool_call", "tool_result", "assistant"]


def test_the_check_shows_both_sides(done):
    printed = done["check"].printed
    assert "session.update" in printed
    assert "the agent takes the caller's speech for over" in printed
    assert OPENAI["metadata"]["openai_realtime_instructions"][:15] in printed  # what is long is cut
