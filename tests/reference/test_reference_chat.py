"""The chat agent, talked to over real sockets."""

import pytest
from reference_callers import CHAT

from coval_load.reference.chat import GREETING


async def test_a_message_is_answered_after_the_delay(agent_process):
    async with agent_process(CHAT, "--delay=150ms") as agent, agent.call() as caller:
        await caller.say({"type": "start", "simulation_output_id": "sim-1"})
        await caller.say({"type": "message", "text": "hello"})
        assert await caller.hear() == {"type": "message", "text": "You said: hello"}
        await caller.say({"type": "message", "text": "bye"})
        assert await caller.hear() == {"type": "message", "text": "You said: bye"}
    asked, answered = agent.stamped("message_in"), agent.stamped("message_out")
    assert [stamp["turn"] for stamp in asked] == [stamp["turn"] for stamp in answered] == [1, 2]
    assert {stamp["simulation_output_id"] for stamp in asked + answered} == {"sim-1"}
    for question, answer in zip(asked, answered, strict=True):
        assert 0.15 <= answer["at"] - question["at"] < 5


async def test_messages_of_another_kind_get_no_answer(agent_here):
    async with agent_here(CHAT, "--delay=0ms") as agent, agent.call() as caller:
        await caller.say({"type": "typing", "text": "hel"})
        await caller.say({"type": "message", "text": 5})
        await caller.say(["message"])
        await caller.send("not JSON")
        await caller.say({"type": "message", "text": "hello"})
        assert await caller.hear() == {"type": "message", "text": "You said: hello"}
    assert len(agent.stamped("unreadable")) == 1


async def test_a_reply_in_parts(agent_here):
    async with agent_here(CHAT, "--delay=0ms", "--messages=3", "--gap=1ms") as agent, agent.call() as caller:
        await caller.say({"type": "message", "text": "hello"})
        texts = [(await caller.hear())["text"] for _ in range(3)]
    assert texts == ["You said: hello", "And that was part 2 of 3.", "And that was part 3 of 3."]
    assert [stamp["part"] for stamp in agent.stamped("message_out")] == [0, 1, 2]


async def test_what_the_caller_said_comes_back_with_its_direction(agent_here):
    async with agent_here(CHAT, "--delay=0ms", "--echoes") as agent, agent.call() as caller:
        await caller.say({"type": "message", "text": "hello"})
        assert await caller.hear() == {"type": "message", "text": "hello", "direction": "inbound"}
        assert await caller.hear() == {
            "type": "message",
            "text": "You said: hello",
            "direction": agent.metadata["outbound_direction_value"],
        }


async def test_the_content_format(agent_here):
    async with agent_here(CHAT, "--delay=0ms", "--message-format=content") as agent, agent.call() as caller:
        await caller.say({"content": "hello"})
        assert await caller.hear() == {"content": "You said: hello"}
    assert agent.metadata["message_format"] == "content"


async def test_an_agent_that_speaks_first(agent_here):
    arguments = ("--greeting", "--ready-message=session_ready", "--events", "--delay=0ms")
    async with agent_here(CHAT, *arguments) as agent, agent.call() as caller:
        assert (await caller.hear())["type"] == agent.metadata["handshake_ready_message_type"]
        assert await caller.hear() == {"type": "message", "text": GREETING}
        await caller.say({"type": "message", "text": "hello"})
        assert (await caller.hear())["type"] == "cart_update"
    assert agent.stamped("message_out")[0]["turn"] == 0


@pytest.mark.parametrize("way", ["header", "query"])
async def test_the_simulation_may_be_named_at_the_upgrade(agent_here, way):
    async with agent_here(CHAT, "--no-tls") as agent:
        url = agent.process.endpoint + ("?simulation_output_id=sim-7" if way == "query" else "")
        headers = {"X-Simulation-Id": "sim-7"} if way == "header" else {}
        async with agent.call(url, headers=headers):
            pass
    assert agent.stamped("accepted")[0]["simulation_output_id"] == "sim-7"
