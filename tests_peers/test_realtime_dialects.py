"""What our dialects send to realtime APIs, held to the types of the vendors' own packages."""

import base64
import itertools
import json

import pytest
from coval_load.codecs.dialects.gemini_realtime.format import GeminiRealtimeFormat
from coval_load.codecs.dialects.interface import Said
from coval_load.codecs.dialects.openai_realtime.format import OpenAIRealtimeFormat
from coval_load.codecs.dialects.tool_results import ToolResult
from coval_load.codecs.events import PlaybackCleared, ReadyReceived, ToolResultsAwaited, Violation

from reference import GEMINI, OPENAI

FRAME = bytes(range(256)) + bytes(64 * 3)
AUDIO = base64.b64encode(bytes(48_000)).decode()
SAID = [Said("user", "a pizza"), Said("assistant", "which one?")]
RESULTS = [
    ToolResult("call_1", "look_up_order", '{"state": "sent"}'),
    ToolResult("call_2", "get_time", "noon"),
    ToolResult("call_3", "get_list", "[1, 2]"),
]
IMAGE = ("menu.png", "image/png", bytes(range(256)))
PARAMETERS = {"type": "object", "properties": {"order_id": {"type": "string"}}, "required": ["order_id"]}


def read(outgoing):
    assert all(one.is_text for one in outgoing)
    return [json.loads(one.payload) for one in outgoing]


def audio(voice, dialect):
    body = voice.audio_body(FRAME)
    assert voice.shared_frame(body) == dialect.frame(body)
    assert dialect.frames_are_text
    return json.loads(dialect.frame(body))


def decoded(dialect, messages):
    """What the dialect makes of them, none of which it may find fault with."""
    events = [event for message in messages for event in dialect.decode(json.dumps(message).encode(), is_text=True)]
    assert not [event for event in events if isinstance(event, Violation)]
    return events


def kinds(messages):
    return [message["type"] for message in messages]


# OpenAI Realtime

OPENAI_FULL = {
    "openai_realtime_instructions": "be brief, {{simulation_output_id}}",
    "tools": ({"type": "function", "name": "look_up_order", "description": "looks", "parameters": PARAMETERS},),
    "vad_threshold": 0.4,
    "vad_prefix_padding_ms": 200,
    "vad_silence_ms": 400,
    "max_output_tokens": 500,
}
OPENAI_FORMATS = [
    *(
        OpenAIRealtimeFormat(turn_detection=detection, audio_format=audio_format)
        for detection, audio_format in itertools.product(
            ("server_vad", "semantic_vad", "none"), ("audio/pcm", "audio/pcmu", "audio/pcma")
        )
    ),
    OpenAIRealtimeFormat(**OPENAI_FULL),
    OpenAIRealtimeFormat(transcription_model=""),
]
OPENAI_REPLY = {"response_id": "resp_1", "item_id": "item_1", "output_index": 0, "content_index": 0}
OPENAI_SENT = [
    {"type": "session.created", "event_id": "e1", "session": {"type": "realtime"}},
    {"type": "session.updated", "event_id": "e2", "session": {"type": "realtime"}},
    {"type": "response.created", "event_id": "e3", "response": {"id": "resp_1", "status": "in_progress"}},
    {"type": "response.output_audio.delta", "event_id": "e4", "delta": AUDIO, **OPENAI_REPLY},
]
OPENAI_HEARS = [
    {"type": "input_audio_buffer.speech_started", "event_id": "e5", "audio_start_ms": 900, "item_id": "item_2"}
]


@pytest.fixture(params=OPENAI_FORMATS, ids=lambda voice: f"{voice.turn_detection}-{voice.audio_format}")
def openai_format(request):
    return request.param


def test_openai_messages(judge, openai_format):
    dialect = openai_format.open({"simulation_output_id": "s-1"})
    sent = [
        *read(dialect.opening()),
        audio(openai_format, dialect),
        *read(dialect.turn_started()),
        *read(dialect.turn_ended()),
        *read(dialect.go_on()),
        *read(dialect.media(*IMAGE)),
        *read(dialect.give_results(RESULTS)),
        *read(dialect.renewed(SAID).opening()),
        *read(dialect.renewed(SAID).when_ready()),
    ]
    judge.holds(OPENAI, "client", sent)
    assert kinds(sent)[:2] == ["session.update", "input_audio_buffer.append"]
    assert kinds(sent)[-3:] == ["session.update", "conversation.item.create", "conversation.item.create"]
    assert kinds(sent).count("input_audio_buffer.commit") == (openai_format.turn_detection == "none")


def test_openai_options_are_asked_for():
    """Where the types allow what means something else."""
    (update,) = read(OpenAIRealtimeFormat(**OPENAI_FULL).open({"simulation_output_id": "s-1"}).opening())
    session = update["session"]
    assert session["type"] == "realtime"
    assert session["audio"]["input"]["turn_detection"] == {
        "type": "server_vad",
        "threshold": 0.4,
        "prefix_padding_ms": 200,
        "silence_duration_ms": 400,
    }
    assert session["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": 24_000}
    assert session["instructions"] == "be brief, s-1"
    (by_hand,) = read(OpenAIRealtimeFormat(turn_detection="none").open({}).opening())
    assert by_hand["session"]["audio"]["input"]["turn_detection"] is None


def test_openai_is_told_what_was_not_heard(judge, openai_format):
    judge.holds(OPENAI, "server", OPENAI_SENT + OPENAI_HEARS)
    dialect = openai_format.open({"simulation_output_id": "s-1"})
    decoded(dialect, OPENAI_SENT)
    detects = openai_format.turn_detection != "none"
    if detects:
        assert any(isinstance(event, PlaybackCleared) for event in decoded(dialect, OPENAI_HEARS))
    sent = read(dialect.cut_off(0.4))
    judge.holds(OPENAI, "client", sent)
    cancels = [] if detects else ["response.cancel"]
    assert kinds(sent) == [*cancels, "conversation.item.truncate"]
    assert (sent[-1]["item_id"], sent[-1]["content_index"]) == ("item_1", 0)
    sample_bytes = 2 if openai_format.audio_format == "audio/pcm" else 1
    whole_ms = 48_000 / sample_bytes / openai_format.send_rate_hz * 1000
    assert sent[-1]["audio_end_ms"] == pytest.approx(whole_ms - 400, abs=2)


def test_openai_is_interrupted_by_the_caller_who_commits(judge):
    dialect = OpenAIRealtimeFormat(turn_detection="none").open({})
    decoded(dialect, OPENAI_SENT)
    sent = read(dialect.turn_ended())
    judge.holds(OPENAI, "client", sent)
    assert kinds(sent) == ["response.cancel", "input_audio_buffer.commit", "response.create"]


# Gemini Live

GEMINI_FULL = {
    "gemini_realtime_instructions": "be brief, {{simulation_output_id}}",
    "gemini_realtime_voice": "Puck",
    "gemini_realtime_temperature": 0.7,
    "tools": (
        {
            "functionDeclarations": [
                {"name": "look_up_order", "description": "looks", "parametersJsonSchema": PARAMETERS}
            ]
        },
        {"googleSearch": {}},
    ),
    "max_output_tokens": 500,
}
GEMINI_FORMATS = {
    "automatic": GeminiRealtimeFormat(),
    "manual": GeminiRealtimeFormat(activity_detection="manual"),
    "full": GeminiRealtimeFormat(**GEMINI_FULL, vad_silence_ms=400, vad_prefix_padding_ms=100),
    "full-manual": GeminiRealtimeFormat(**GEMINI_FULL, activity_detection="manual"),
}
GEMINI_READY = [{"setupComplete": {"sessionId": "s"}}]
GEMINI_HANDLE = [{"sessionResumptionUpdate": {"newHandle": "handle-1", "resumable": True}}]
GEMINI_CALLS = [
    {
        "toolCall": {
            "functionCalls": [{"id": result.call_id, "name": result.name, "args": {"a": 1}} for result in RESULTS]
        }
    }
]


@pytest.fixture(params=GEMINI_FORMATS)
def gemini_format(request):
    return GEMINI_FORMATS[request.param]


def test_gemini_messages(judge, gemini_format):
    judge.holds(GEMINI, "server", GEMINI_READY + GEMINI_CALLS + GEMINI_HANDLE)
    dialect = gemini_format.open({"simulation_output_id": "s-1"})
    sent = [
        *read(dialect.opening()),
        audio(gemini_format, dialect),
        *read(dialect.turn_started()),
        *read(dialect.turn_ended()),
        *read(dialect.go_on()),
        *read(dialect.media(*IMAGE)),
        *read(dialect.cut_off(0.4)),
        *read(dialect.renewed(SAID).opening()),
        *read(dialect.renewed(SAID).when_ready()),
    ]
    assert any(isinstance(event, ReadyReceived) for event in decoded(dialect, GEMINI_READY))
    assert any(isinstance(event, ToolResultsAwaited) for event in decoded(dialect, GEMINI_CALLS))
    sent += read(dialect.give_results(RESULTS))
    judge.holds(GEMINI, "client", sent)
    inputs = [message["realtimeInput"] for message in sent if "realtimeInput" in message][1:]
    manual = gemini_format.activity_detection == "manual"
    begins, ends = ([{"activityStart": {}}], [{"activityEnd": {}}]) if manual else ([], [])
    # A turn that is spoken, one that says nothing, and one that shows an image.
    blank, image = [{"text": "."}], [next(one for one in inputs if "video" in one)]
    assert inputs == [*begins, *ends, *begins, *blank, *ends, *begins, *image, *blank, *ends]


def test_gemini_goes_on_with_the_last_handle(judge, gemini_format):
    dialect = gemini_format.open({"simulation_output_id": "s-1"})
    decoded(dialect, GEMINI_READY + GEMINI_HANDLE)
    opening = read(dialect.renewed(SAID).opening())
    judge.holds(GEMINI, "client", opening)
    (setup,) = opening
    assert setup["setup"]["sessionResumption"] == {"handle": "handle-1"}
    first = read(dialect.opening())[0]
    assert {**setup["setup"], "sessionResumption": {}} == first["setup"]


def test_gemini_is_told_what_was_said_where_there_is_no_handle(judge, gemini_format):
    renewed = gemini_format.open({"simulation_output_id": "s-1"}).renewed(SAID)
    (setup,), (history,) = read(renewed.opening()), read(renewed.when_ready())
    judge.holds(GEMINI, "client", [setup, history])
    # What the package says of `HistoryConfig`: only so are turns not answered, and may end with the model's.
    assert setup["setup"]["historyConfig"] == {"initialHistoryInClientContent": True}
    assert [turn["role"] for turn in history["clientContent"]["turns"]] == ["user", "model"]
    assert history["clientContent"]["turnComplete"] is True


def test_gemini_options_are_asked_for():
    """Where the types allow what means something else."""
    (message,) = read(GEMINI_FORMATS["full"].open({"simulation_output_id": "s-1"}).opening())
    setup = message["setup"]
    assert setup["model"].startswith("models/")
    assert setup["generationConfig"]["responseModalities"] == ["AUDIO"]
    assert setup["systemInstruction"]["parts"] == [{"text": "be brief, s-1"}]
    detection = setup["realtimeInputConfig"]["automaticActivityDetection"]
    assert detection == {"silenceDurationMs": 400, "prefixPaddingMs": 100}


def test_the_types_find_faults(judge):
    """What the assertions above rest on."""
    session = {
        "type": "realtime",
        "temperature": 1,
        "audio": {"input": {"format": {"type": "audio/pcm", "rate": 16_000}}},
    }
    assert judge.faults(OPENAI, "client", [{"type": "session.update", "session": session}])
    assert judge.faults(OPENAI, "client", [{"type": "input_audio_buffer.append", "sound": AUDIO}])
    wrong = [
        {"realtime_input": {"activityStart": {}}},
        {"realtimeInput": {"activityStart": {}, "text": "hi"}},
        {"setup": {"model": "models/x", "temperature": 1}},
        {"setup": {"model": "models/x", "realtimeInputConfig": {"automaticActivityDetection": {"off": True}}}},
        {"setup": {"model": "models/x", "tools": [{"functions": []}]}},
    ]
    assert all(judge.faults(GEMINI, "client", [message]) for message in wrong)
