"""The Gemini Live agent over real sockets."""

import json

import pytest
import trio
from gemini_scene import KEY, SETUP, kinds_of
from reference_callers import QUICK, HungUp, Refused

PATH = "/ws/google.ai.generativelanguage.v1.GenerativeService.BidiGenerateContent"
GEMINI = ("--model-type=gemini_realtime", *QUICK)


async def test_a_conversation_and_those_that_never_begin(agent_here):
    async with agent_here(*GEMINI) as agent:
        url = agent.process.endpoint + PATH
        assert agent.body["model_type"] == "MODEL_TYPE_GEMINI_REALTIME"
        async with agent.call(url, [("x-goog-api-key", "reference-key")]) as caller:
            await caller.say({"setup": SETUP})
            assert await caller.hear() == {"setupComplete": {"sessionId": "reference-0"}}
            await caller.say({"client_content": {"turns": [{"parts": [{"text": "hi"}]}], "turn_complete": True}})
            kinds = []
            while "turnComplete" not in kinds:
                message = await caller.receive()
                assert isinstance(message, bytes)
                kinds += kinds_of(json.loads(message))
            assert kinds[0] == "audio"
        for setup, key, code in ((SETUP, "wrong", 1007), ({}, "reference-key", 1007)):
            async with agent.call(f"{url}?key={key}") as caller:
                await caller.say({"setup": setup})
                with pytest.raises(HungUp) as hung_up:
                    await caller.hear()
                assert hung_up.value.code == code
                assert caller.protocol.close_rcvd.reason
        with pytest.raises(Refused) as refused:
            async with agent.call(agent.process.endpoint + "/elsewhere", KEY.items()):
                pass
        assert refused.value.status == 404


async def test_a_caller_that_sends_on_is_hung_up_on(agent_here):
    async with (
        agent_here(*GEMINI, "--session-limit=100ms") as agent,
        agent.call(agent.process.endpoint + PATH, KEY.items()) as caller,
    ):
        await caller.say({"setup": SETUP})
        assert "setupComplete" in await caller.hear()
        until = trio.current_time() + 0.3  # not cut off, which would break the TLS stream in the middle of sending
        while trio.current_time() < until:
            await caller.say({"realtimeInput": {"audio": {"data": "AAAA", "mimeType": "audio/pcm"}}})
            await trio.sleep(0.001)
        with pytest.raises(HungUp) as hung_up:
            await caller.hear()
        assert hung_up.value.code == 1008
