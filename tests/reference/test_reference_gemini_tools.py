"""How the Gemini Live agent calls tools, in virtual time."""

import pytest
import trio
from gemini_scene import CUT_TURN, SETUP, WHOLE_TURN, Scene
from reference_callers import tone


async def answer(wire, nth):
    (call,) = wire.of("toolCall")[nth][1]["toolCall"]["functionCalls"]
    response = {"id": call["id"], "name": call["name"], "response": {"output": "ok"}}
    wire.say(toolResponse={"functionResponses": [response]})


async def test_tools_are_called_first(autojump_clock):
    async def speak(wire):
        await wire.stream(tone(0.5))
        await wire.be_silent(1)
        await trio.sleep(1)
        await answer(wire, 0)
        await trio.sleep(1)
        await answer(wire, 1)
        await trio.sleep(5)

    scene = Scene("--tool-rounds=2", "--delay=600ms", "--reply-seconds=1")
    wire = await scene.play(speak, SETUP | {"tools": [{"functionDeclarations": [{"name": "find"}]}]})
    called = ["sessionResumptionUpdate", "toolCall"]
    assert wire.kinds() == ["setupComplete", *called, *called, *WHOLE_TURN]
    calls = [message["toolCall"]["functionCalls"][0] for _, message in wire.of("toolCall")]
    assert [call["name"] for call in calls] == ["find", "find"]
    assert calls[0]["id"] != calls[1]["id"]
    assert calls[0]["args"] == {"order_id": "A-1"}
    assert [at for at, _ in wire.of("toolCall")] == [pytest.approx(1.1), pytest.approx(2.5 + 0.6)]
    assert scene.stamps.times("reply_start") == [pytest.approx(3.5 + 0.6)]
    # While a result is awaited there is nothing that could be resumed.
    assert [m["sessionResumptionUpdate"]["resumable"] for _, m in wire.of("sessionResumptionUpdate")] == [
        False,
        False,
        True,
    ]


async def test_a_tool_call_is_cancelled(autojump_clock):
    async def speak(wire):
        await wire.stream(tone(0.5))
        await wire.be_silent(1)
        await wire.stream(tone(0.2))
        await answer(wire, 0)  # too late, which the caller can't know
        await wire.be_silent(1)
        await answer(wire, 1)
        await trio.sleep(5)

    scene = Scene("--tool-rounds=1")
    wire = await scene.play(speak)
    called = ["sessionResumptionUpdate", "toolCall"]
    assert wire.kinds() == ["setupComplete", *called, "toolCallCancellation", *CUT_TURN, "toolCall", *WHOLE_TURN]
    (cancelled,) = wire.of("toolCallCancellation")
    assert cancelled[1]["toolCallCancellation"]["ids"] == ["call_1_1"]
    assert wire.closed is None


async def test_a_result_that_nobody_asked_for(autojump_clock):
    async def speak(wire):
        wire.say(toolResponse={"functionResponses": [{"id": "x", "name": "f", "response": {}}]})
        await trio.sleep(1)

    assert (await Scene().play(speak)).closed[0] == 1007
