"""Gemini Live: what is sent, message by message, and how a conversation goes on over another connection."""

import json

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.agents.options.gemini_realtime import GeminiRealtimeOptions
from coval_load.codecs.dialects.gemini_realtime.format import GeminiRealtimeFormat, check
from coval_load.codecs.dialects.interface import Said
from coval_load.codecs.dialects.tool_results import ToolResult
from coval_load.codecs.events import AgentFailed
from coval_load.codecs.templates import TemplateError

TOOLS = ({"functionDeclarations": [{"name": "weather", "description": "for {{agent.team}}"}]},)
SAID = [Said("user", "hi"), Said("assistant", "hello"), Said("user", "")]


def read(outgoing):
    assert all(message.is_text for message in outgoing)
    return [json.loads(message.payload) for message in outgoing]


def setup(values=None, **fields):
    (message,) = read(GeminiRealtimeFormat(**fields).open(values or {}).opening())
    return message["setup"]


def tell(dialect, **message):
    return dialect.decode(json.dumps(message).encode(), True)


def test_the_least_setup():
    assert setup() == {
        "model": "models/gemini-3.8-live",
        "generationConfig": {"responseModalities": ["AUDIO"]},
        "sessionResumption": {},
        "inputAudioTranscription": {},
        "outputAudioTranscription": {},
    }


def test_a_setup_with_everything():
    found = setup(
        {"agent": {"team": "blue"}, "test_case": {"name": "Zoë"}},
        gemini_realtime_model="models/gemini-x",
        gemini_realtime_instructions="Ask {{test_case.name}}",
        gemini_realtime_voice="Puck",
        gemini_realtime_temperature=0.0,
        tools=TOOLS,
        vad_silence_ms=0,
        vad_prefix_padding_ms=20,
        max_output_tokens=9,
        context_window_compression=True,
    )
    assert found == {
        "model": "models/gemini-x",
        "generationConfig": {
            "responseModalities": ["AUDIO"],
            "temperature": 0.0,
            "maxOutputTokens": 9,
            "speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Puck"}}},
        },
        "systemInstruction": {"role": "user", "parts": [{"text": "Ask Zoë"}]},
        "tools": [{"functionDeclarations": [{"name": "weather", "description": "for blue"}]}],
        "realtimeInputConfig": {"automaticActivityDetection": {"silenceDurationMs": 0, "prefixPaddingMs": 20}},
        "sessionResumption": {},
        "contextWindowCompression": {"slidingWindow": {}},
        "inputAudioTranscription": {},
        "outputAudioTranscription": {},
    }


def test_placeholders_are_checked_before_and_filled_when_opened():
    form = GeminiRealtimeFormat(gemini_realtime_instructions="{{audio_data}}", tools=({"x": "{{nobody}}"},))
    assert [field for field, _ in check(form)] == ["gemini_realtime_instructions", "tools"]
    assert check(GeminiRealtimeFormat(gemini_realtime_instructions="{{run_id}}", tools=TOOLS)) == []
    with pytest.raises(TemplateError, match=r"gemini_realtime_instructions: \{\{test_case.name\}\}: no such value"):
        GeminiRealtimeFormat(gemini_realtime_instructions="{{test_case.name}}").open({})


def test_a_format_is_made_of_the_options_and_is_hashable():
    options = GeminiRealtimeOptions(gemini_realtime_api_key="k", tools=list(TOOLS), renew_after_seconds=60)
    names = {field.name for field in attrs.fields(GeminiRealtimeFormat)}
    form, same = (GeminiRealtimeFormat(**{name: getattr(options, name) for name in names}) for _ in range(2))
    assert "gemini_realtime_api_key" not in names
    assert form.most_session_s == 60
    assert form == same
    assert hash(form) == hash(same)


def test_what_a_format_promises():
    form = GeminiRealtimeFormat(handshake_timeout_seconds=5)
    assert (form.send_rate_hz, form.receive_rate_hz) == (16_000, 24_000)
    assert form.handshake.timeout_s == 5
    assert "setupComplete" in form.handshake.ready_message
    assert not form.handshake.requires_session_id
    assert form.frames_are_shared
    assert form.is_paced
    assert form.hears_silence
    assert not form.takes_digits
    assert not form.caller_clears_playback
    assert not GeminiRealtimeFormat(activity_detection="manual").hears_silence


def test_a_frame_is_the_same_in_all_simulations():
    form = GeminiRealtimeFormat()
    body = form.audio_body(b"\x01\x02")
    dialect = form.open({})
    assert dialect.frames_are_text
    assert dialect.frame(body) == form.shared_frame(body)
    assert json.loads(dialect.frame(body)) == {
        "realtimeInput": {"audio": {"data": "AQI=", "mimeType": "audio/pcm;rate=16000"}}
    }


def test_the_caller_says_when_it_speaks_only_where_that_is_asked_for():
    automatic, manual = (GeminiRealtimeFormat(activity_detection=how).open({}) for how in ("automatic", "manual"))
    assert automatic.turn_started() == automatic.turn_ended() == ()
    assert read(manual.turn_started()) == [{"realtimeInput": {"activityStart": {}}}]
    assert read(manual.turn_ended()) == [{"realtimeInput": {"activityEnd": {}}}]
    assert setup(activity_detection="manual")["realtimeInputConfig"] == {
        "automaticActivityDetection": {"disabled": True}
    }


def test_what_makes_the_agent_speak():
    dialect = GeminiRealtimeFormat().open({})
    nothing = {"realtimeInput": {"text": "."}}
    assert read(dialect.go_on()) == [nothing]
    image = {"realtimeInput": {"video": {"mimeType": "image/png", "data": "AQI="}}}
    assert read(dialect.media("a.png", "image/png", b"\x01\x02")) == [image, nothing]
    manual = GeminiRealtimeFormat(activity_detection="manual").open({})
    begins, ends = {"realtimeInput": {"activityStart": {}}}, {"realtimeInput": {"activityEnd": {}}}
    assert read(manual.go_on()) == [begins, nothing, ends]
    assert read(manual.media("a.png", "image/png", b"\x01\x02")) == [begins, image, nothing, ends]
    assert dialect.cut_off(1.0) == ()
    with pytest.raises(ValueError, match="expected no keypad digit"):
        dialect.digit("1")


@pytest.mark.parametrize(
    ("given", "response"),
    [
        ('{"sky": "grey"}', {"sky": "grey"}),
        ("rain", {"result": "rain"}),
        ("[1, 2]", {"result": [1, 2]}),
        ("", {"result": ""}),
        ("{", {"result": "{"}),
    ],
)
def test_results_of_tools_are_objects(given, response):
    dialect = GeminiRealtimeFormat().open({})
    assert read(dialect.give_results([ToolResult("1", "weather", given)])) == [
        {"toolResponse": {"functionResponses": [{"id": "1", "name": "weather", "response": response}]}}
    ]


def test_a_call_without_an_id_is_answered_by_its_name():
    (message,) = read(GeminiRealtimeFormat().open({}).give_results([ToolResult("", "f", "x")]))
    assert message["toolResponse"]["functionResponses"] == [{"name": "f", "response": {"result": "x"}}]


def test_cancelled_calls_get_no_result():
    dialect = GeminiRealtimeFormat().open({})
    calls = [{"id": "1", "name": "f"}, {"id": "2", "name": "f"}]
    results = [ToolResult("1", "f", "x"), ToolResult("2", "f", "y")]
    tell(dialect, toolCall={"functionCalls": calls})
    tell(dialect, toolCallCancellation={"ids": ["1", "3"]})
    (message,) = read(dialect.give_results(results))
    assert [found["id"] for found in message["toolResponse"]["functionResponses"]] == ["2"]
    tell(dialect, toolCall={"functionCalls": calls})
    tell(dialect, serverContent={"interrupted": True})
    tell(dialect, tool_call_cancellation={"ids": ["1", "2"]})
    assert dialect.give_results(results) == ()
    tell(dialect, toolCall={"functionCalls": calls})
    assert len(dialect.give_results(results)) == 1


def test_a_conversation_goes_on_with_the_last_handle_that_can_be_resumed():
    dialect = GeminiRealtimeFormat(gemini_realtime_voice="Puck").open({})
    tell(dialect, sessionResumptionUpdate={"newHandle": "h-1", "resumable": True})
    tell(dialect, session_resumption_update={"new_handle": "h-2", "resumable": True})
    tell(dialect, sessionResumptionUpdate={"resumable": False})
    tell(dialect, sessionResumptionUpdate={"newHandle": "h-3", "resumable": False})
    (message,) = read(dialect.renewed(SAID).opening())
    (before,) = read(dialect.opening())
    assert message == {"setup": before["setup"] | {"sessionResumption": {"handle": "h-2"}}}


def test_without_a_handle_what_was_said_is_told():
    renewed = GeminiRealtimeFormat().open({}).renewed(SAID)
    (first,) = read(renewed.opening())
    (second,) = read(renewed.when_ready())  # the API takes it only once it is set up
    assert first["setup"]["sessionResumption"] == {}
    turns = [{"role": "user", "parts": [{"text": "hi"}]}, {"role": "model", "parts": [{"text": "hello"}]}]
    assert second == {"clientContent": {"turns": turns, "turnComplete": True}}
    (fresh,) = read(GeminiRealtimeFormat().open({}).opening())
    # Without this the turns would be answered, or refused.
    assert first["setup"] == fresh["setup"] | {"historyConfig": {"initialHistoryInClientContent": True}}
    assert GeminiRealtimeFormat().open({}).renewed([]).when_ready() == ()


def test_a_renewed_dialect_begins_anew():
    dialect = GeminiRealtimeFormat(activity_detection="manual").open({})
    tell(dialect, setupComplete={})
    tell(dialect, sessionResumptionUpdate={"newHandle": "h-1", "resumable": True})
    renewed = dialect.renewed(SAID)
    assert renewed.turn_started() == dialect.turn_started()
    assert len(tell(renewed, setupComplete={"sessionId": "s"})) == 1
    # The handle was used up: what was said since is not in it.
    again = renewed.renewed(SAID)
    (setup_,), (history,) = read(again.opening()), read(again.when_ready())
    assert setup_["setup"]["sessionResumption"] == {}
    assert "clientContent" in history


@pytest.mark.parametrize(
    ("code", "reason", "cause"),
    [
        (1007, "API key not valid. Please pass a valid API key.", "authentication"),
        (1008, "PERMISSION_DENIED: no", "authentication"),
        (1011, "RESOURCE_EXHAUSTED: try later", "rate_limit"),
        (1011, "You exceeded your current quota", "rate_limit"),
        (1011, "429 Too Many Requests", "rate_limit"),
        (1011, "Internal error encountered.", None),
        (1000, "quota", None),
    ],
)
def test_what_a_close_code_and_its_reason_mean(code, reason, cause):
    meant = GeminiRealtimeFormat().open({}).closed(code, reason)
    assert (None if meant is None else meant.cause) == cause
    assert meant is None or reason in meant.reason


@given(st.integers(1000, 4999), st.text())
def test_any_close_is_a_close(code, reason):
    assert isinstance(GeminiRealtimeFormat().open({}).closed(code, reason), AgentFailed | None)
