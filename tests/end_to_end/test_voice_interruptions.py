"""Who speaks over whom in a spoken conversation, and what is made of it."""

import pytest
import trio
from in_process import EXACT, FRAME_S, answers, tone


async def test_the_caller_interrupts_and_the_agent_yields(virtual_time, speak_with, tone_of):
    async def yields(call):
        await call.listen_out()
        await call.play_in_step(10.0, stops_after_s=0.2)
        await answers(call)

    ran = await speak_with(yields, tone_of(0.5), tone_of(1.0, barge_in={"after": "1500ms"}))
    _, cut_off, barge_in, reply = ran.row["transcript"]
    assert barge_in["start"] - cut_off["start"] == pytest.approx(1.5, abs=FRAME_S + EXACT)
    assert cut_off["interrupted"] is True
    assert cut_off["end"] - barge_in["start"] == pytest.approx(0.2, abs=FRAME_S + EXACT)
    assert ran.of_metric("barge_in_stop_latency") == [pytest.approx(0.2, abs=FRAME_S + EXACT)]
    assert reply["metrics"]["response_latency"] == pytest.approx(0.6, abs=EXACT)
    assert ran.summary["counters"]["agent_interruptions"] == 0


async def test_the_caller_interrupts_and_the_agent_goes_on(virtual_time, speak_with, tone_of):
    async def ignores_it(call):
        await call.listen_out()
        await call.play(tone(4.0))
        _, ended_at, _ = await call.listen_out()
        await trio.sleep_until(ended_at + 3.5)
        await call.play(tone(1.0))
        await call.stay()

    ran = await speak_with(ignores_it, tone_of(0.5), tone_of(0.5, barge_in={"after": "1s"}))
    _, talked_over, barge_in, reply = ran.row["transcript"]
    assert barge_in["start"] - talked_over["start"] == pytest.approx(1.0, abs=FRAME_S + EXACT)
    assert talked_over["end"] - talked_over["start"] == pytest.approx(4.0, abs=EXACT)
    assert ran.of_metric("barge_in_stop_latency") == [pytest.approx(3.0, abs=FRAME_S + EXACT)]
    assert reply["metrics"]["response_latency"] == pytest.approx(3.5, abs=EXACT)


async def test_a_barge_in_on_an_agent_that_is_silent_already(virtual_time, speak_with, tone_of):
    ran = await speak_with(answers, tone_of(0.5), tone_of(0.5, barge_in={"after": "3s"}))
    assert ran.row["outcome"] == "completed"
    _, first, barge_in, _ = ran.row["transcript"]
    assert barge_in["start"] - first["start"] == pytest.approx(3.0, abs=FRAME_S + EXACT)
    assert first["end"] == pytest.approx(first["start"] + 1.0, abs=EXACT)
    assert "interrupted" not in first
    assert ran.of_metric("barge_in_stop_latency") == []
    assert ran.of_metric("response_latency") == pytest.approx([0.6, 0.6], abs=EXACT)


async def test_the_caller_interrupts_the_greeting(virtual_time, speak_with, tone_of):
    async def greets_at_length(call):
        for _ in range(25):
            await call.next()
        await call.play_in_step(10.0, stops_after_s=0.3)
        await answers(call)

    ran = await speak_with(
        greets_at_length,
        tone_of(1.0, barge_in={"after": "2s"}),
        persona={"conversation_initiation": "wait_for_user"},
    )
    greeting, barge_in, _ = ran.row["transcript"]
    assert barge_in["start"] - greeting["start"] == pytest.approx(2.0, abs=FRAME_S + EXACT)
    assert greeting["metrics"]["greeting_latency"] == pytest.approx(0.5, abs=FRAME_S + EXACT)
    assert greeting["interrupted"] is True
    assert greeting["end"] - barge_in["start"] == pytest.approx(0.3, abs=FRAME_S + EXACT)
    assert ran.of_metric("response_latency") == [pytest.approx(0.6, abs=EXACT)]


async def test_keys_interrupt_too(virtual_time, speak_with, tone_of):
    async def yields_to_keys(call):
        await call.listen_out()
        while not call.got:
            await call.next()
            await call.play(tone(FRAME_S))
        while len(call.got) < 3:
            await call.next()
        await trio.sleep(0.6)
        await call.play(tone(0.5))
        await call.stay()

    ran = await speak_with(
        yields_to_keys,
        tone_of(0.5),
        {"type": "dtmf", "digits": "123", "barge_in": {"after": "1500ms"}},
        metadata={"send_dtmf_template": '{"type": "key", "digit": "{{digit}}"}'},
    )
    _, cut_off, keys, _ = ran.row["transcript"]
    assert keys["start"] - cut_off["start"] == pytest.approx(1.5, abs=FRAME_S + EXACT)
    assert cut_off["interrupted"] is True
    assert cut_off["end"] - keys["start"] == pytest.approx(FRAME_S, abs=FRAME_S)
    assert ran.of_metric("barge_in_stop_latency") == [pytest.approx(cut_off["end"] - keys["start"], abs=EXACT)]
    assert len(ran.of_metric("response_latency")) == 2


async def test_the_agent_interrupts_the_caller(virtual_time, speak_with, tone_of):
    async def butts_in(call):
        await call.next()
        await trio.sleep(1.0)
        await call.play(tone(0.5))
        await answers(call)

    ran = await speak_with(butts_in, tone_of(3.0))
    assert ran.row["outcome"] == "completed"
    assert ran.summary["counters"]["agent_interruptions"] == 1
    backchannel, reply = ran.turns("assistant")
    assert backchannel["interrupted_caller"] is True
    assert backchannel["end"] - backchannel["start"] == pytest.approx(0.5, abs=EXACT)
    assert "interrupted_caller" not in reply
    assert ran.of_metric("response_latency") == [pytest.approx(0.6, abs=EXACT)]


async def test_a_greeting_that_no_one_asked_for_is_in_the_transcript(virtual_time, speak_with, tone_of):
    async def greets_all_the_same(call):
        await call.next()
        await call.play(tone(0.4))
        await answers(call)

    ran = await speak_with(greets_all_the_same, tone_of(2.0), tone_of(0.5))
    assert [turn["role"] for turn in ran.row["transcript"]] == ["user", "assistant", "assistant", "user", "assistant"]
    greeting = ran.row["transcript"][1]
    assert greeting["end"] - greeting["start"] == pytest.approx(0.4, abs=EXACT)
    assert "metrics" not in greeting
    assert len(ran.of_metric("response_latency")) == 2


async def test_an_answer_that_begins_over_the_caller_kept_no_one_waiting(virtual_time, speak_with, tone_of):
    async def can_not_wait(call):
        await call.next()
        await trio.sleep(1.0)
        await call.play(tone(4.0))
        await call.stay()

    ran = await speak_with(can_not_wait, tone_of(3.0))
    assert ran.row["outcome"] == "completed"
    assert ran.summary["counters"]["agent_interruptions"] == 1
    (reply,) = ran.turns("assistant")
    assert reply["interrupted_caller"] is True
    assert reply["end"] - reply["start"] == pytest.approx(4.0, abs=EXACT)
    assert ran.of_metric("response_latency") == []
