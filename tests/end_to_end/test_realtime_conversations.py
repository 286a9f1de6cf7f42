"""Whole conversations with voice-to-voice APIs, against agents that speak their protocols; in virtual time."""

import gc
import wave

import numpy as np
import pytest
from in_process import EXACT, FRAME_S, tone
from realtime_agent import BOTH, DELAY_S, REPLY_S, converse

from coval_load.actors.agent_side import AgentSide
from coval_load.actors.listener import Listener
from coval_load.actors.playout import Playout
from coval_load.actors.voice import VoiceConversation
from coval_load.actors.websocket_call import WebSocketCall
from coval_load.actors.websocket_session import WebSocketSession
from coval_load.codecs.dialects.gemini_realtime.dialect import GeminiRealtime
from coval_load.codecs.dialects.openai_realtime.dialect import OpenAIRealtime
from coval_load.reference.model_types import GEMINI_REALTIME, OPENAI_REALTIME

DIALECTS = (OpenAIRealtime, GeminiRealtime)
WORDS = "Sure, I can help you with that. What else would you like?"
TOOLS = {"tool_results": [{"tool": "lookup_order", "result": {"status": "shipped"}}]}
NEAR = FRAME_S + EXACT

both = pytest.mark.parametrize("model_type", BOTH)


@pytest.fixture
def talk(tmp_path):
    """One conversation; `what` are the turns."""

    async def converse_with(model_type, *what, **more):
        return await converse(model_type, tmp_path, *what, **more)

    return converse_with


@both
async def test_both_sides_are_in_the_transcript(virtual_time, talk, tone_of, model_type):
    ran, agent = await talk(model_type, tone_of(1.0), tone_of(0.5))
    assert (ran.row["outcome"], ran.error) == ("completed", None)
    first, reply, second, _ = ran.row["transcript"]
    assert reply["content"] == WORDS
    assert "turn 1" in first["transcribed"]
    assert "turn 2" in second["transcribed"]
    assert reply["usage"]["input_tokens"] > 0
    assert reply["end"] - reply["start"] == pytest.approx(REPLY_S, abs=0.3)  # its last word ends before that
    latencies = ran.of_metric("response_latency")
    assert latencies == [pytest.approx(DELAY_S, abs=NEAR)] * 2
    heard, started = agent.stamped("heard_end"), agent.stamped("reply_start")
    stamped = [start["at"] - end["at"] for end, start in zip(heard, started, strict=True)]
    assert latencies == pytest.approx(stamped, abs=EXACT)
    assert ran.summary["counters"]["output_audio_tokens"] == sum(
        turn["usage"]["output_audio_tokens"] for turn in ran.turns("assistant")
    )


async def test_where_the_time_goes(virtual_time, talk, tone_of):
    ran, agent = await talk(OPENAI_REALTIME, tone_of(1.0))
    (reply,) = ran.turns("assistant")
    measured = reply["metrics"]
    (said_over,), (heard_end,) = agent.stamped("speech_stopped_sent"), agent.stamped("heard_end")
    assert measured["endpointing_time"] == pytest.approx(said_over["at"] - heard_end["at"], abs=EXACT)
    assert measured["endpointing_time"] + measured["first_audio_time"] == pytest.approx(measured["ttfb_audio"])


async def test_gemini_tells_the_end_of_speech_where_it_sends_voice_activity(virtual_time, talk, tone_of):
    ran, _ = await talk(GEMINI_REALTIME, tone_of(1.0), agent=["--voice-activity"])
    assert len(ran.of_metric("endpointing_time")) == len(ran.of_metric("first_audio_time")) == 1


@both
@pytest.mark.parametrize("mode", ["burst", "paced"])
async def test_an_interruption(virtual_time, talk, tone_of, model_type, mode):
    turns = tone_of(1.0), tone_of(1.0, barge_in={"after": "1s"}), tone_of(0.5)
    ran, agent = await talk(model_type, *turns, agent=["--reply-seconds=6", f"--mode={mode}"])
    assert ran.error is None
    _, cut_off, barge_in, answer, _, _ = ran.row["transcript"]
    assert cut_off["interrupted"] is True
    assert barge_in["start"] - cut_off["start"] == pytest.approx(1.0, abs=NEAR)
    (detected,), (stopped,) = ran.of_metric("interrupt_detected_time"), ran.of_metric("barge_in_stop_latency")
    assert 0 <= detected <= 0.1
    assert stopped == pytest.approx(detected, abs=NEAR)  # what was queued is thrown away then
    assert cut_off["end"] - barge_in["start"] == pytest.approx(stopped, abs=NEAR)
    assert ran.of_metric("audio_after_interrupt")[0] <= 0.2
    assert "interrupted" not in answer
    assert answer["metrics"]["response_latency"] == pytest.approx(DELAY_S, abs=NEAR)
    assert answer["end"] - answer["start"] == pytest.approx(6, abs=0.1)
    assert ran.summary["counters"]["agent_interruptions"] == 0
    assert len(agent.stamped("barge_in_heard")) == 1


@pytest.mark.parametrize("turn_detection", ["server_vad", "none"])
async def test_the_agent_is_told_how_much_was_heard(virtual_time, talk, tone_of, turn_detection):
    turns = tone_of(1.0), tone_of(1.0, barge_in={"after": "1s"})
    agent = ["--reply-seconds=6", f"--turn-detection={turn_detection}"]
    ran, agent = await talk(OPENAI_REALTIME, *turns, agent=agent)
    assert ran.error is None
    _, cut_off, _, _ = ran.row["transcript"]
    (truncated,) = agent.stamped("truncated")
    heard_s = cut_off["end"] - cut_off["start"]
    assert truncated["audio_end_ms"] / 1000 == pytest.approx(heard_s, abs=NEAR)
    assert truncated["heard_s"] == pytest.approx(heard_s, abs=NEAR)


async def test_a_recording_holds_only_what_was_heard(virtual_time, talk, tone_of, tmp_path):
    turns = tone_of(1.0), tone_of(1.0, barge_in={"after": "1s"})
    ran, _ = await talk(OPENAI_REALTIME, *turns, agent=["--reply-seconds=6"], record={"audio": "all"})
    begun, cut_off, _, answer = ran.row["transcript"]
    (path,) = (ran.folder / "recordings").glob("*.wav")
    with wave.open(str(path)) as file:
        sound = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)[:, 1]
    labels = (ran.folder / "recordings" / f"{path.stem}.labels.txt").read_text().splitlines()
    shift = float(labels[0].split("\t")[0]) - begun["start"]

    def loudest(since, until):
        return np.abs(sound[round((since + shift) * 16_000) : round((until + shift) * 16_000)].astype(int)).max()

    assert loudest(cut_off["start"], cut_off["end"]) > 1000
    assert loudest(cut_off["end"] + 0.05, answer["start"] - 0.05) < 50
    assert loudest(answer["start"], answer["end"]) > 1000


@both
async def test_we_say_when_a_turn_is_over(virtual_time, talk, tone_of, model_type):
    turns = tone_of(1.0), tone_of(0.5)
    ran, _ = await talk(model_type, *turns, agent=["--turn-detection=none"])
    assert ran.error is None
    assert ran.of_metric("response_latency") == [pytest.approx(DELAY_S, abs=NEAR)] * 2
    assert ran.of_metric("endpointing_time") == []
    assert [turn["transcribed"].strip(".")[-6:] for turn in ran.turns("user")] == ["turn 1", "turn 2"]
    # Nothing but the two turns goes out.
    assert ran.summary["counters"]["frames_sent"] == 75


@both
async def test_we_interrupt_where_we_say_when_a_turn_is_over(virtual_time, talk, tone_of, model_type):
    turns = tone_of(1.0), tone_of(1.0, barge_in={"after": "1s"})
    ran, _ = await talk(model_type, *turns, agent=["--turn-detection=none", "--reply-seconds=6"])
    assert ran.error is None
    _, cut_off, _, answer = ran.row["transcript"]
    assert cut_off["interrupted"] is True
    assert ran.of_metric("barge_in_stop_latency") == [pytest.approx(0.0, abs=0.05)]
    assert answer["metrics"]["response_latency"] == pytest.approx(DELAY_S, abs=NEAR)


@both
async def test_the_agent_speaks_first(virtual_time, talk, tone_of, model_type):
    ran, _ = await talk(
        model_type, tone_of(0.5), agent=["--greeting"], persona={"conversation_initiation": "wait_for_user"}
    )
    assert ran.error is None
    assert [turn["role"] for turn in ran.row["transcript"]] == ["assistant", "user", "assistant"]
    assert len(ran.of_metric("greeting_latency")) == 1


@both
async def test_tools_are_answered(virtual_time, talk, tone_of, model_type):
    ran, _ = await talk(model_type, tone_of(0.5), agent=["--tool-rounds=2"], case=TOOLS)
    assert ran.error is None
    kinds = [turn.get("type", turn["role"]) for turn in ran.row["transcript"]]
    assert kinds == ["user", "tool_call", "tool_result", "tool_call", "tool_result", "assistant"]
    assert ran.summary["counters"]["tool_calls"] == 2
    assert ran.row["transcript"][2]["content"] == '{"status":"shipped"}'
    assert ran.row["transcript"][-1]["content"]


@both
async def test_a_tool_without_a_result(virtual_time, talk, tone_of, model_type):
    ran, _ = await talk(model_type, tone_of(0.5), agent=["--tool-rounds=1"])
    assert ran.error["kind"] == "no_response"
    assert "lookup_order" in ran.error["message"]
    assert "tool_results" in ran.error["message"]


@both
async def test_a_turn_that_ends_in_text(virtual_time, talk, tone_of, model_type):
    ran, _ = await talk(model_type, tone_of(0.5), tone_of(0.5), agent=["--replies=text", "--replies=audio"])
    assert ran.error is None
    _, written, _, spoken = ran.row["transcript"]
    assert (written["type"], bool(written["content"])) == ("text", True)
    assert "type" not in spoken
    assert len(ran.of_metric("response_latency")) == 1
    assert ran.summary["counters"]["replies_without_audio"] == 1


@both
async def test_a_turn_that_ends_in_nothing(virtual_time, talk, tone_of, model_type):
    ran, _ = await talk(model_type, tone_of(0.5), agent=["--replies=nothing"])
    assert ran.error["kind"] == "no_response"
    assert "expects_reply" in ran.error["message"]
    assert ran.lasted < 5  # told, not waited for


@both
async def test_a_turn_that_may_end_in_nothing(virtual_time, talk, tone_of, tmp_path, model_type):
    quiet = tmp_path / "quiet.wav"
    with wave.open(str(quiet), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", None))
        file.writeframes(tone(0.5) + bytes(2 * 16_000 * 2))
    silent = {"type": "text", "text": "la", "audio": str(quiet), "expects_reply": False}
    ran, _ = await talk(model_type, silent, tone_of(0.5), agent=["--replies=nothing", "--replies=audio"])
    assert ran.error is None
    assert ran.summary["counters"]["replies_without_audio"] == 1


@pytest.mark.parametrize(("status", "kind"), [("failed", "agent_error"), ("incomplete", None), ("completed", None)])
@both
async def test_how_replies_end(virtual_time, talk, tone_of, model_type, status, kind):
    ran, _ = await talk(model_type, tone_of(0.5), agent=[f"--reply-status={status}"])
    assert (ran.error and ran.error["kind"]) == kind
    counters = ran.summary["counters"]
    assert counters["replies_failed"] == (status == "failed")
    assert counters["replies_incomplete"] == (status == "incomplete")
    if status == "incomplete":
        assert ran.turns("assistant")[0]["ended"].startswith("incomplete: ")


async def test_a_limit_that_is_used_up(virtual_time, talk, tone_of):
    ran, _ = await talk(OPENAI_REALTIME, tone_of(0.5), tone_of(0.5), agent=["--requests-limit=1"])
    assert ran.error["kind"] == "rate_limited"
    assert ran.summary["counters"]["replies_failed"] == 1


@both
async def test_errors_that_end_nothing(virtual_time, talk, tone_of, model_type):
    ran, _ = await talk(model_type, tone_of(0.5), tone_of(0.5), agent=["--complaints"])
    assert ran.error is None
    if model_type == OPENAI_REALTIME:  # Gemini has no such errors
        assert ran.summary["counters"]["agent_complaints"] == 2


@both
async def test_a_wrong_key(virtual_time, talk, tone_of, model_type):
    key = {f"{'openai' if model_type == OPENAI_REALTIME else 'gemini'}_realtime_api_key": "sk-another-secret"}
    ran, _ = await talk(model_type, tone_of(0.5), metadata=key)
    assert ran.error["kind"] == "authentication_failed"
    for file in ran.folder.rglob("*"):
        assert file.is_dir() or b"sk-another-secret" not in file.read_bytes()


LONG = {"persona": {"wait_seconds": 2}}


async def test_a_session_is_renewed_before_it_is_too_old(virtual_time, talk, tone_of):
    turns = [tone_of(0.5)] * 5
    ran, agent = await talk(OPENAI_REALTIME, *turns, metadata={"renew_after_seconds": 8}, **LONG)
    assert ran.error is None
    counters = ran.summary["counters"]
    assert counters["renewals"] == 2
    assert len(agent.stamped("accepted")) == 3
    assert ran.summary["metrics"]["renewal_time"]["count"] == 2
    assert ran.of_metric("response_latency") == [pytest.approx(DELAY_S, abs=NEAR)] * 5


async def test_gemini_is_going_away(virtual_time, talk, tone_of):
    turns = [tone_of(0.5)] * 5
    ran, _ = await talk(GEMINI_REALTIME, *turns, agent=["--go-away-after=8s"], **LONG)
    assert ran.error is None
    assert ran.summary["counters"]["renewals"] >= 1
    # With its handle the session goes on: the next turn's reply is the next one.
    said = [turn["content"] for turn in ran.turns("assistant")]
    assert said[0] == said[2] == said[4]
    assert said[1] == said[3]
    assert said[0] != said[1]


@both
@pytest.mark.parametrize("mode", ["burst", "paced"])
async def test_no_connection_is_renewed_over_which_the_agent_is_to_be_interrupted(
    virtual_time, talk, tone_of, model_type, mode
):
    turns = tone_of(1.0), tone_of(1.0, barge_in={"after": "1s"}), tone_of(0.5)
    agent, metadata = ["--reply-seconds=6", f"--mode={mode}"], {}
    if model_type == OPENAI_REALTIME:
        metadata = {"renew_after_seconds": 2}
    else:
        agent.append("--go-away-after=2s")
    ran, agent = await talk(model_type, *turns, agent=agent, metadata=metadata)
    assert ran.error is None
    assert ran.summary["counters"]["renewals"] == 1
    assert [turn["transcribed"].strip(".")[-6:] for turn in ran.turns("user")] == ["turn 1", "turn 2", "turn 3"]
    assert ran.of_metric("barge_in_stop_latency") == [pytest.approx(0, abs=0.1)]
    assert ran.of_metric("interrupt_detected_time") == [pytest.approx(0, abs=0.1)]
    assert len(agent.stamped("barge_in_heard")) == 1


async def test_a_session_that_the_api_ends_is_renewed(virtual_time, talk, tone_of):
    turns = [tone_of(0.5)] * 4
    ran, agent = await talk(OPENAI_REALTIME, *turns, agent=["--session-limit=7s"], persona={"wait_seconds": 3})
    assert ran.error is None
    assert ran.summary["counters"]["renewals"] >= 2
    assert len(agent.stamped("accepted")) == ran.summary["counters"]["renewals"] + 1


async def test_a_connection_that_ends_before_a_turn_of_silence_is_renewed(virtual_time, talk, tone_of):
    quiet = [{"type": "skip"}] * 3
    ran, agent = await talk(GEMINI_REALTIME, tone_of(0.5), *quiet, agent=["--go-away-after=4s", "--session-limit=5s"])
    assert ran.error is None
    assert ran.summary["counters"]["renewals"] >= 1
    assert len(agent.stamped("accepted")) == ran.summary["counters"]["renewals"] + 1


async def test_a_session_that_gemini_has_forgotten_goes_on_with_what_was_said(virtual_time, talk, tone_of, monkeypatch):
    monkeypatch.setattr("coval_load.reference.realtime.gemini_sessions.Sessions.keep", lambda *_: "handle-of-another")
    turns = [tone_of(0.5)] * 4
    ran, _ = await talk(GEMINI_REALTIME, *turns, agent=["--go-away-after=8s"], **LONG)
    assert ran.error is None
    assert ran.summary["counters"]["renewals"] >= 1


@both
async def test_a_conversation_that_is_over_is_freed_without_the_collector(virtual_time, talk, tone_of, model_type):
    kinds = (VoiceConversation, AgentSide, Listener, Playout, WebSocketCall, WebSocketSession)

    def there():
        return {id(it): type(it).__name__ for it in gc.get_objects() if isinstance(it, (*kinds, *DIALECTS))}

    gc.collect()
    before = there()
    gc.disable()
    try:
        turns = tone_of(0.5), tone_of(0.5, barge_in={"after": "500ms"}), tone_of(0.5)
        await talk(model_type, *turns, metadata={"renew_after_seconds": 3})
        assert [name for number, name in there().items() if number not in before] == []
    finally:
        gc.enable()
