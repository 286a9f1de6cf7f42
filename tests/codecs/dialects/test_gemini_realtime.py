"""Gemini Live: what each message of the server means, alone and after others."""

import base64
import json

import pytest

from coval_load.codecs.dialects.gemini_realtime.format import GeminiRealtimeFormat
from coval_load.codecs.dialects.tool_results import ToolResult
from coval_load.codecs.events import (
    AgentComplained,
    AgentFailed,
    AudioReceived,
    CallerSpeechStarted,
    CallerSpeechStopped,
    CallerTranscribed,
    GoingAway,
    MessageIgnored,
    PlaybackCleared,
    ReadyReceived,
    ReplyEnded,
    ReplyStarted,
    SpeechTranscribed,
    StrayAudioReceived,
    TextChunkReceived,
    ToolCallReceived,
    ToolResultsAwaited,
    UsageReceived,
    Violation,
)
from coval_load.testing import Example, check_dialect

PCM = bytes(range(256)) * 4
STARTED, COMPLETED = ReplyStarted(), ReplyEnded("completed")


def content(**fields):
    return {"serverContent": fields}


def parts(*found):
    return content(modelTurn={"role": "model", "parts": list(found)})


def sound(pcm=PCM, mime_type="audio/pcm;rate=24000"):
    return {"inlineData": {"mimeType": mime_type, "data": base64.b64encode(pcm).decode()}}


def calls(*found):
    return {"toolCall": {"functionCalls": list(found)}}


AUDIO = parts(sound())
INTERRUPTED, GENERATED, COMPLETE = (
    content(interrupted=True),
    content(generationComplete=True),
    content(turnComplete=True),
)
CALL = calls({"id": "1", "name": "weather", "args": {"city_name": "Köln"}})
CALLED = ToolCallReceived("1", "weather", '{"city_name":"Köln"}')


class Conversation:
    """Tells a dialect one message after the other, and keeps what it made of them."""

    def __init__(self, dialect=None):
        self.dialect = dialect or GeminiRealtimeFormat().open({})

    def __call__(self, *messages):
        return [event for message in messages for event in self.dialect.decode(json.dumps(message).encode(), False)]


@pytest.fixture
def hear():
    conversation = Conversation()
    conversation({"setupComplete": {}})
    return conversation


ALONE = [
    ({"setupComplete": {}}, [ReadyReceived(None)]),
    ({"setupComplete": {"sessionId": "s-1"}}, [ReadyReceived("s-1")]),
    ({"setup_complete": {"session_id": "s-1"}}, [ReadyReceived("s-1")]),
    (AUDIO, [STARTED, AudioReceived(PCM)]),
    (parts(sound(mime_type="audio/pcm")), [STARTED, AudioReceived(PCM)]),
    (parts(sound(mime_type="Audio/PCM; Rate=24000")), [STARTED, AudioReceived(PCM)]),
    (parts(sound(), sound()), [STARTED, AudioReceived(PCM), AudioReceived(PCM)]),
    (
        {"server_content": {"model_turn": {"parts": [{"inline_data": {"mime_type": "audio/pcm", "data": "+/+/"}}]}}},
        [STARTED, AudioReceived(b"\xfb\xff")],
    ),
    (parts({"inlineData": {"mimeType": "audio/pcm", "data": "-_-_AA"}}), [STARTED, AudioReceived(b"\xfb\xff\xbf\x00")]),
    (
        parts({"inlineData": {"mimeType": "audio/pcm", "data": "-_-_AA=="}}),
        [STARTED, AudioReceived(b"\xfb\xff\xbf\x00")],
    ),
    (parts({"text": "Hello"}), [STARTED, TextChunkReceived("Hello")]),
    (parts({"text": "hm", "thought": True}), [STARTED]),
    (parts({"executableCode": {"code": "1"}}), [STARTED]),
    (content(modelTurn={}), []),
    (content(inputTranscription={"text": " book"}), [CallerTranscribed(" book")]),
    (content(inputTranscription={"finished": True}), []),
    (content(interimInputTranscription={"text": "b"}), []),
    (content(waitingForInput=True), []),
    (INTERRUPTED, [CallerSpeechStarted(), PlaybackCleared()]),
    (content(interrupted=False, turnComplete=False, generationComplete=None), []),
    (GENERATED, [STARTED, COMPLETED]),
    (COMPLETE, [STARTED, COMPLETED]),
    (content(turnComplete=True, interactionStatus="IDLE"), [STARTED, COMPLETED]),
    (
        content(
            modelTurn={"parts": [sound()]},
            outputTranscription={"text": "Hi", "finished": True},
            inputTranscription={"text": "hey"},
            turnComplete=True,
        )
        | {"usageMetadata": {"promptTokenCount": 1, "responseTokenCount": 2}},
        [
            CallerTranscribed("hey"),
            STARTED,
            AudioReceived(PCM),
            SpeechTranscribed("Hi"),
            UsageReceived(1, 2),
            COMPLETED,
        ],
    ),
    (CALL, [STARTED, CALLED, ToolResultsAwaited(), COMPLETED]),
    (
        {"tool_call": {"function_calls": [{"id": "a", "name": "f"}, {"name": "g", "args": {"x_y": 1}}]}},
        [
            STARTED,
            ToolCallReceived("a", "f", "{}"),
            ToolCallReceived("", "g", '{"x_y":1}'),
            ToolResultsAwaited(),
            COMPLETED,
        ],
    ),
    ({"toolCall": {}}, [MessageIgnored("no call in it")]),
    ({"toolCallCancellation": {"ids": ["1"]}}, []),
    ({"voiceActivity": {"type": "ACTIVITY_START", "audioOffset": "1.5s"}}, [CallerSpeechStarted()]),
    ({"voiceActivity": {"voiceActivityType": "ACTIVITY_END"}}, [CallerSpeechStopped()]),
    ({"voice_activity": {"voice_activity_type": "activity_end"}}, [CallerSpeechStopped()]),
    ({"voiceActivity": {"type": "TYPE_UNSPECIFIED"}}, []),
    ({"voiceActivityDetectionSignal": {"vadSignalType": "VAD_SIGNAL_TYPE_SOS"}}, [CallerSpeechStarted()]),
    ({"voiceActivityDetectionSignal": {"vadSignalType": "VAD_SIGNAL_TYPE_EOS"}}, [CallerSpeechStopped()]),
    (
        {
            "usageMetadata": {
                "promptTokenCount": 100,
                "cachedContentTokenCount": 40,
                "responseTokenCount": 30,
                "totalTokenCount": 130,
                "promptTokensDetails": [
                    {"modality": "TEXT", "tokenCount": 60},
                    {"modality": "AUDIO", "tokenCount": 35},
                    {"modality": "AUDIO", "tokenCount": 5},
                ],
                "responseTokensDetails": [{"modality": "AUDIO", "tokenCount": 30}],
            }
        },
        [UsageReceived(100, 30, 40, 30, 40)],
    ),
    ({"usageMetadata": {"candidatesTokenCount": 7, "candidatesTokensDetails": []}}, [UsageReceived(None, 7)]),
    ({"usageMetadata": {"promptTokenCount": -1, "responseTokenCount": True}}, []),
    ({"goAway": {"timeLeft": "50s"}}, [GoingAway(50.0)]),
    ({"go_away": {"time_left": "1.5s"}}, [GoingAway(1.5)]),
    ({"goAway": {}}, [GoingAway(None)]),
    ({"goAway": {"timeLeft": "soon"}}, [GoingAway(None)]),
    ({"sessionResumptionUpdate": {"newHandle": "h", "resumable": True}}, []),
    (
        {"error": {"code": 400, "message": "no such model", "status": "INVALID_ARGUMENT"}},
        [AgentFailed("INVALID_ARGUMENT 400: no such model")],
    ),
    ({"error": {"status": "RESOURCE_EXHAUSTED"}}, [AgentFailed("RESOURCE_EXHAUSTED", "rate_limit")]),
    ({"error": {"code": 429, "message": "slow down"}}, [AgentFailed("429: slow down", "rate_limit")]),
    ({"error": {"status": "UNAUTHENTICATED"}}, [AgentFailed("UNAUTHENTICATED", "authentication")]),
    ({"error": {"code": "403"}}, [AgentFailed("403", "authentication")]),
    ({"error": {}}, [AgentFailed("an error without a message")]),
    ({"code": 401, "message": "who?"}, [AgentFailed("401: who?", "authentication")]),
    ({"speech": {}}, [MessageIgnored("no field of Gemini Live that is known here; got speech")]),
    ({}, [MessageIgnored("no field of Gemini Live that is known here; got nothing")]),
    ([], [Violation("expected a JSON object; got an array")]),
    ({"serverContent": 5}, [Violation("expected an object at 'serverContent'; got a number")]),
    (parts(5), [Violation("expected a list of objects at 'parts'; got a number in it")]),
    (content(modelTurn={"parts": {}}), [Violation("expected a list at 'parts'; got an object")]),
    (parts({"text": 5}), [STARTED, Violation("expected text at 'text'; got a number")]),
    (
        parts(sound(mime_type="audio/mpeg")),
        [STARTED, Violation("expected audio of mime type audio/pcm in inlineData; got 'audio/mpeg'")],
    ),
    (
        parts(sound(mime_type="audio/pcm;rate=fast")),
        [STARTED, Violation("expected a rate from 8000 to 192000 Hz in the mime type; got 'audio/pcm;rate=fast'")],
    ),
    (calls({"id": "1"}), [Violation("expected a name in each of functionCalls; got one without")]),
    ({"toolCallCancellation": {}}, [Violation("expected a list at 'ids' of toolCallCancellation; got null")]),
]


@pytest.mark.parametrize(("message", "events"), ALONE, ids=lambda value: json.dumps(value, default=str)[:60])
def test_a_message_alone(message, events):
    assert Conversation()(message) == events


def test_the_contract_of_dialects():
    def read_audio(frame):
        blob = json.loads(frame.payload)["realtimeInput"]["audio"]
        assert blob["mimeType"] == "audio/pcm;rate=16000"
        return base64.b64decode(blob["data"])

    examples = [Example(json.dumps(message), events) for message, events in ALONE]
    binary = [Example(json.dumps(message).encode(), events) for message, events in ALONE[:8]]
    check_dialect(GeminiRealtimeFormat(), {}, [*examples, *binary], read_audio=read_audio, most_runs=25)


def test_what_is_no_json_and_no_base64_is_said(hear):
    (found,) = hear.dialect.decode(b"{", True)
    assert isinstance(found, Violation)
    assert found.reason.startswith("Invalid JSON in response")
    hear(AUDIO)
    (found,) = hear(parts({"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": "A"}}))
    assert found.reason.startswith("expected base64 at 'data' of inlineData; got 'A'")


def test_a_reply_ends_when_it_is_generated_and_not_once_more_when_it_was_played(hear):
    assert hear(AUDIO, AUDIO) == [STARTED, AudioReceived(PCM), AudioReceived(PCM)]
    assert hear(GENERATED) == [COMPLETED]
    assert hear(content(outputTranscription={"text": "late words"})) == [SpeechTranscribed("late words")]
    assert hear(COMPLETE) == []
    assert hear(AUDIO, COMPLETE) == [STARTED, AudioReceived(PCM), COMPLETED]
    assert hear(GENERATED, COMPLETE) == [STARTED, COMPLETED]


def test_words_that_come_before_their_reply_wait_for_it(hear):
    assert hear(content(outputTranscription={"text": "He"}), content(outputTranscription={"text": "llo"})) == []
    assert hear(AUDIO) == [STARTED, SpeechTranscribed("Hello"), AudioReceived(PCM)]
    hear(COMPLETE)
    hear(content(outputTranscription={"text": "only words"}))
    assert hear(GENERATED) == [STARTED, SpeechTranscribed("only words"), COMPLETED]
    hear(COMPLETE, content(outputTranscription={"text": "never said"}), INTERRUPTED)
    assert hear(AUDIO) == [STARTED, AudioReceived(PCM)]


def test_interrupted_while_it_speaks(hear):
    hear(AUDIO)
    assert hear(INTERRUPTED) == [CallerSpeechStarted(), PlaybackCleared()]
    assert hear(AUDIO) == [StrayAudioReceived(512 / 24000)]
    assert hear(parts(sound(mime_type="audio/pcm;rate=8000"))) == [StrayAudioReceived(512 / 8000)]
    assert hear(CALL) == [MessageIgnored("calls of tools in a turn that was interrupted")]
    assert hear(COMPLETE) == [ReplyEnded("cancelled", "interrupted")]
    assert hear(AUDIO) == [STARTED, AudioReceived(PCM)]


def test_interrupted_once_all_was_generated(hear):
    hear(AUDIO, GENERATED)
    assert hear(INTERRUPTED, AUDIO) == [CallerSpeechStarted(), PlaybackCleared(), StrayAudioReceived(512 / 24000)]
    assert hear(COMPLETE) == []
    assert hear(AUDIO, GENERATED, COMPLETE) == [STARTED, AudioReceived(PCM), COMPLETED]


def test_interrupted_though_it_said_nothing(hear):
    hear(AUDIO, GENERATED, COMPLETE)
    assert hear(INTERRUPTED) == [CallerSpeechStarted(), PlaybackCleared()]
    assert hear(COMPLETE) == []
    hear(INTERRUPTED)
    assert hear(GENERATED, COMPLETE) == []
    assert hear(GENERATED, COMPLETE) == [STARTED, COMPLETED]
    hear(INTERRUPTED)
    assert hear(AUDIO, GENERATED) == [STARTED, AudioReceived(PCM), COMPLETED]


def test_what_a_resampler_kept_of_an_interrupted_reply_is_not_heard(hear):
    hear(parts(sound(mime_type="audio/pcm;rate=8000")), INTERRUPTED)
    assert hear(COMPLETE) == [ReplyEnded("cancelled", "interrupted")]


def test_interrupted_while_it_waits_for_results(hear):
    hear(CALL, INTERRUPTED)
    assert hear(COMPLETE) == []
    assert hear(GENERATED, COMPLETE) == [STARTED, COMPLETED]
    hear(CALL, INTERRUPTED)
    assert hear(content(turnComplete=True, turnCompleteReason="RESPONSE_REJECTED")) == []


def test_interrupted_and_complete_in_one_message(hear):
    hear(AUDIO)
    found = hear(content(interrupted=True, turnComplete=True, modelTurn={"parts": [sound()]}))
    assert found == [
        CallerSpeechStarted(),
        PlaybackCleared(),
        StrayAudioReceived(512 / 24000),
        ReplyEnded("cancelled", "interrupted"),
    ]


def test_the_caller_is_heard_once_for_each_time_that_it_speaks(hear):
    hear(AUDIO)
    begins, ends = ({"voiceActivity": {"type": f"ACTIVITY_{what}"}} for what in ("START", "END"))
    assert hear(begins, INTERRUPTED) == [CallerSpeechStarted(), PlaybackCleared()]
    assert hear(begins, ends) == [CallerSpeechStopped()]
    assert hear(COMPLETE, AUDIO, INTERRUPTED, begins, ends)[-1:] == [CallerSpeechStopped()]
    assert hear(COMPLETE, AUDIO, INTERRUPTED, begins)[-1:] == [PlaybackCleared()]
    assert hear(COMPLETE, AUDIO, INTERRUPTED)[-2:] == [CallerSpeechStarted(), PlaybackCleared()]
    assert hear(COMPLETE, AUDIO, INTERRUPTED)[-2:] == [CallerSpeechStarted(), PlaybackCleared()]


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        ("MALFORMED_FUNCTION_CALL", "failed"),
        ("RESPONSE_REJECTED", "failed"),
        ("PROHIBITED_INPUT_CONTENT", "failed"),
        ("GENERATED_AUDIO_SAFETY", "incomplete"),
        ("OUTPUT_IMAGE_IP_PROHIBITED", "incomplete"),
        ("MAX_REGENERATION_REACHED", "incomplete"),
        ("NEED_MORE_INPUT", "completed"),
    ],
)
def test_why_a_turn_is_over(hear, reason, status):
    end = content(turnComplete=True, turnCompleteReason=reason)
    assert hear(end) == [STARTED, ReplyEnded(status, reason)]
    assert hear(AUDIO, end) == [STARTED, AudioReceived(PCM), ReplyEnded(status, reason)]
    late = hear(AUDIO, GENERATED, end)[3:]
    said = f"the turn ended with turnCompleteReason {reason}, after all of the reply"
    assert late == ([] if status == "completed" else [AgentComplained(said)])


def test_a_reason_that_comes_after_calls_of_an_earlier_turn_is_not_theirs(hear):
    late = content(turnComplete=True, turnCompleteReason="BLOCKLIST")
    hear(CALL, COMPLETE, GENERATED)
    assert [type(event) for event in hear(late)] == [AgentComplained]
    hear(CALL, AUDIO, GENERATED)
    assert [type(event) for event in hear(late)] == [AgentComplained]


def test_an_unspecified_reason_is_none(hear):
    assert hear(content(turnComplete=True, turnCompleteReason="TURN_COMPLETE_REASON_UNSPECIFIED"))[-1] == COMPLETED


RESULT = ToolResult("1", "weather", "rain")


@pytest.mark.parametrize("before", [[], [COMPLETE], [GENERATED, COMPLETE], [GENERATED]], ids=len)
@pytest.mark.parametrize("after", [[], [COMPLETE], [GENERATED, COMPLETE]], ids=len)
def test_the_end_of_a_turn_with_calls_is_not_the_end_of_what_follows_their_results(hear, before, after):
    assert hear(CALL) == [STARTED, CALLED, ToolResultsAwaited(), COMPLETED]
    assert hear(*before) == []
    hear.dialect.give_results([RESULT])
    if COMPLETE not in before:  # else it would be the end of an answer
        assert hear(*after) == []
    assert hear(AUDIO, GENERATED, COMPLETE) == [STARTED, AudioReceived(PCM), COMPLETED]


def test_an_agent_may_have_nothing_to_say_to_the_results(hear):
    hear(CALL, COMPLETE)
    hear.dialect.give_results([RESULT])
    assert hear(GENERATED, COMPLETE) == [STARTED, COMPLETED]
    hear(CALL)
    hear.dialect.give_results([RESULT])
    assert hear(content(waitingForInput=True), COMPLETE) == [STARTED, COMPLETED]
    hear(AUDIO, GENERATED)
    assert hear(content(waitingForInput=True), COMPLETE) == []


def test_audio_of_the_turn_that_trails_its_calls(hear):
    hear(AUDIO, CALL)
    assert hear(AUDIO, GENERATED, COMPLETE) == [STARTED, AudioReceived(PCM), COMPLETED]
    hear.dialect.give_results([RESULT])
    assert hear(AUDIO, GENERATED, COMPLETE) == [STARTED, AudioReceived(PCM), COMPLETED]


def test_a_call_that_makes_no_sense_fails_though_results_are_awaited(hear):
    hear(CALL)
    found = hear(content(turnComplete=True, turnCompleteReason="MALFORMED_FUNCTION_CALL"))
    assert found == [STARTED, ReplyEnded("failed", "MALFORMED_FUNCTION_CALL")]


def test_errors_in_a_conversation_end_it_only_where_nothing_can_follow(hear):
    assert hear({"error": {"code": 13, "status": "INTERNAL", "message": "oops"}}) == [
        AgentComplained("INTERNAL 13: oops")
    ]
    assert hear({"error": {"status": "RESOURCE_EXHAUSTED"}}) == [AgentFailed("RESOURCE_EXHAUSTED", "rate_limit")]
    assert len(hear({"error": {"message": "x" * 10_000}})[0].reason) == 500
    assert hear({"setupComplete": {}}) == [MessageIgnored("a second setupComplete")]
