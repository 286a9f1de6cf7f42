"""Turns of an OpenAI Realtime agent that are not one reply to one thing said; its events are written in the test."""

from itertools import count

import pybase64
import pytest
import trio
from in_process import EXACT, on_the_line, plan_for, run, tone

from coval_load.reference.model_types import OPENAI_REALTIME

RATE_HZ = 24_000
PAUSE_S = 0.5


class Told:
    """The server's side of one call, event by event."""

    def __init__(self, call):
        self._call = call
        self._numbers = count(1)

    async def tell(self, event_type, **members):
        await self._call.send(type=event_type, event_id=f"event_{next(self._numbers)}", **members)

    async def set_up(self):
        await self.tell("session.created", session={"type": "realtime"})
        await self._call.next()
        await self.tell("session.updated", session={"type": "realtime"})

    async def hear_caller(self):
        """Until the caller has been silent for `PAUSE_S`; whatever else comes is passed over."""
        loud_at = None
        while loud_at is None or trio.current_time() < loud_at + PAUSE_S:
            message = await self._call.next()
            if message["type"] == "input_audio_buffer.append" and pybase64.b64decode(message["audio"]).strip(b"\0"):
                if loud_at is None:
                    await self.tell("input_audio_buffer.speech_started", audio_start_ms=0, item_id="caller")
                loud_at = trio.current_time()
        await self.tell("input_audio_buffer.speech_stopped", audio_end_ms=0, item_id="caller")

    async def hear(self, message_type):
        while (await self._call.next())["type"] != message_type:
            pass

    async def begin(self, name, words):
        await self.tell("response.created", response={"id": name, "status": "in_progress"})
        await self.tell("response.output_audio_transcript.delta", **self._part(name), delta=words)

    async def play(self, name, pcm):
        await self.tell("response.output_audio.delta", **self._part(name), delta=pybase64.b64encode(pcm).decode())

    async def end(self, name, status="completed", output=()):
        await self.tell("response.done", response={"id": name, "status": status, "output": list(output)})

    async def stay(self):
        await self._call.stay()

    @staticmethod
    def _part(name):
        return {"response_id": name, "item_id": f"item of {name}", "output_index": 0, "content_index": 0}


def sound(seconds):
    return tone(seconds, RATE_HZ)


@pytest.fixture
def talk(tmp_path):
    async def talk_with(agent, *turns, wait_s=0.0, **case):
        async with on_the_line(lambda call: agent(Told(call))) as endpoint:
            metadata = {"endpoint": endpoint, "openai_realtime_api_key": "sk-test"}
            plan = plan_for(OPENAI_REALTIME, metadata, turns, persona={"wait_seconds": wait_s})
            plan["test_set"][0] |= case
            ran = await run(plan, tmp_path / "run")
        assert ran.error is None
        return ran

    return talk_with


TOOLS = {"tool_results": [{"tool": "look_up", "result": "shipped"}]}
CALL = {"type": "function_call", "id": "f1", "call_id": "c1", "name": "look_up", "arguments": "{}"}


@pytest.mark.parametrize("thinks_s", [0.1, 3.0])
async def test_an_agent_speaks_before_and_after_it_calls_a_tool(virtual_time, talk, tone_of, thinks_s):
    async def agent(told):
        await told.set_up()
        await told.hear_caller()
        await told.begin("one", "Let me look. ")
        await told.play("one", sound(1.0))
        await told.end("one", output=[CALL])
        await told.hear("response.create")
        await trio.sleep(thinks_s)
        await told.begin("two", "It was shipped.")
        await told.play("two", sound(1.0))
        await told.end("two")
        await told.hear_caller()
        await told.begin("three", "Bye.")
        await told.play("three", sound(1.0))
        await told.end("three")
        await told.stay()

    ran = await talk(agent, tone_of(0.5), tone_of(0.5), **TOOLS)
    said = [turn["content"] for turn in ran.turns("assistant") if "type" not in turn]
    assert said == ["Let me look. It was shipped.", "Bye."]


async def test_words_of_a_reply_to_half_a_turn_are_kept(virtual_time, talk, tone_of):
    async def agent(told):
        await told.set_up()
        await told.hear("input_audio_buffer.append")
        await trio.sleep(0.3)
        await told.begin("one", "Too soon.")
        await told.play("one", sound(1.0))
        await trio.sleep(0.2)
        await told.tell("input_audio_buffer.speech_started", audio_start_ms=0, item_id="caller")
        await told.end("one", "cancelled")
        await told.hear_caller()
        await told.begin("two", "Now.")
        await told.play("two", sound(1.0))
        await told.end("two")
        await told.stay()

    ran = await talk(agent, tone_of(1.0))
    early, answer = ran.turns("assistant")
    assert (early["content"], early["interrupted_caller"], early["ended"]) == ("Too soon.", True, "cancelled")
    assert answer["content"] == "Now."


async def test_the_end_of_speech_that_a_reply_follows_is_the_one_before_it(virtual_time, talk, tone_of):
    async def agent(told):
        await told.set_up()
        await told.hear_caller()
        await trio.sleep(0.2)
        await told.begin("one", "Yes.")
        await told.play("one", sound(2.0))
        await told.end("one")
        await trio.sleep(1.0)
        await told.tell("input_audio_buffer.speech_stopped", audio_end_ms=0, item_id="noise")
        await told.stay()

    ran = await talk(agent, tone_of(0.5))
    assert ran.of_metric("endpointing_time") == [pytest.approx(PAUSE_S, abs=0.03)]
    assert ran.of_metric("first_audio_time") == [pytest.approx(0.2, abs=EXACT)]


async def test_silence_before_speech_is_audio_also_in_a_reply_that_is_interrupted(virtual_time, talk, tone_of):
    async def agent(told):
        await told.set_up()
        await told.hear_caller()
        await trio.sleep(0.2)
        await told.begin("one", "Yes.")
        await told.play("one", bytes(2 * RATE_HZ // 2))
        await trio.sleep(0.5)
        await told.play("one", sound(5.0))
        await told.end("one")
        await told.hear_caller()
        await told.begin("two", "No.")
        await told.play("two", sound(1.0))
        await told.end("two")
        await told.stay()

    ran = await talk(agent, tone_of(0.5), tone_of(0.5, barge_in={"after": "1s"}))
    assert ran.of_metric("first_audio_time") == [pytest.approx(0.2, abs=EXACT), pytest.approx(0.0, abs=EXACT)]
    assert ran.of_metric("response_latency")[0] == pytest.approx(PAUSE_S + 0.7, abs=0.03)


async def test_what_is_going_to_end_is_renewed_while_nobody_speaks(virtual_time, talk, tone_of):
    came_at = []

    async def agent(told):
        came_at.append(trio.current_time())
        await told.set_up()
        await told.hear_caller()
        await told.begin("one", "Yes.")
        await told.play("one", sound(1.0))
        await told.end("one")
        await trio.sleep(3.0)
        if len(came_at) == 1:
            came_at.append(trio.current_time())
            await told.tell("error", error={"type": "invalid_request_error", "code": "session_expired"})
        await told.stay()

    ran = await talk(agent, tone_of(0.5), tone_of(0.5), wait_s=20)
    assert ran.summary["counters"]["renewals"] == 1
    _, told_at, again_at = came_at
    assert again_at - told_at < 1
    _, reply, second, _ = ran.row["transcript"]
    assert second["start"] - reply["end"] == pytest.approx(20.8, abs=0.03)
