"""Every key of `metadata` of an OpenAI Realtime agent: its default, what it allows, what it refuses, where it leads."""

from urllib.parse import parse_qsl, urlsplit

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.agents.addresses import Targets
from coval_load.agents.destination import Destination
from coval_load.agents.loading import load_agent
from coval_load.agents.options.openai_realtime import OpenAIRealtimeOptions, destination
from coval_load.agents.secrets import masked
from coval_load.faults import Faulty

MODEL_TYPE = "MODEL_TYPE_OPENAI_REALTIME"
KEY = "sk-proj-sesame"
OPTIONS = {MODEL_TYPE: OpenAIRealtimeOptions}


def load_whole(metadata, environ=None):
    body = {"display_name": "x", "model_type": MODEL_TYPE, "metadata": metadata}
    return load_agent(body, options=OPTIONS, targets=Targets(), environ=environ or {})


def load(**metadata):
    return load_whole({"openai_realtime_api_key": KEY} | metadata).options


def faults(metadata):
    with pytest.raises(Faulty) as caught:
        load_whole(metadata)
    return [str(fault) for fault in caught.value.faults]


def test_defaults():
    assert attrs.asdict(load()) == {
        "openai_realtime_api_key": KEY,
        "openai_realtime_instructions": None,
        "openai_realtime_model": "gpt-realtime",
        "openai_realtime_voice": "alloy",
        "endpoint": "wss://api.openai.com/v1/realtime",
        "turn_detection": "server_vad",
        "audio_format": "audio/pcm",
        "tools": (),
        "transcription_model": "gpt-4o-mini-transcribe",
        "vad_threshold": None,
        "vad_prefix_padding_ms": None,
        "vad_silence_ms": None,
        "max_output_tokens": None,
        "custom_headers": {},
        "renew_after_seconds": 3300.0,
        "handshake_timeout_seconds": 30.0,
    }


def test_a_key_is_all_that_is_needed():
    assert faults({}) == ["metadata.openai_realtime_api_key: expected an API key of ASCII without spaces; got nothing"]


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"openai_realtime_api_key": ""}, "openai_realtime_api_key: expected an API key of ASCII without spaces"),
        ({"openai_realtime_api_key": "a\nb"}, "openai_realtime_api_key: expected an API key of ASCII"),
        ({"openai_realtime_api_key": None}, "openai_realtime_api_key: expected a string"),
        ({"openai_realtime_model": ""}, "openai_realtime_model: expected at least 1 characters"),
        ({"audio_format": "audio/opus"}, "audio_format: expected one of audio/pcm, audio/pcmu"),
        ({"turn_detection": None}, "turn_detection: expected one of server_vad, semantic_vad, none; got null"),
        ({"instructions": "x"}, "instructions: unknown key; did you mean openai_realtime_instructions?"),
        ({"tools": [{"type": "function", "function": {}}]}, 'tools[0].function: expected {"type": "function", "name"'),
        ({"tools": [{"functionDeclarations": []}]}, 'tools[0].functionDeclarations: expected {"type": "function"'),
        ({"turn_detection": "vad"}, "turn_detection: expected one of server_vad, semantic_vad, none"),
        ({"endpoint": ""}, "endpoint: expected at least 1 characters"),
        ({"endpoint": "ws://a.example/x"}, "endpoint: Invalid WebSocket URL: expected wss://; got ws://"),
        ({"endpoint": "wss://10.0.0.1/x"}, "endpoint: Invalid WebSocket URL: expected a public host; got 10.0.0.1"),
        ({"tools": {"type": "function"}}, "tools: expected a list"),
        ({"tools": ["f"]}, "tools[0]: expected an object"),
        ({"vad_threshold": 1.5}, "vad_threshold: expected a number from 0 to 1; got 1.5"),
        ({"vad_silence_ms": -1}, "vad_silence_ms: expected a number from 0"),
        ({"vad_silence_ms": 1.5}, "vad_silence_ms: expected an integer"),
        ({"max_output_tokens": 0}, "max_output_tokens: expected a number of at least 1; got 0"),
        ({"renew_after_seconds": 0.5}, "renew_after_seconds: expected a number from 1"),
        ({"handshake_timeout_seconds": 0}, "handshake_timeout_seconds: expected a number above 0; got 0"),
        ({"custom_headers": {"authorization": "x"}}, "custom_headers.authorization: expected it once; openai_realtime"),
        ({"custom_headers": {"Host": "x"}}, "custom_headers.Host: expected no header that the connection sets"),
        ({"openai_realtime_temperature": 1}, "openai_realtime_temperature: "),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_refused(metadata, message):
    (told,) = faults({"openai_realtime_api_key": KEY} | metadata)
    assert told.startswith(f"metadata.{message}")


@pytest.mark.parametrize("key", ["vad_threshold", "vad_prefix_padding_ms", "vad_silence_ms"])
@pytest.mark.parametrize("detection", ["semantic_vad", "none"])
def test_settings_of_a_detection_that_is_not_asked_for_are_contradictory(key, detection):
    metadata = {"openai_realtime_api_key": KEY, "turn_detection": detection, key: 1}
    assert faults(metadata) == [
        f"metadata.{key}: expected it with turn_detection server_vad alone; that is {detection}, remove one"
    ]
    assert getattr(load(**{key: 1}), key) == 1


def test_the_key_and_headers_are_shown_nowhere():
    whole = load_whole({"openai_realtime_api_key": "${KEY}", "custom_headers": {"X-A": "Bearer open"}}, {"KEY": KEY})
    assert {KEY, "open"} <= whole.secrets
    assert repr(whole.options) == "OpenAIRealtimeOptions()"
    assert KEY not in str(masked(whole))


@pytest.mark.parametrize(
    ("metadata", "url"),
    [
        ({}, "wss://api.openai.com/v1/realtime?model=gpt-realtime"),
        ({"openai_realtime_model": "a b/c&d"}, "wss://api.openai.com/v1/realtime?model=a%20b%2Fc%26d"),
        ({"endpoint": "wss://a.example/x?"}, "wss://a.example/x?model=gpt-realtime"),
        ({"endpoint": "wss://a.example/x?a=b"}, "wss://a.example/x?a=b&model=gpt-realtime"),
        ({"endpoint": "wss://a.example/x?a=b&"}, "wss://a.example/x?a=b&model=gpt-realtime"),
        ({"endpoint": "wss://a.example/x?a=%20+b"}, "wss://a.example/x?a=%20+b&model=gpt-realtime"),
        ({"endpoint": "wss://a.example/x?model=mine"}, "wss://a.example/x?model=mine"),
        ({"endpoint": "wss://a.example/x?a=b&model="}, "wss://a.example/x?a=b&model="),
        ({"endpoint": "wss://a.example/x?models=b"}, "wss://a.example/x?models=b&model=gpt-realtime"),
    ],
)
def test_the_model_is_in_the_query_once(metadata, url):
    assert destination(load(**metadata)).url == url


def test_how_it_is_dialled():
    headers = {"X-Case": "{{test_case.id}}"}
    assert destination(load(custom_headers=headers)) == Destination(
        "wss://api.openai.com/v1/realtime?model=gpt-realtime",
        headers,
        {"Authorization": f"Bearer {KEY}"},
        credentials="openai_realtime_api_key",
    )
    assert KEY not in repr(destination(load()))


@given(st.text(st.characters(exclude_categories=()), min_size=1))
def test_any_model_arrives_as_it_was_but_for_halves_of_characters(model):
    options = OpenAIRealtimeOptions(openai_realtime_api_key="k", openai_realtime_model=model)
    query = urlsplit(destination(options).url).query
    assert parse_qsl(query) == [("model", model.encode(errors="replace").decode())]
