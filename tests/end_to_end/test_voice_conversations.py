"""What a spoken conversation over WebSocket means, from a plan to its rows: each agent here is a dialogue."""

import json
import wave

import numpy as np
import pybase64
import pytest
import trio
from in_process import EXACT, FRAME_S, RATE_HZ, answers, tone, write_tone

from coval_load.reference.hearing import MULAW
from coval_load.reference.sound import to_mulaw

END_OF_TURN_S = 0.8
TWILIO_MEDIA = '{"event":"media","streamSid":"{{stream_sid}}","media":{"payload":"{{audio_data}}"}}'


async def test_turns_follow_one_another(virtual_time, speak_with, tone_of):
    heard = []

    async def listens(call):
        for _ in range(2):
            first_at, last_at, pcm = await call.listen_out()
            heard.append((last_at - first_at, pcm))
            await trio.sleep_until(last_at + 0.6)
            await call.play(tone(1.0))
        await call.stay()

    ran = await speak_with(listens, tone_of(1.5), tone_of(0.5), persona={"wait_seconds": 0.25})
    assert (ran.row["outcome"], ran.row["error"], ran.row["close_code"]) == ("completed", None, 1000)
    assert [pcm for _, pcm in heard] == [tone(1.5), tone(0.5)]
    assert [seconds for seconds, _ in heard] == pytest.approx([1.5, 0.5], abs=0.001)
    assert ran.of_metric("response_latency") == pytest.approx([0.6, 0.6], abs=EXACT)
    assert ran.of_metric("leading_silence") == pytest.approx([0, 0], abs=EXACT)
    assert [role for role, _ in ran.said] == ["user", "assistant"] * 2
    for turn in ran.turns("assistant"):
        assert turn["end"] - turn["start"] == pytest.approx(1.0, abs=EXACT)
        assert turn["messages"] == 10
    (_, reply, user, _) = ran.row["transcript"]
    assert user["start"] - reply["end"] == pytest.approx(END_OF_TURN_S + 0.25, abs=FRAME_S + EXACT)
    assert ran.exit_code == 0


async def test_the_microphone_is_always_on(virtual_time, speak_with, tone_of):
    frames = []

    async def counts(call):
        start = trio.current_time()
        while trio.current_time() < start + 3:
            frames.append((trio.current_time(), await call.next()))
        await call.play(tone(0.5))
        await call.stay()

    await speak_with(counts, tone_of(1.0))
    assert len(frames) == pytest.approx(150, abs=2)
    assert {len(frame) for _, frame in frames} == {2 * RATE_HZ // 50}
    assert sum(any(frame) for _, frame in frames) == 50


async def test_a_microphone_that_is_off_in_between(virtual_time, speak_with, tone_of):
    frames = []

    async def counts(call):
        with trio.move_on_after(3):
            while True:
                frames.append(await call.next())
        await call.play(tone(0.5))
        await call.stay()

    ran = await speak_with(counts, tone_of(1.0), persona={"send_silence": False})
    assert b"".join(frames) == tone(1.0)
    assert ran.row["outcome"] == "completed"


async def test_leading_silence_is_counted_in(virtual_time, speak_with, tone_of):
    async def hesitates(call):
        _, ended_at, _ = await call.listen_out()
        await trio.sleep_until(ended_at + 0.5)
        await call.play(bytes(2 * RATE_HZ * 7 // 10) + tone(0.5))
        await call.stay()

    ran = await speak_with(hesitates, tone_of(0.5))
    assert ran.of_metric("ttfb_audio") == [pytest.approx(0.5, abs=EXACT)]
    assert ran.of_metric("leading_silence") == [pytest.approx(0.7, abs=EXACT)]
    assert ran.of_metric("response_latency") == [pytest.approx(1.2, abs=EXACT)]


async def test_the_agent_greets_first(virtual_time, speak_with, tone_of):
    async def greets(call):
        await trio.sleep(1.25)
        await call.play(tone(2.0))
        await answers(call)

    ran = await speak_with(greets, tone_of(0.5), persona={"conversation_initiation": "wait_for_user"})
    assert [role for role, _ in ran.said] == ["assistant", "user", "assistant"]
    assert ran.of_metric("greeting_latency") == [pytest.approx(1.25, abs=EXACT)]
    assert ran.of_metric("response_latency") == [pytest.approx(0.6, abs=EXACT)]
    greeting, user, _ = ran.row["transcript"]
    assert user["start"] - greeting["end"] == pytest.approx(END_OF_TURN_S + 0.5, abs=FRAME_S + EXACT)


async def test_a_greeting_that_comes_before_the_ready_message_is_kept(virtual_time, speak_with, tone_of):
    async def is_eager(call):
        await call.play(tone(1.0))
        await trio.sleep(0.4)
        await call.send(type="session_ready", session_id="7")
        await answers(call)

    ran = await speak_with(
        is_eager,
        tone_of(0.5),
        persona={"conversation_initiation": "wait_for_user"},
        metadata={"handshake_ready_message_type": "session_ready", "handshake_requires_session_id": True},
    )
    assert [role for role, _ in ran.said] == ["assistant", "user", "assistant"]
    assert ran.row["metrics"]["handshake_time"] == pytest.approx(0.4, abs=0.005)
    assert ran.of_metric("greeting_latency") == [0]


async def test_a_ready_message_without_the_session_it_should_name(virtual_time, speak_with, tone_of):
    async def forgets_the_session(call):
        await call.send(type="session_ready")
        await call.stay()

    metadata = {"handshake_ready_message_type": "session_ready", "handshake_requires_session_id": True}
    ran = await speak_with(forgets_the_session, tone_of(0.5), metadata=metadata)
    assert (ran.error["kind"], ran.error["stage"]) == ("handshake_invalid", "handshake")
    assert "session_id" in ran.error["message"]


async def test_a_skip_hears_what_the_agent_says_of_itself(virtual_time, speak_with, tone_of):
    async def thinks_aloud(call):
        await call.listen_out()
        await call.play(tone(0.5))
        await trio.sleep(4)
        await call.play(tone(1.5))
        await answers(call)

    ran = await speak_with(thinks_aloud, tone_of(0.5), {"type": "skip"}, tone_of(1.0))
    assert [role for role, _ in ran.said] == ["user", "assistant", "assistant", "user", "assistant"]
    lengths = [turn["end"] - turn["start"] for turn in ran.turns("assistant")]
    assert lengths == pytest.approx([0.5, 1.5, 1.0], abs=EXACT)
    assert len(ran.of_metric("response_latency")) == 2


async def test_keys_are_pressed_one_after_another(virtual_time, speak_with):
    pressed = []

    async def takes_digits(call):
        while len(pressed) < 4:
            message = await call.hear()
            pressed.append((trio.current_time(), message["digit"]))
        await trio.sleep(0.6)
        await call.play(tone(0.5))
        await call.stay()

    ran = await speak_with(
        takes_digits,
        {"type": "dtmf", "digits": "1*#D"},
        metadata={"send_dtmf_template": '{"type": "key", "digit": "{{digit}}"}'},
    )
    assert [digit for _, digit in pressed] == list("1*#D")
    assert np.diff([at for at, _ in pressed]) == pytest.approx([0.1] * 3, abs=0.005)
    assert ran.turns("user")[0] | {"start": 0, "end": 0} == {
        "role": "user",
        "content": "1*#D",
        "type": "dtmf",
        "start": 0,
        "end": 0,
    }
    assert ran.of_metric("response_latency") == [pytest.approx(0.6, abs=EXACT)]


@pytest.mark.parametrize("raw", [False, True])
async def test_an_image_is_shown(virtual_time, speak_with, tmp_path, raw):
    image = bytes(range(256)) * 20
    (tmp_path / "menu.png").write_bytes(image)
    shown = []

    async def looks(call):
        if raw:  # the microphone speaks JSON here, so the only binary message is the image
            while not isinstance(message := await call.websocket.get_message(), bytes):
                pass
        else:
            message = await call.hear()
        shown.append(message)
        await trio.sleep(0.6)
        await call.play(tone(0.5))
        await call.stay()

    metadata = {"send_media_template": "{{media_data}}"} if raw else {}
    ran = await speak_with(looks, {"type": "media", "file": str(tmp_path / "menu.png")}, metadata=metadata)
    if raw:
        assert shown == [image]
    else:
        assert shown == [
            {"type": "media", "name": "menu.png", "mime_type": "image/png", "data": pybase64.b64encode(image).decode()}
        ]
    (turn,) = ran.turns("user")
    assert (turn["content"], turn["type"]) == ("menu.png", "media")
    assert ran.of_metric("response_latency") == [pytest.approx(0.6, abs=EXACT)]


async def test_a_turn_that_expects_no_reply_is_followed_at_once(virtual_time, speak_with, tone_of):
    ran = await speak_with(answers, tone_of(0.5, expects_reply=False), tone_of(1.0))
    assert [role for role, _ in ran.said] == ["user", "user", "assistant"]
    first, second = ran.turns("user")
    assert second["start"] - first["end"] == pytest.approx(0, abs=FRAME_S)
    assert ran.of_metric("response_latency") == [pytest.approx(0.6, abs=EXACT)]


async def test_events_are_kept_with_their_time(virtual_time, speak_with, tone_of):
    async def updates_the_cart(call):
        _, ended_at, _ = await call.listen_out()
        await trio.sleep_until(ended_at + 0.5)
        await call.send(type="cart_update", event="added", items=[1])
        await call.play(tone(0.5))
        await call.stay()

    metadata = {"non_audio_event_message_types": ["cart_update"]}
    ran = await speak_with(updates_the_cart, tone_of(0.5), metadata=metadata)
    (event,) = ran.row["events"]
    assert event["at"] == pytest.approx(ran.turns("user")[0]["end"] + 0.5, abs=0.005)
    assert event["payload"] == {"type": "cart_update", "event": "added", "items": [1]}


async def test_twilio_media_streams_are_a_template(virtual_time, speak_with, tone_of):
    started, heard = [], []

    async def speaks_twilio(call):
        started.append(json.loads(await call.websocket.get_message()))
        sid = started[0]["streamSid"]
        loud_at = None
        while loud_at is None or trio.current_time() < loud_at + 0.3:
            message = json.loads(await call.websocket.get_message())
            assert (message["event"], message["streamSid"]) == ("media", sid)
            frame = pybase64.b64decode(message["media"]["payload"])
            assert len(frame) == 160
            samples = MULAW[np.frombuffer(frame, np.uint8)]
            if abs(samples).max() > 100:
                loud_at = trio.current_time()
                heard.append(samples)
        await trio.sleep_until(loud_at + FRAME_S + 0.6)
        reply = to_mulaw(np.frombuffer(tone(1.0, 8000), "<i2").astype(np.float32) / 32768)
        for at in range(0, len(reply), 320):
            payload = pybase64.b64encode(reply[at : at + 320]).decode()
            await call.send(event="media", streamSid=sid, media={"payload": payload})
        await call.send(event="mark", streamSid=sid, mark={"name": "end"})
        await call.stay()

    ran = await speak_with(
        speaks_twilio,
        tone_of(0.5),
        metadata={
            "send_audio_template": TWILIO_MEDIA,
            "audio_encoding": "ulaw",
            "message_type_path": "event",
            "audio_message_type_value": "media",
            "audio_data_path": "media.payload",
            "send_sample_rate_hertz": 8000,
            "receive_sample_rate_hertz": 8000,
            "initialization_json": {
                "event": "start",
                "streamSid": "{{stream_sid}}",
                "start": {"callSid": "{{call_sid}}", "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000}},
            },
        },
    )
    assert ran.row["outcome"] == "completed"
    assert started[0]["streamSid"].startswith("MZ")
    assert len(started[0]["streamSid"]) == len(started[0]["start"]["callSid"]) == 34
    spoken = np.concatenate(heard)
    assert len(spoken) / 8000 == pytest.approx(0.5, abs=0.021)
    assert np.sqrt(np.mean(np.square(spoken, dtype=float))) == pytest.approx(8000 / np.sqrt(2), rel=0.05)
    assert ran.of_metric("response_latency") == [pytest.approx(0.6, abs=EXACT)]
    (reply,) = ran.turns("assistant")
    assert reply["end"] - reply["start"] == pytest.approx(1.0, abs=EXACT)
    assert ran.summary["counters"]["messages_ignored"] == 1


@pytest.mark.parametrize(("paced", "heard_s"), [(True, 3.0), (False, 0.1)])
async def test_what_comes_faster_than_real_time(virtual_time, speak_with, tone_of, paced, heard_s):
    async def bursts(call):
        await answers(call, reply_s=3.0)

    ran = await speak_with(bursts, tone_of(0.5), metadata={"pace_inbound_binary_audio": paced})
    (reply,) = ran.turns("assistant")
    assert reply["end"] - reply["start"] == pytest.approx(heard_s, abs=EXACT)
    assert bool(ran.summary["notes"]) is not paced
    assert paced or "set it to true" in ran.summary["notes"][0]


@pytest.mark.parametrize(("rate_hz", "told"), [(RATE_HZ, False), (3 * RATE_HZ, True)])
async def test_a_rate_that_is_too_high_shows_in_gaps(virtual_time, speak_with, tone_of, rate_hz, told):
    async def speaks_in_real_time(call):
        _, ended_at, _ = await call.listen_out()
        await trio.sleep_until(ended_at + 0.6)
        for _ in range(100):
            await call.play(tone(FRAME_S))
            await trio.sleep(FRAME_S)
        await call.stay()

    ran = await speak_with(speaks_in_real_time, tone_of(0.5), metadata={"receive_sample_rate_hertz": rate_hz})
    assert any("check receive_sample_rate_hertz" in note for note in ran.summary["notes"]) is told


async def test_stereo_in_json_is_heard_as_mono(virtual_time, speak_with, tone_of):
    async def speaks_stereo(call):
        _, ended_at, _ = await call.listen_out()
        await trio.sleep_until(ended_at + 0.6)
        await call.play(np.repeat(np.frombuffer(tone(1.0, 48_000), "<i2"), 2).tobytes())
        await call.stay()

    metadata = {"receive_audio_channels": 2, "receive_sample_rate_hertz": 48_000}
    ran = await speak_with(speaks_stereo, tone_of(0.5), metadata=metadata)
    (reply,) = ran.turns("assistant")
    assert reply["end"] - reply["start"] == pytest.approx(1.0, abs=EXACT)


async def test_an_agent_that_hangs_up_after_the_last_reply_is_heard_out(virtual_time, speak_with, tone_of):
    async def says_goodbye(call):
        _, ended_at, _ = await call.listen_out()
        await trio.sleep_until(ended_at + 0.6)
        await call.play(tone(2.0))
        await call.hang_up(1000, "done")

    ran = await speak_with(says_goodbye, tone_of(0.5))
    assert (ran.row["outcome"], ran.row["close_code"]) == ("completed", 1000)
    (reply,) = ran.turns("assistant")
    assert reply["end"] - reply["start"] == pytest.approx(2.0, abs=EXACT)


@pytest.mark.parametrize("code", [1000, 1011, 4001])
@pytest.mark.parametrize("when", ["while the caller speaks", "before it answers", "before the next turn"])
async def test_an_agent_that_hangs_up_midway(virtual_time, speak_with, tone_of, code, when):
    async def hangs_up(call):
        if when == "while the caller speaks":
            await trio.sleep(0.5)
        else:
            await call.listen_out()
        if when == "before the next turn":
            await call.play(tone(0.5))
            await trio.sleep(1.5)
        await call.hang_up(code, "that is it")

    ran = await speak_with(hangs_up, tone_of(1.0), tone_of(0.5), persona={"wait_seconds": 3})
    assert (ran.error["kind"], ran.error["stage"]) == ("connection_closed", "conversation")
    assert f"code {code} (that is it)" in ran.error["message"]
    assert ran.row["close_code"] == code
    assert len(ran.turns("assistant")) == (when == "before the next turn")
    assert ran.lasted < 4


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("so?", "Invalid JSON in response"),
        ('{"type": "audio_chunk", "data": "*** no ***"}', "expected base64 audio at 'data'"),
        ('{"type": "audio_chunk"}', "nothing is there"),
        ('{"type": "audio_chunk", "data": [1]}', "got an array"),
    ],
)
async def test_what_can_not_be_read(virtual_time, speak_with, tone_of, message, told):
    async def mumbles(call):
        await call.listen_out()
        await call.websocket.send_message(message)
        await call.stay()

    ran = await speak_with(mumbles, tone_of(0.5))
    assert ran.error["kind"] == "invalid_message"
    assert told in ran.error["message"]
    assert ran.lasted == pytest.approx(0.8, abs=0.1)


async def test_audio_of_another_type_is_no_answer_and_the_message_says_why(virtual_time, speak_with, tone_of):
    async def speaks_otherwise(call):
        await call.listen_out()
        await call.send(type="audio", payload="AAAA")
        await call.stay()

    ran = await speak_with(speaks_otherwise, tone_of(0.5), timeouts={"response": "2s"})
    assert ran.error["kind"] == "no_response"
    assert "type 'audio' at 'type' is not 'audio_chunk' (audio_message_type_value)" in ran.error["message"]


def test_the_tone_is_what_it_says(tmp_path):
    with wave.open(write_tone(tmp_path / "x.wav", 0.25)) as file:
        assert file.getnframes() == RATE_HZ / 4
