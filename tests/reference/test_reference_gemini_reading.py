"""How strictly the Gemini Live agent reads what its callers send."""

import base64
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.reference.realtime.gates import gemini_key
from coval_load.reference.realtime.gemini_fields import Refused
from coval_load.reference.realtime.gemini_reading import (
    ActivityEnded,
    ActivityStarted,
    AudioCame,
    AudioEnded,
    ContentCame,
    MediaCame,
    TextCame,
    ToolAnswered,
    read_inputs,
    read_rate,
)
from coval_load.reference.realtime.gemini_sessions import Session
from coval_load.reference.realtime.gemini_setup import SetUp, read_setup
from coval_load.reference.realtime.gemini_wording import Usage, duration

PCM = bytes(range(256)) * 2
SAFE, URL_SAFE = base64.b64encode(PCM).decode(), base64.urlsafe_b64encode(PCM).decode()
NAMES = re.findall(
    r"\w+",
    "setup clientContent realtimeInput toolResponse turns parts role text audio data mimeType inlineData model tools"
    " functionResponses id name response activity_start mediaChunks turn_complete sessionResumption handle"
    " generationConfig responseModalities realtimeInputConfig",
)
MODEL = {"model": "models/gemini-live"}


def read(message):
    return list(read_inputs(json.dumps(message)))


def refusal(call, *arguments):
    with pytest.raises(Refused) as caught:
        call(*arguments)
    return caught.value


@pytest.mark.parametrize(
    ("message", "facts"),
    [
        ({"realtimeInput": {"audio": {"data": SAFE, "mimeType": "audio/pcm;rate=16000"}}}, [AudioCame(PCM, 16_000)]),
        # As the official client sends it: both ways of writing names, base64 that is URL-safe.
        ({"realtime_input": {"audio": {"data": URL_SAFE, "mime_type": "audio/pcm"}}}, [AudioCame(PCM, 16_000)]),
        (
            {"realtime_input": {"mediaChunks": [{"data": URL_SAFE, "mime_type": "audio/pcm;rate=8000"}]}},
            [AudioCame(PCM, 8_000)],
        ),
        ({"realtimeInput": {"video": {"data": SAFE, "mimeType": "image/png"}}}, [MediaCame("image/png")]),
        ({"realtimeInput": {"audioStreamEnd": True}}, [AudioEnded()]),
        ({"realtime_input": {"activityStart": {}}}, [ActivityStarted()]),
        ({"realtimeInput": {"activityEnd": {}, "text": "hi"}}, [TextCame("hi"), ActivityEnded()]),
        ({"realtimeInput": {"audio": None, "text": "hi"}}, [TextCame("hi")]),
        ({"clientContent": {"turnComplete": True}}, [ContentCame(0, "", True)]),
        ({"client_content": {"turns": [], "turn_complete": True}}, [ContentCame(0, "", True)]),
        (
            {
                "client_content": {
                    "turns": [
                        {"role": "user", "parts": [{"text": "one"}]},
                        {"role": "model", "parts": [{"text": "two"}]},
                        {"parts": [{"text": "thr"}, {"text": "ee"}, {"inline_data": {"data": SAFE}}]},
                    ]
                }
            },
            [ContentCame(2, "three", False)],
        ),
        (
            {"tool_response": {"functionResponses": [{"id": "a", "name": "f", "response": {"output": 1}}]}},
            [ToolAnswered("a")],
        ),
        ({"contextUpdate": {"systemInstruction": {"parts": [{"text": "be nice"}]}}}, []),
    ],
)
def test_what_callers_say(message, facts):
    assert read(message) == facts


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"setup": MODEL},
        {"realtimeInput": {}, "clientContent": {}},
        {"realtimeInput": {}, "realtime_input": {}},
        {"realtimeInput": []},
        {"realtimeInput": {"sound": {}}},
        {"realtimeInput": {"audio": {"data": "*", "mimeType": "audio/pcm"}}},
        {"realtimeInput": {"audio": {"data": SAFE, "mimeType": "audio/wav"}}},
        {"realtimeInput": {"audio": {"data": SAFE, "mimeType": "audio/pcm;rate=fast"}}},
        {"realtimeInput": {"audio": {"data": SAFE, "mimeType": "audio/pcm;rate=1"}}},
        {"realtimeInput": {"audio": {"data": SAFE, "mime": "audio/pcm"}}},
        {"realtimeInput": {"mediaChunks": [{"data": SAFE, "mimeType": "text/plain"}]}},
        {"realtimeInput": {"audioStreamEnd": "yes"}},
        {"realtimeInput": {"activityStart": {"at": 1}}},
        {"realtimeInput": {"text": 1}},
        {"clientContent": {"turns": [{"role": "assistant", "parts": [{"text": "hi"}]}]}},
        {"clientContent": {"turns": [{"role": "user", "parts": [{"words": "hi"}]}]}},
        {"clientContent": {"turns": [{"role": "user"}]}},
        {"clientContent": {"turns": ["hi"]}},
        {"toolResponse": {"functionResponses": [{"name": "f", "response": {}}]}},
        {"toolResponse": {"functionResponses": [{"id": "a", "response": {}}]}},
        {"toolResponse": {"functionResponses": [{"id": "a", "name": "f", "response": "text"}]}},
        {"toolResponse": {"functionResponses": [{"id": "a", "name": "f", "output": {}}]}},
    ],
)
def test_what_the_api_would_not_take(message):
    assert refusal(read, message).code == 1007


def test_text_that_is_not_json():
    assert refusal(list, read_inputs(b"\xff{")).code == 1007


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(NAMES) | st.text(max_size=3),
                inner,
                max_size=3,
            )
        ),
        max_leaves=12,
    )
)
def test_whatever_comes_is_taken_or_refused(message):
    for reading in (read, read_setup):
        try:
            reading(message)
        except Refused as refused:
            assert refused.code in (1007, 1008)
            assert refused.reason


@given(st.binary(max_size=40))
def test_bytes_of_any_kind_are_refused_at_most(payload):
    try:
        list(read_inputs(payload))
    except Refused as refused:
        assert refused.code == 1007


@pytest.mark.parametrize(
    ("mime_type", "rate_hz"),
    [("audio/pcm", 16_000), ("audio/pcm;rate=24000", 24_000), ("AUDIO/PCM; rate=8000; channels=1", 8_000)],
)
def test_the_rate_is_in_the_mime_type(mime_type, rate_hz):
    assert read_rate(mime_type) == rate_hz


def test_what_a_setup_asks_for():
    detection = {"silence_duration_ms": 700, "prefixPaddingMs": "20"}
    assert read_setup(
        {
            **MODEL,
            "generation_config": {"response_modalities": ["TEXT"], "temperature": 0.7},
            "systemInstruction": {"parts": [{"text": "be nice"}]},
            "realtimeInputConfig": {
                "automaticActivityDetection": detection,
                "activityHandling": "NO_INTERRUPTION",
            },
            "sessionResumption": {"handle": "h"},
            "inputAudioTranscription": {},
            "output_audio_transcription": {},
            "tools": [{"googleSearch": {}}, {"function_declarations": [{"name": "f"}, {"name": "g"}]}],
        }
    ) == SetUp(
        "models/gemini-live",
        speaks=False,
        silence_s=0.7,
        interrupts=False,
        transcribes_caller=True,
        transcribes_agent=True,
        resumes=True,
        handle="h",
        tools=("f", "g"),
    )
    manual = {"realtimeInputConfig": {"automaticActivityDetection": {"disabled": True}}}
    assert read_setup(MODEL | manual) == SetUp("models/gemini-live", is_automatic=False)


@pytest.mark.parametrize(
    ("setup", "code"),
    [
        ({}, 1007),
        ({"model": "gemini-live"}, 1008),
        ({"model": "models/"}, 1008),
        (MODEL | {"temperature": 0.7}, 1007),
        (MODEL | {"generationConfig": {"responseModalities": ["AUDIO", "TEXT"]}}, 1007),
        (MODEL | {"generationConfig": {"responseModalities": ["SMELL"]}}, 1007),
        (MODEL | {"generationConfig": {"voice": "Puck"}}, 1007),
        (MODEL | {"realtimeInputConfig": {"automaticActivityDetection": {"disabled": "yes"}}}, 1007),
        (MODEL | {"realtimeInputConfig": {"automaticActivityDetection": {"silenceDurationMs": -1}}}, 1007),
        (MODEL | {"realtimeInputConfig": {"vad": {}}}, 1007),
        (MODEL | {"sessionResumption": {"transparent": True}}, 1007),
        (MODEL | {"tools": [{"functionDeclarations": [{}]}]}, 1007),
        (MODEL | {"inputAudioTranscription": True}, 1007),
    ],
)
def test_setups_that_the_api_would_not_take(setup, code):
    assert refusal(read_setup, setup).code == code


def test_the_key_is_in_a_header_or_in_the_query():
    assert gemini_key("/ws?a=b&key=mine", {}) == "mine"
    assert gemini_key("/ws?key=", {"x-goog-api-key": "mine"}) == "mine"
    assert gemini_key("/ws", {}) is None


def test_tokens_add_up():
    session = Session(0, text_tokens=3, audio_tokens=50)
    usage = Usage(session)
    usage.said(2)
    usage.wrote("x" * 40)
    assert usage.metadata() == {
        "promptTokenCount": 53,
        "responseTokenCount": 60,
        "totalTokenCount": 113,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 3}, {"modality": "AUDIO", "tokenCount": 50}],
        "responseTokensDetails": [{"modality": "TEXT", "tokenCount": 10}, {"modality": "AUDIO", "tokenCount": 50}],
    }
    assert (session.text_tokens, session.audio_tokens) == (13, 100)


@pytest.mark.parametrize(("seconds", "text"), [(0, "0s"), (10, "10s"), (1.5, "1.5s"), (0.1234, "0.123s")])
def test_durations_are_written_as_protocol_buffers_do(seconds, text):
    assert duration(seconds) == text
