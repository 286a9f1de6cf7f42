"""The agent that speaks OpenAI Realtime, as its callers see it, in virtual time."""

import base64
import json

import pybase64
import pytest
import trio
from openai_scene import DELTA, RATE_HZ, append, error, scene, speak, update
from realtime_scenes import about, silence
from reference_callers import tone

from coval_load.codecs.audio.packaged import clip_text
from coval_load.reference.realtime.mouth import ENCODERS
from coval_load.reference.sound import load_clip

TRANSCRIBED = {"transcription": {"model": "gpt-4o-mini-transcribe"}}
TRUNCATE = {"type": "conversation.item.truncate", "content_index": 0}
RETRIEVE = {"type": "conversation.item.retrieve"}
HELLO = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello"}]}
TRANSCRIPT = "conversation.item.input_audio_transcription"


async def one_turn(wire):
    wire.say(update(TRANSCRIBED))
    await speak(wire)
    await wire.until_type("response.done")


def without_deltas(wire):
    return [kind for kind in wire.types() if not kind.endswith(".delta")]


async def test_a_turn_as_the_server_finds_it(autojump_clock):
    talk = scene("--delay=600ms", "--end-silence=300ms")
    await talk.play(one_turn)
    wire = talk.wire
    item, (transcribed,) = wire.events("conversation.item.done")[0]["item"], wire.events(TRANSCRIPT + ".completed")
    assert [kind for kind in without_deltas(wire) if kind != TRANSCRIPT + ".completed"] == [
        "session.created",
        "session.updated",
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
        "rate_limits.updated",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
    ]
    assert transcribed["transcript"] == "What the caller said in turn 1."
    assert {wire.events("input_audio_buffer.speech_started")[0]["item_id"], item["id"]} == {transcribed["item_id"]}
    assert wire.times("input_audio_buffer.speech_stopped") == [about(0.8)]
    assert wire.events("input_audio_buffer.speech_stopped")[0]["audio_end_ms"] == 800
    assert wire.times(DELTA)[0] == about(1.1)
    assert [(stamp["what"], stamp["at"] - wire.start, stamp["turn"]) for stamp in talk.stamps.all] == [
        ("ready", about(0), 0),
        ("heard_start", about(0), 1),
        ("speech_started_sent", about(0), 1),
        ("heard_end", about(0.5), 1),
        ("speech_stopped_sent", about(0.8), 1),
        ("reply_start", about(1.1), 1),
        ("reply_end", about(1.1), 1),
        ("response_done", about(1.1), 1),
        ("closed", about(1.1), 1),
    ]


async def test_what_a_reply_holds(autojump_clock):
    talk = scene("--reply-seconds=1")
    await talk.play(one_turn)
    (done,), said = talk.wire.events("response.done"), clip_text("agent-reply-1")
    words = [event["delta"] for event in talk.wire.events("response.output_audio_transcript.delta")]
    audio = b"".join(base64.b64decode(event["delta"]) for event in talk.wire.events(DELTA))
    assert "".join(words) == said
    assert len(audio) == 2 * RATE_HZ
    assert done["response"]["output"][0]["content"] == [{"type": "output_audio", "transcript": said}]
    assert done["response"]["usage"] == {
        "input_tokens": 8,
        "input_token_details": {
            "audio_tokens": 8,
            "text_tokens": 0,
            "image_tokens": 0,
            "cached_tokens": 0,
            "cached_tokens_details": {"audio_tokens": 0, "text_tokens": 0, "image_tokens": 0},
        },
        "output_tokens": 20 + len(said) // 4,
        "output_token_details": {"audio_tokens": 20, "text_tokens": len(said) // 4},
        "total_tokens": 28 + len(said) // 4,
    }


async def test_the_words_of_the_caller_come_before_or_after_the_reply(autojump_clock):
    async def two_turns(wire):
        await one_turn(wire)
        await trio.sleep(5)
        await speak(wire)
        await wire.until_type(TRANSCRIPT + ".completed", 2)

    talk = scene()
    await talk.play(two_turns)
    order = [kind for kind in talk.wire.types() if kind in ("response.done", TRANSCRIPT + ".completed")]
    assert order == [TRANSCRIPT + ".completed", "response.done", "response.done", TRANSCRIPT + ".completed"]


async def test_what_was_read_once_is_in_the_cache(autojump_clock):
    async def two_turns(wire):
        await one_turn(wire)
        await trio.sleep(5)
        await speak(wire)
        await wire.until_type("response.done", 2)

    talk = scene("--reply-seconds=1")
    await talk.play(two_turns)
    first, second = (event["response"]["usage"] for event in talk.wire.events("response.done"))
    assert second["input_token_details"]["cached_tokens_details"]["audio_tokens"] == 8
    assert second["input_token_details"]["cached_tokens"] == first["input_tokens"]
    assert second["input_tokens"] == first["total_tokens"] + 11


async def test_silence_comes_before_the_reply_starts(autojump_clock):
    talk = scene("--leading-silence=250ms", "--mode=paced", "--message-ms=100")
    await talk.play(one_turn)
    (start,) = talk.stamps.of("reply_start")
    assert (start["at"] - talk.wire.start, start["waited_s"]) == (about(1.3), about(0.2))


async def test_no_transcripts(autojump_clock):
    talk = scene("--no-transcripts")
    await talk.play(one_turn)
    assert not [kind for kind in talk.wire.types() if "transcri" in kind]


@pytest.mark.parametrize(("form", "rate_hz"), [("pcm", 24_000), ("ulaw", 8_000), ("alaw", 8_000)])
async def test_the_caller_commits(autojump_clock, form, rate_hz):
    kind = {"pcm": "audio/pcm", "ulaw": "audio/pcmu", "alaw": "audio/pcma"}[form]
    speech = ENCODERS[form](load_clip("pizza-order", rate_hz)[:rate_hz])

    async def commit(wire):
        wire.say(update({"turn_detection": None, "format": {"type": kind}}))
        await wire.stream(speech, append, rate_hz, 2 if form == "pcm" else 1)
        wire.say({"type": "input_audio_buffer.commit"})
        await trio.sleep(9)
        assert not wire.events("response.created")
        wire.say({"type": "response.create"})
        await wire.until_type("response.done")

    talk = scene("--delay=100ms", "--turn-detection=none", f"--encoding={form}")
    await talk.play(commit)
    (started,), (ended,) = talk.at("heard_start"), talk.at("heard_end")
    assert 0 <= started < ended <= 1
    assert talk.wire.types().count("input_audio_buffer.committed") == 1
    assert not [kind for kind in talk.wire.types() if "speech_" in kind]


async def test_a_caller_breaks_in(autojump_clock):
    async def break_in(wire):
        await speak(wire)
        await wire.until_type(DELTA, 5)
        await speak(wire, 0.2, 0.4)
        await wire.until_type("response.done", 2)

    talk = scene("--mode=paced", "--message-ms=20", "--reply-seconds=2", "--delay=300ms")
    await talk.play(break_in)
    first, second = talk.wire.events("response.done")
    assert first["response"]["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
    assert first["response"]["output"][0]["status"] == "incomplete"
    assert second["response"]["status"] == "completed"
    kinds = talk.wire.types()
    over = kinds.index("response.done")
    assert kinds.index("input_audio_buffer.speech_stopped") < over
    assert kinds[over - 1] == "response.output_item.done"
    (broke_in,) = talk.at("barge_in_heard")
    assert talk.wire.times("response.done")[0] == about(broke_in)
    assert [at for at in talk.wire.times(DELTA) if at < broke_in + 0.4][-1] <= broke_in


async def test_what_was_sent_already_is_cut_to_what_was_heard(autojump_clock):
    async def break_in(wire):
        await speak(wire)
        item_id = (await wire.until_type("response.done"))["response"]["output"][0]["id"]
        await trio.sleep(0.7)
        wire.say(append(pybase64.b64encode(tone(0.02, RATE_HZ)).decode()))
        await wire.until_type("input_audio_buffer.speech_started", 2)
        await trio.sleep(0.1)
        for end_ms in (900, 700, 701, "x", -1):
            wire.say(TRUNCATE | {"item_id": item_id, "audio_end_ms": end_ms, "event_id": f"{end_ms}"})
        wire.say(TRUNCATE | {"item_id": "nobody", "audio_end_ms": 1})
        wire.say(RETRIEVE | {"item_id": item_id})
        await trio.sleep(0.1)

    talk = scene("--reply-seconds=0.9")
    await talk.play(break_in)
    assert [event["audio_end_ms"] for event in talk.wire.events("conversation.item.truncated")] == [900, 700]
    assert [stamp["heard_s"] for stamp in talk.stamps.of("truncated")] == [about(0.7)] * 2
    assert error(talk.wire)["message"] == "Audio content of 700ms is already shorter than 701ms"
    assert [event["error"]["event_id"] for event in talk.wire.events("error")] == ["701", "x", "-1", None]
    assert talk.wire.types().count("response.done") == 1
    # Words that nobody heard are not remembered.
    assert talk.wire.events("conversation.item.retrieved")[0]["item"]["content"] == [{"type": "output_audio"}]


async def test_a_caller_that_is_ignored(autojump_clock):
    async def break_in(wire):
        await speak(wire)
        await wire.until_type(DELTA, 5)
        await speak(wire, 0.2, 0.4)
        await wire.until_type("response.done", 2)

    talk = scene("--mode=paced", "--reply-seconds=2", "--ignores-barge-in")
    await talk.play(break_in)
    assert [event["response"]["status"] for event in talk.wire.events("response.done")] == ["completed"] * 2
    assert len(talk.at("barge_in_heard")) == 1


async def test_the_caller_cancels(autojump_clock):
    async def cancel(wire):
        wire.say(update({"turn_detection": None}))
        wire.say({"type": "response.cancel", "event_id": "too soon"})
        wire.say({"type": "conversation.item.create", "item": HELLO})
        wire.say({"type": "response.create"})
        await wire.until_type("response.created")
        wire.say({"type": "response.create", "event_id": "again"})
        wire.say({"type": "response.cancel", "event_id": "another", "response_id": "resp_9_9"})
        wire.say({"type": "response.cancel", "response_id": wire.events("response.created")[0]["response"]["id"]})
        await wire.until_type("response.done")

    talk = scene()
    await talk.play(cancel)
    codes = [(event["error"]["code"], event["error"]["event_id"]) for event in talk.wire.events("error")]
    assert codes == [
        ("response_cancel_not_active", "too soon"),
        ("conversation_already_has_active_response", "again"),
        ("response_cancel_not_active", "another"),
    ]
    assert talk.wire.events("response.done")[0]["response"]["status_details"]["reason"] == "client_cancelled"


async def test_tools_are_called_before_the_reply(autojump_clock):
    async def give(wire):
        await speak(wire)
        for n in (1, 2):
            await wire.until_type("response.done", n)
            call = wire.events("response.function_call_arguments.done")[n - 1]
            assert json.loads(call["arguments"]) == {"order_id": "A-1"}
            item = {"type": "function_call_output", "call_id": call["call_id"], "output": "{}"}
            wire.say({"type": "conversation.item.create", "item": item})
            wire.say({"type": "response.create"})
        await wire.until_type("response.done", 3)
        item = {"type": "function_call_output", "call_id": "call_9_9", "output": "{}"}
        wire.say({"type": "conversation.item.create", "item": item})
        await wire.until_type("error")

        await speak(wire)
        await wire.until_type("response.done", 4)

    talk = scene("--tool-rounds=2")
    await talk.play(give)
    outputs = [event["response"]["output"][0]["type"] for event in talk.wire.events("response.done")]
    assert outputs == ["function_call", "function_call", "message", "function_call"]
    assert error(talk.wire)["code"] == "invalid_tool_call_id"
    assert [stamp["call_id"] for stamp in talk.stamps.of("tool_answered")] == ["call_1_1", "call_1_2"]


async def test_what_turns_end_in_and_how(autojump_clock):
    async def turns(wire):
        for n in range(1, 7):
            await speak(wire)
            await wire.until_type("response.done", n)
            await trio.sleep(5)

    talk = scene(
        "--replies=text", "--replies=nothing", "--replies=audio",
        *(f"--reply-status={status}" for status in ("completed", "completed", "incomplete", "failed", "cancelled")),
    )  # fmt: skip
    await talk.play(turns)
    responses = [event["response"] for event in talk.wire.events("response.done")]
    content = [response["output"][0]["content"][0] if response["output"] else {} for response in responses]
    details = [response["status_details"] or {} for response in responses]
    assert [(response["status"], part.get("type")) for response, part in zip(responses, content, strict=True)] == [
        ("completed", "output_text"),
        ("completed", None),
        ("incomplete", "output_audio"),
        ("failed", None),
        ("cancelled", None),
        ("completed", "output_audio"),
    ]
    assert content[2]["transcript"] != content[5]["transcript"]
    reasons = [detail.get("reason") for detail in details]
    assert reasons == [
        None,
        None,
        "max_output_tokens",
        None,
        "turn_detected",
        None,
    ]
    assert details[3]["error"]["type"] == "server_error"


async def test_a_rate_limit(autojump_clock):
    async def turns(wire):
        for n in (1, 2, 3):
            await speak(wire)
            await wire.until_type("response.done", n)
            await trio.sleep(4 if n == 1 else 60)

    talk = scene("--requests-limit=1")
    await talk.play(turns)
    first, second, third = (event["response"] for event in talk.wire.events("response.done"))
    assert (first["status"], second["status"], third["status"]) == ("completed", "failed", "completed")
    assert second["status_details"]["error"]["code"] == "rate_limit_exceeded"
    limits = [event["rate_limits"][0] for event in talk.wire.events("rate_limits.updated")]
    assert [(limit["limit"], limit["remaining"]) for limit in limits] == [(1, 0)] * 3


async def test_a_complaint_in_each_turn_ends_nothing(autojump_clock):
    talk = scene("--complaints")
    await talk.play(one_turn)
    assert len(talk.wire.events("error")) == 1
    assert talk.wire.events("response.done")[0]["response"]["status"] == "completed"


@pytest.mark.parametrize(("switches", "said"), [(["--greeting"], "agent-greeting"), ([], "agent-reply-2")])
async def test_it_speaks_first_when_asked_to(autojump_clock, switches, said):
    async def ask(wire):
        wire.say(update())
        wire.say({"type": "response.create", "response": {"metadata": {"a": "b"}}})
        await wire.until_type("response.done")

    talk = scene(*switches)
    await talk.play(ask)
    (transcript,) = talk.wire.events("response.output_audio_transcript.done")
    assert transcript["transcript"] == clip_text(said)
    assert talk.wire.events("response.done")[0]["response"]["metadata"] == {"a": "b"}
    assert talk.stamps.of("reply_start")[0]["turn"] == 0


async def test_what_is_written_is_answered(autojump_clock):
    async def write(wire):
        wire.say({"type": "conversation.item.create", "item": HELLO})
        await trio.sleep(0.4)
        wire.say({"type": "response.create", "response": {"output_modalities": ["text"]}})
        await wire.until_type("response.done")

    talk = scene()
    await talk.play(write)
    (done,) = talk.wire.events("response.output_text.done")
    assert "".join(event["delta"] for event in talk.wire.events("response.output_text.delta")) == done["text"]
    assert talk.wire.times("response.output_text.delta")[0] == about(0.6)
    assert [(stamp["what"], stamp["turn"]) for stamp in talk.stamps.all][:2] == [("message_in", 1), ("message_out", 1)]


async def test_what_was_said_over_another_connection_counts_as_turns(autojump_clock):
    async def go_on(wire):
        for role in ("user", "assistant", "user"):
            content = [{"type": "output_text" if role == "assistant" else "input_text", "text": "hello"}]
            item = {"type": "message", "role": role, "content": content}
            wire.say({"type": "conversation.item.create", "item": item})
        await speak(wire)
        await wire.until_type("response.done")

    talk = scene()
    await talk.play(go_on)
    assert [stamp["turn"] for stamp in talk.stamps.of("heard_start")] == [3]
    assert len(talk.wire.events("response.created")) == 1


@pytest.mark.parametrize(("quiet_s", "told_at"), [(0.012, 0.012), (2.0, 0.1)])
async def test_nobody_is_heard_before_he_speaks(autojump_clock, quiet_s, told_at):
    """But for a caller that sends faster than it speaks."""

    async def say(wire):
        wire.say(append(pybase64.b64encode(silence(quiet_s, RATE_HZ) + tone(0.02, RATE_HZ)).decode()))
        await wire.until_type("input_audio_buffer.speech_started")

    talk = scene()
    await talk.play(say)
    assert talk.wire.times("input_audio_buffer.speech_started") == [about(told_at)]
    assert talk.at("heard_start") == [about(quiet_s)]


async def test_the_next_may_be_asked_for_as_soon_as_one_is_done(autojump_clock):
    async def ask_twice(wire):
        for n in (1, 2):
            wire.say({"type": "response.create"})
            await wire.until_type("response.done", n)

    talk = scene()
    await talk.play(ask_twice)
    assert talk.wire.events("error") == []
