"""What the tests of the whole product share."""

import pytest
import trio
import trio.testing
from in_process import chat_plan, on_the_line, run, voice_plan, write_tone


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
