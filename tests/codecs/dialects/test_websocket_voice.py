"""Audio over a WebSocket: a table of examples, the contract every dialect keeps, and what loading refuses."""

import base64
import json

import attrs
import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.codecs.audio import g711
from coval_load.codecs.dialects.interface import Outgoing
from coval_load.codecs.dialects.websocket_voice import WebSocketVoiceFormat, check
from coval_load.codecs.events import (
    AgentEventReceived,
    AudioReceived,
    MessageIgnored,
    ReadyReceived,
    Violation,
)
from coval_load.codecs.templates import TemplateError
from coval_load.testing import Example, check_dialect

VALUES = {
    "run_id": "run-1",
    "simulation_output_id": "sim-1",
    "simulation_id": "sim-1",
    "stream_sid": "MZ" + "1" * 32,
    "call_sid": "CA" + "2" * 32,
    "agent": {"team": "blue"},
    "test_case": {"account_id": "42"},
    "run_metadata": {},
}
TWILIO = WebSocketVoiceFormat(
    initialization_json={"event": "start", "streamSid": "{{stream_sid}}", "start": {"callSid": "{{call_sid}}"}},
    send_audio_template='{"event":"media","streamSid":"{{stream_sid}}","media":{"payload":"{{audio_data}}"}}',
    send_dtmf_template='{"event":"dtmf","streamSid":"{{stream_sid}}","dtmf":{"digit":"{{digit}}"}}',
    audio_encoding="ulaw",
    message_type_path="event",
    audio_message_type_value="media",
    audio_data_path="media.payload",
    send_sample_rate_hertz=8000,
    receive_sample_rate_hertz=8000,
    non_audio_event_message_types=("mark",),
)
STEREO = WebSocketVoiceFormat(handshake_ready_message_type="session_ready", handshake_requires_session_id=True)
MONO = attrs.evolve(STEREO, receive_audio_channels=1, non_audio_event_message_types=("cart_update",))
RAW = WebSocketVoiceFormat(
    send_audio_template="{{ audio_data }}", send_media_template="{{media_data}}", receive_audio_channels=1
)
ANY = WebSocketVoiceFormat(
    audio_message_type_value="*",
    audio_data_path="a.0",
    receive_audio_channels=1,
    handshake_ready_message_type="ready",
    non_audio_event_message_types=("note", "ready_too"),
)
MP3 = WebSocketVoiceFormat(audio_encoding="mp3")


def pack(*samples):
    return np.array(samples, "<i2").tobytes()


def chunk(data, message_type="audio_chunk"):
    return json.dumps({"type": message_type, "data": base64.b64encode(data).decode()})


def no_audio(came, where="data"):
    return [Violation(f"expected base64 audio at '{where}' (audio_data_path); {came}")]


TABLE = [
    (MONO, chunk(pack(1, -2, 3)), [AudioReceived(pack(1, -2, 3))]),
    (STEREO, chunk(pack(1, 3, -5, -6)), [AudioReceived(pack(2, -6))]),
    (STEREO, pack(1, 3), [AudioReceived(pack(1, 3))]),
    (STEREO, pack(1, 3) + b"\0", [AudioReceived(pack(1, 3))]),
    (STEREO, b"\0", []),
    (MONO, chunk(b""), []),
    (MONO, '{"type":"session_ready","session_id":"abc123"}', [ReadyReceived("abc123")]),
    (MONO, '{"type":"session_ready"}', [ReadyReceived(None)]),
    (
        MONO,
        '{"type":"cart_update","event":"added"}',
        [AgentEventReceived("cart_update", "added", {"type": "cart_update", "event": "added"})],
    ),
    (
        MONO,
        chunk(b"", "audio"),
        [MessageIgnored("type 'audio' at 'type' is not 'session_ready' (handshake_ready_message_type)")],
    ),
    (
        MONO,
        "[]",
        [MessageIgnored("no type at 'type' where 'session_ready' is looked for (handshake_ready_message_type)")],
    ),
    (
        attrs.evolve(MONO, handshake_ready_message_type=""),
        chunk(b"", "audio"),
        [MessageIgnored("type 'audio' at 'type' is not 'audio_chunk' (audio_message_type_value)")],
    ),
    (MONO, '{"type":"audio_chunk"}', no_audio("nothing is there")),
    (MONO, '{"type":"audio_chunk","data":null}', no_audio("got null")),
    (MONO, '{"type":"audio_chunk","data":7}', no_audio("got a number")),
    (MONO, '{"type":"audio_chunk","data":[]}', no_audio("got an array")),
    (MONO, '{"type":"audio_chunk","data":{}}', no_audio("got an object")),
    (MONO, '{"type":"audio_chunk","data":false}', no_audio("got a boolean")),
    (TWILIO, '{"event":"media","media":{"payload":"/38A"}}', [AudioReceived(g711.decode(b"\xff\x7f\x00"))]),
    (TWILIO, b"\xff\x7f\x00", [AudioReceived(g711.decode(b"\xff\x7f\x00"))]),
    (TWILIO, '{"event":"mark"}', [AgentEventReceived("mark", "mark", {"event": "mark"})]),
    (TWILIO, '{"event":"media","media":[]}', no_audio("nothing is there", "media.payload")),
    (ANY, '{"a":["AAA="]}', [AudioReceived(pack(0))]),
    (ANY, '{"type":5,"a":["AAA="]}', [AudioReceived(pack(0))]),
    (ANY, '{"type":"note"}', [AgentEventReceived("note", None, {"type": "note"})]),
    (ANY, '{"type":"ready","a":["AAA="]}', [ReadyReceived(None)]),
    (ANY, "[]", no_audio("nothing is there", "a.0")),
    (RAW, chunk(pack(7)), [AudioReceived(pack(7))]),
]


def read_json(*path):
    def read(message):
        assert message.is_text
        found = json.loads(message.payload)
        for step in path:
            found = found[step]
        return base64.b64decode(found, validate=True)

    return read


def read_raw(message):
    assert not message.is_text
    return message.payload


@pytest.mark.parametrize(
    ("voice", "read_audio"),
    [
        (MONO, read_json("data")),
        (STEREO, read_json("data")),
        (RAW, read_raw),
        (ANY, read_json("data")),
        (MP3, read_json("data")),
        (TWILIO, None),
    ],
)
def test_the_contract_is_kept_and_the_examples_mean_what_they_say(voice, read_audio):
    examples = [Example(payload, events) for format_, payload, events in TABLE if format_ == voice]
    check_dialect(voice, VALUES, examples, read_audio=read_audio)


@pytest.mark.parametrize(("voice", "payload", "events"), TABLE)
def test_an_example(voice, payload, events):
    check_dialect(voice, VALUES, [Example(payload, events)], most_runs=1)


@given(st.lists(st.binary(max_size=20)), st.sampled_from([MONO, STEREO]), st.booleans())
def test_samples_cut_between_messages_are_not_lost(pieces, voice, is_text):
    dialect = voice.open(VALUES)
    heard = b""
    for piece in pieces:
        for event in dialect.decode(chunk(piece).encode() if is_text else piece, is_text):
            heard += event.pcm
    whole = voice.open(VALUES)
    everything = b"".join(pieces)
    at_once = whole.decode(chunk(everything).encode() if is_text else everything, is_text)
    assert heard == b"".join(event.pcm for event in at_once)


def test_half_a_sample_in_json_and_half_in_binary_are_two_streams():
    dialect = MONO.open(VALUES)
    assert dialect.decode(b"\1", False) == ()
    assert dialect.decode(chunk(pack(5)).encode(), True) == (AudioReceived(pack(5)),)
    assert dialect.decode(b"\0", False) == (AudioReceived(pack(1)),)


@pytest.mark.parametrize("data", ["AAA", "AA=A", "AAA=\n", "A-_A", "é===", "{}", "A" * 1001])
def test_what_is_no_base64_is_a_violation_that_quotes_a_bounded_piece(data):
    message = json.dumps({"type": "audio_chunk", "data": data}).encode()
    (event,) = MONO.open(VALUES).decode(message, True)
    assert isinstance(event, Violation)
    assert event.reason.startswith("expected base64 audio at 'data' (audio_data_path); got '")
    assert len(event.reason) < 300


@pytest.mark.parametrize("payload", [b"", b"hello", b'{"type":', b"\xff", b"[" * 100_000, b"NaN"])
def test_text_that_is_no_json_is_a_violation_in_the_documented_words(payload):
    (event,) = MONO.open(VALUES).decode(payload, True)
    assert isinstance(event, Violation)
    assert event.reason.startswith("Invalid JSON in response: ")
    assert len(event.reason) < 300


def test_what_is_no_mp3_is_a_violation():
    dialect = MP3.open(VALUES)
    events = [event for _ in range(20) for event in dialect.decode(bytes(4000), False)]
    assert events
    assert all(isinstance(event, Violation) and "MP3" in event.reason for event in events)


def test_only_the_first_ready_message_is_one():
    dialect = MONO.open(VALUES)
    ready = b'{"type":"session_ready","session_id":"a"}'
    assert dialect.decode(ready, True) == (ReadyReceived("a"),)
    assert dialect.decode(ready, True) == (MessageIgnored("a second ready message, type 'session_ready'"),)


def test_a_type_with_two_meanings_is_ready_once():
    voice = attrs.evolve(MONO, handshake_ready_message_type="audio_chunk")
    dialect = voice.open(VALUES)
    audio = chunk(pack(4)).encode()
    assert dialect.decode(audio, True) == (ReadyReceived(None),)
    assert dialect.decode(audio, True) == (AudioReceived(pack(4)),)


def test_a_listed_event_wins_over_audio():
    dialect = attrs.evolve(MONO, non_audio_event_message_types=("audio_chunk",)).open(VALUES)
    (event,) = dialect.decode(chunk(pack(4)).encode(), True)
    assert isinstance(event, AgentEventReceived)


@given(st.binary(max_size=700))
def test_a_mulaw_frame_of_twilio_says_what_was_spoken(data):
    pcm = data[: len(data) // 2 * 2]
    dialect = TWILIO.open(VALUES)
    said = json.loads(dialect.frame(TWILIO.audio_body(pcm)))
    assert said["event"] == "media"
    assert said["streamSid"] == VALUES["stream_sid"]
    assert base64.b64decode(said["media"]["payload"]) == g711.encode(pcm)
    assert dialect.frames_are_text


def test_what_twilio_wants_first_and_how_digits_are_sent():
    dialect = TWILIO.open(VALUES)
    (start,) = dialect.opening()
    assert json.loads(start.payload) == {
        "event": "start",
        "streamSid": VALUES["stream_sid"],
        "start": {"callSid": VALUES["call_sid"]},
    }
    for digit in "0123456789*#ABCD":
        pressed = dialect.digit(digit)
        assert pressed.is_text
        assert json.loads(pressed.payload)["dtmf"] == {"digit": digit}


def test_digits_without_a_template_are_an_error_that_says_what_to_do():
    with pytest.raises(TemplateError, match=r"send_dtmf_template: .* set one or send none"):
        MONO.open(VALUES).digit("1")


@given(st.text(), st.text(), st.binary())
def test_an_image_arrives_as_it_was(name, mime_type, data):
    (message,) = MONO.open(VALUES).media(name, mime_type, data)
    assert message.is_text
    said = orjson.loads(message.payload)
    assert (said["type"], said["name"], said["mime_type"]) == ("media", name, mime_type)
    assert base64.b64decode(said["data"], validate=True) == data
    assert RAW.open(VALUES).media(name, mime_type, data) == (Outgoing(data, is_text=False),)


@pytest.mark.parametrize(
    ("voice", "are_shared"), [(MONO, True), (RAW, True), (TWILIO, False), (attrs.evolve(TWILIO), False)]
)
def test_frames_are_shared_where_nothing_in_them_is_of_one_simulation(voice, are_shared):
    assert voice.frames_are_shared is are_shared
    other = {**VALUES, "stream_sid": "MZ" + "9" * 32}
    body = voice.audio_body(bytes(640))
    assert (voice.open(VALUES).frame(body) == voice.open(other).frame(body)) is are_shared


def test_a_template_may_hold_the_audio_twice_or_without_quotes():
    voice = WebSocketVoiceFormat(send_audio_template='{"a": {{audio_data}}, "b": "x{{audio_data}}"}')
    said = json.loads(voice.open(VALUES).frame(voice.audio_body(pack(1))))
    assert said == {"a": "AQA=", "b": "xAQA="}


def test_the_rates_are_those_of_the_metadata():
    assert (TWILIO.send_rate_hz, TWILIO.receive_rate_hz) == (8000, 8000)
    assert (MONO.send_rate_hz, MONO.receive_rate_hz) == (16000, 48000)


@pytest.mark.parametrize(
    ("options", "field", "message"),
    [
        ({"send_audio_template": '{"a": 1}'}, "send_audio_template", "{{audio_data}}: expected this placeholder"),
        ({"send_audio_template": "{{media_data}}"}, "send_audio_template", "{{media_data}}: no such name"),
        ({"send_audio_template": "audio"}, "send_audio_template", "expected text that is JSON"),
        ({"send_media_template": '{"a": "{{mime_type}}"}'}, "send_media_template", "{{media_data}}: expected"),
        ({"send_dtmf_template": '{"a": 1}'}, "send_dtmf_template", "{{digit}}: expected this placeholder"),
        ({"initialization_json": ["{{digit}}"]}, "initialization_json", "{{digit}}: no such name"),
        ({"audio_encoding": "opus"}, "audio_encoding", "expected one of pcm, ulaw, mp3; got 'opus'"),
        ({"receive_audio_channels": 3}, "receive_audio_channels", "expected 1 or 2; got 3"),
        (
            {"message_type_path": "", "handshake_ready_message_type": "ready"},
            "handshake_ready_message_type",
            "no message has a type",
        ),
    ],
)
def test_what_can_never_do_is_found_before_anything_is_dialled(options, field, message):
    ((found_field, found_message),) = check(WebSocketVoiceFormat(**options))
    assert found_field == field
    assert found_message.startswith(message)


def test_what_is_right_has_no_complaints():
    assert [check(voice) for voice in (MONO, STEREO, RAW, ANY, MP3, TWILIO)] == [[]] * 6
