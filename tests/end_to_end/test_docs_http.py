"""docs/openai.md, followed from an empty folder with a reference agent in the place of the model."""

import json
import shlex
from pathlib import Path

import pytest
import trio
from command import coval_load
from docs_pages import blocks, page
from followed_steps import Done
from processes import agents

CHECK, RUN, RUN_PLAN = [text.strip() for language, text in blocks("openai") if language == "sh"]
AGENT, WITH_TOOLS = [json.loads(text) for language, text in blocks("openai") if language == "json"]
(PLAN,) = [text for language, text in blocks("openai") if language == "yaml"]
KEY = "reference-token"
SHORT = ["--concurrency", "2", "--simulations", "2"]
NEWER = {"response_format": "responses"}
"""What the page says to add for an endpoint that ends in /v1/responses."""


def with_keys(body: dict, **keys: object) -> dict:
    return body | {"metadata": body["metadata"] | keys}


USUAL = ["--model-type", "chat", "--delay", "50ms"]
AGENTS = {
    "chat": [*USUAL, "--api", "openai"],
    "responses": [*USUAL, "--api", "responses"],
    "tools": [*USUAL, "--api", "openai", "--tool-rounds", "1"],
}
STEPS = {
    "check": (CHECK, "chat", AGENT),
    "check responses": (CHECK, "responses", with_keys(AGENT, **NEWER)),
    "run": (RUN, "chat", AGENT),
    "run responses": (RUN, "responses", with_keys(AGENT, **NEWER)),
    "run whole": (RUN, "chat", with_keys(AGENT, stream=False)),
    "run plan": (RUN_PLAN, "tools", AGENT),
    "run plan with tools": (RUN_PLAN, "tools", WITH_TOOLS),
}
"""What is done, with which agent, and which agent file."""


async def follow(command: str, folder: Path, agent, body: dict) -> Done:
    (folder / "agent.json").write_text(json.dumps(with_keys(body, chat_endpoint=agent.endpoint)))
    (folder / "plan.yaml").write_text(PLAN)
    words = shlex.split(command)
    assert words[0] == "coval-load"
    own = ["--allow-private", "--ca-file", str(agent.ca_file)]
    own += [*SHORT, "--accept-invalid"] if words[1] == "run" else []
    done = await coval_load(*words[1:], *own, cwd=folder, env={"OPENAI_API_KEY": KEY})
    return Done(done.exit_code, done.both, folder)


async def follow_all(folder: Path) -> dict[str, Done]:
    done = {}
    a_few = trio.CapacityLimiter(2)

    async def take(step: str, agent) -> None:
        command, _, body = STEPS[step]
        await trio.Path(folder / step).mkdir()
        async with a_few:
            done[step] = await follow(command, folder / step, agent, body)

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
    left = list(done[step].folder.glob("coval-runs/*/*.json*"))
    assert len(left) == (4 if step.startswith("run") else 0)


@pytest.mark.parametrize(("step", "messages"), [("check", "messages"), ("check responses", "input")])
def test_the_check_shows_each_request_and_each_reply(done, step, messages):
    printed = done[step].printed
    assert printed.count("sent: POST https://") == printed.count("the agent said: You said: ") == 3
    assert f'"{messages}":' in printed
    assert '"model":"gpt-4o"' in printed
    assert AGENT["metadata"]["system_prompt"] in printed


@pytest.mark.parametrize("step", ["run", "run responses"])
def test_the_numbers_that_are_explained_are_there(done, step):
    summary = done[step].summary
    explained = [line.split("`")[1] for line in page("openai").splitlines() if line.startswith("| `")]
    assert len(explained) == 4
    assert {*explained, "connect_time"} <= set(summary["metrics"])
    assert summary["counts"]["completed"] == 2
    for tokens in ("input_tokens", "output_tokens"):
        assert tokens in page("openai")
        assert summary["counters"][tokens] > 0


def test_whole_replies_take_as_long_as_they_are_waited_for(done):
    metrics = [turn["metrics"] for row in done["run whole"].rows for turn in row["transcript"] if "metrics" in turn]
    assert len(metrics) == 6
    assert all(turn["response_latency"] == turn["response_time"] for turn in metrics)
    assert not {"ttft", "inter_chunk_latency"} & set(done["run whole"].summary["metrics"])


@pytest.mark.parametrize("step", ["run plan", "run plan with tools"])
def test_tools_get_the_result_that_fits(done, step):
    rows = done[step].rows
    assert [row["outcome"] for row in rows] == ["completed"] * 2
    for row in rows:
        assert [turn.get("type", turn["role"]) for turn in row["transcript"]] == [
            *("user", "tool_call", "tool_result", "assistant"),
        ] * 2
        assert [turn["tool"]["name"] for turn in row["transcript"] if "tool" in turn] == ["lookup_order"] * 4
        # The agent calls with no number that the page knows.
        results = {turn["content"] for turn in row["transcript"] if turn["role"] == "tool"}
        assert results == {'{"error":"no such order"}'}
