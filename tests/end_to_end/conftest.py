"""What the tests of the whole product share."""

import json
import os

import pytest
import trio
import trio.testing
import yaml
from command import Demos
from forked import reference_agent
from in_process import CHAT, chat_plan, on_the_line, run, voice_plan, write_tone
from processes import MEDIA


@pytest.fixture
def virtual_time():
    """Waits are skipped once nothing has moved for a millisecond, which leaves the loopback its time."""
    return trio.testing.MockClock(autojump_threshold=0.001)


def assert_time_is_virtual():
    assert isinstance(trio.lowlevel.current_clock(), trio.testing.MockClock)


@pytest.fixture
def chat_with(tmp_path):
    """Runs a chat of these turns with an agent of the test's; in virtual time only (ask for `virtual_time` too)."""

    async def chat(agent, *turns, **more):
        assert_time_is_virtual()
        async with on_the_line(agent) as endpoint:
            return await run(chat_plan(endpoint, *turns, **more), tmp_path / "run")

    return chat


@pytest.fixture
def speak_with(tmp_path):
    """As `chat_with`, for a spoken conversation."""

    async def speak(agent, *turns, **more):
        assert_time_is_virtual()
        async with on_the_line(agent) as endpoint:
            return await run(voice_plan(endpoint, *turns, **more), tmp_path / "run")

    return speak


@pytest.fixture
def tone_of(tmp_path):
    """A turn of the caller that is one tone of so many seconds."""

    def turn(seconds, **more):
        return {"type": "text", "text": "la", "audio": write_tone(tmp_path / f"{seconds}.wav", seconds), **more}

    return turn


@pytest.fixture(scope="module")
def chat_agent(tmp_path_factory):
    """The folder of a reference agent for chat, over TLS, that runs while the module's tests do.

    Its plan is one short turn.
    """
    folder = tmp_path_factory.mktemp("chat-agent")
    arguments = ["--model-type", CHAT, "--delay=20ms", "--events", "--json", "--out", str(folder)]
    with reference_agent(arguments, folder) as announced:
        with os.fdopen(os.dup(announced)) as announcement:
            announcement.readline()
        body = json.loads((folder / "agent.json").read_text())
        body["metadata"]["coalesce_timeout_seconds"] = 0
        (folder / "agent.json").write_text(json.dumps(body))
        plan = yaml.safe_load((folder / "plan.yaml").read_text())
        plan["test_set"][0]["turns"] = [{"type": "text", "text": "hello"}]
        (folder / "plan.yaml").write_text(yaml.safe_dump(plan))
        yield folder


@pytest.fixture(scope="session", autouse=True)
def demos(request, tmp_path_factory):
    """Demos that were begun with the first test, if there is a test that asks how they went."""
    running = Demos(tmp_path_factory.mktemp("demos"))
    if any(item.path.name == "test_demos.py" for item in request.session.items):
        running.begin("voice")
        for medium in MEDIA[1:]:
            running.begin(medium, "--json")
    yield running
    running.clean_up()
