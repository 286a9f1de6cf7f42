"""`metadata` of MODEL_TYPE_GEMINI_REALTIME: defaults, what it allows and refuses, and where it leads."""

import attrs
import pytest

from coval_load.agents.addresses import Targets
from coval_load.agents.loading import load_agent
from coval_load.agents.options.gemini_realtime import GeminiRealtimeOptions, destination
from coval_load.agents.secrets import masked
from coval_load.faults import Faulty

MODEL_TYPE = "MODEL_TYPE_GEMINI_REALTIME"
KEY = {"gemini_realtime_api_key": "AIza-secret"}
LIVE = "wss://generativelanguage.googleapis.com/ws/google.ai.generativelanguage"


def load_whole(**metadata):
    body = {"display_name": "x", "model_type": MODEL_TYPE, "metadata": KEY | metadata}
    return load_agent(body, options={MODEL_TYPE: GeminiRealtimeOptions}, targets=Targets(), environ={})


def load(**metadata):
    return load_whole(**metadata).options


def faults(**metadata):
    with pytest.raises(Faulty) as caught:
        load(**metadata)
    return [str(fault) for fault in caught.value.faults]


def test_defaults():
    assert attrs.asdict(load()) == {
        "gemini_realtime_api_key": "AIza-secret",
        "gemini_realtime_instructions": None,
        "gemini_realtime_model": "gemini-3.8-live",
        "gemini_realtime_voice": None,
        "gemini_realtime_temperature": None,
        "endpoint": "wss://generativelanguage.googleapis.com",
        "api_version": "v1",
        "activity_detection": "automatic",
        "tools": (),
        "vad_silence_ms": None,
        "vad_prefix_padding_ms": None,
        "max_output_tokens": None,
        "context_window_compression": False,
        "custom_headers": {},
        "renew_after_seconds": 540.0,
        "handshake_timeout_seconds": 30.0,
    }


def test_the_key_is_required_and_shown_nowhere():
    assert faults(gemini_realtime_api_key=None) == ["metadata.gemini_realtime_api_key: expected a string; got ***"]
    assert faults(gemini_realtime_api_key="a b") == [
        "metadata.gemini_realtime_api_key: expected an API key of ASCII without spaces; got ***"
    ]
    agent = load_whole()
    assert "AIza" not in repr(agent.options)
    assert "AIza" not in str(masked(agent))
    assert "AIza" not in repr(destination(agent.options))


@pytest.mark.parametrize(
    ("metadata", "url"),
    [
        ({}, f"{LIVE}.v1.GenerativeService.BidiGenerateContent"),
        ({"api_version": "v1beta"}, f"{LIVE}.v1beta.GenerativeService.BidiGenerateContent"),
        (
            {"endpoint": "wss://live.example:8443"},
            "wss://live.example:8443/ws/google.ai.generativelanguage.v1.GenerativeService.BidiGenerateContent",
        ),
        (
            {"endpoint": "wss://live.example/?region=eu"},
            "wss://live.example/ws/google.ai.generativelanguage.v1.GenerativeService.BidiGenerateContent?region=eu",
        ),
        ({"endpoint": "wss://live.example/my/agent?x=1", "api_version": "v1"}, "wss://live.example/my/agent?x=1"),
    ],
)
def test_where_it_is_dialled(metadata, url):
    found = destination(load(**metadata))
    assert found.url == url
    assert found.set_up is None


def test_the_key_goes_into_a_header_and_never_into_the_url():
    found = destination(load(custom_headers={"x-run": "{{run_id}}"}))
    assert found.fixed_headers == {"x-goog-api-key": "AIza-secret"}
    assert found.headers == {"x-run": "{{run_id}}"}
    assert "AIza" not in found.url


@pytest.mark.parametrize(
    ("metadata", "fault"),
    [
        ({"endpoint": "ws://live.example"}, "endpoint: Invalid WebSocket URL: expected wss://; got ws://"),
        ({"endpoint": "wss://live.example?key=k"}, "endpoint: expected no key in its query"),
        ({"gemini_realtime_temperature": 2.1}, "gemini_realtime_temperature: expected a number from 0 to 2; got 2.1"),
        ({"api_version": "beta"}, "api_version: expected a version such as v1 or v1beta"),
        ({"activity_detection": "off"}, "activity_detection: expected one of automatic, manual"),
        ({"tools": ["search"]}, "tools[0]: expected an object; got ***"),
        ({"tools": [{"type": "function"}]}, 'tools[0].type: expected {"functionDeclarations": ['),
        ({"instructions": "x"}, "instructions: unknown key; did you mean gemini_realtime_instructions?"),
        ({"max_output_tokens": 0}, "max_output_tokens: expected a number of at least 1; got 0"),
        ({"vad_silence_ms": -1}, "vad_silence_ms: expected a number from 0 to 3.6e+06; got -1"),
        ({"renew_after_seconds": 0}, "renew_after_seconds: expected a number from 1 to 86400; got 0"),
        (
            {"activity_detection": "manual", "vad_silence_ms": 100},
            "vad_silence_ms: expected it with activity_detection automatic alone; that is manual, remove one",
        ),
        (
            {"activity_detection": "manual", "vad_prefix_padding_ms": 100},
            "vad_prefix_padding_ms: expected it with activity_detection automatic alone; that is manual, remove one",
        ),
        (
            {"custom_headers": {"X-Goog-Api-Key": "k"}},
            "custom_headers.X-Goog-Api-Key: expected it once; gemini_realtime_api_key is sent in it, remove it here",
        ),
    ],
)
def test_what_is_refused(metadata, fault):
    (found,) = faults(**metadata)
    assert found.startswith(f"metadata.{fault}")
