"""OpenAI Realtime: a table of what each server event means, the contract every dialect keeps, what is sent."""

import attrs
import pytest
from openai_realtime_events import (
    LIMITS,
    MANUAL,
    MESSAGE,
    QUIET,
    USAGE,
    VAD,
    arguments,
    audio,
    call,
    call_added,
    call_done,
    created,
    decoded,
    done,
    event,
    failed,
    heard,
    opened,
    part,
    reported,
    session,
    speech_started,
    speech_stopped,
    text_of,
)

from coval_load.codecs.audio import g711
from coval_load.codecs.events import (
    AgentComplained,
    AudioReceived,
    CallerSpeechStarted,
    CallerSpeechStopped,
    CallerTranscribed,
    MessageIgnored,
    PlaybackCleared,
    RateLimit,
    RateLimitsReceived,
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

ULAW = attrs.evolve(VAD, audio_format="audio/pcmu")
ALAW = attrs.evolve(VAD, audio_format="audio/pcma")
PCM = bytes(range(96)) * 10
OVER = MessageIgnored("it is part of a response that is over")
COMPLETED = ReplyEnded("completed")
CALL = ToolCallReceived("call_1", "look_up", '{"a":1}')


# Each is the first message of a connection.
TABLE = [
    (session(), [ReadyReceived("sess_1")]),
    (event("session.updated", session={"type": "realtime"}), [ReadyReceived(None)]),
    *((quiet, []) for quiet in QUIET),
    (created(), [ReplyStarted()]),
    (event("response.created"), [ReplyStarted()]),
    (audio(PCM), [ReplyStarted(), AudioReceived(PCM)]),
    (part("response.audio.delta", delta="AQACAA=="), [ReplyStarted(), AudioReceived(b"\1\0\2\0")]),
    ({"type": "response.output_audio.delta", "delta": "AQACAA=="}, [ReplyStarted(), AudioReceived(b"\1\0\2\0")]),
    (audio(b""), [ReplyStarted()]),
    (audio(b"\1\0\2"), [ReplyStarted(), AudioReceived(b"\1\0")]),
    (
        part("response.output_audio.delta", delta="AQ"),
        [Violation("expected base64 audio at 'delta' of response.output_audio.delta; got 'AQ'")],
    ),
    (
        part("response.output_audio.delta"),
        [Violation("expected base64 audio at 'delta' of response.output_audio.delta; got null")],
    ),
    (part("response.output_audio_transcript.delta", delta="Hel"), [ReplyStarted(), SpeechTranscribed("Hel")]),
    (part("response.audio_transcript.delta", delta="Hel"), [ReplyStarted(), SpeechTranscribed("Hel")]),
    (part("response.output_audio_transcript.done", transcript="Hello."), [ReplyStarted(), SpeechTranscribed("Hello.")]),
    (part("response.audio_transcript.done", transcript=""), [ReplyStarted()]),
    (part("response.output_text.delta", delta="Hel"), [ReplyStarted(), TextChunkReceived("Hel")]),
    (part("response.text.delta", delta="Hel"), [ReplyStarted(), TextChunkReceived("Hel")]),
    (part("response.output_text.done", text="Hello."), [ReplyStarted(), TextChunkReceived("Hello.")]),
    (part("response.text.done", text="Hello."), [ReplyStarted(), TextChunkReceived("Hello.")]),
    (arguments(), [ReplyStarted(), CALL]),
    (call_done(call()), [ReplyStarted(), CALL]),
    (call_done(call(status="incomplete")), []),
    (call_done(call(status="in_progress")), []),
    (done(), [ReplyStarted(), COMPLETED]),
    (
        done(usage=USAGE),
        [ReplyStarted(), UsageReceived(132, 121, 13, 91, 64), COMPLETED],
    ),
    (done(usage={"input_tokens": 1, "output_tokens": True}), [ReplyStarted(), UsageReceived(1, None), COMPLETED]),
    (done(output=[MESSAGE, call()]), [ReplyStarted(), CALL, COMPLETED, ToolResultsAwaited()]),
    (
        done(status="cancelled", details={"type": "cancelled", "reason": "turn_detected"}, output=[call()]),
        [ReplyStarted(), ReplyEnded("cancelled", "turn_detected")],
    ),
    (
        done(status="cancelled", details={"type": "cancelled", "reason": "client_cancelled"}),
        [ReplyStarted(), ReplyEnded("cancelled", "client_cancelled")],
    ),
    (
        done(status="incomplete", details={"type": "incomplete", "reason": "max_output_tokens"}),
        [ReplyStarted(), ReplyEnded("incomplete", "max_output_tokens")],
    ),
    (
        done(status="incomplete", details={"type": "incomplete", "reason": "content_filter"}),
        [ReplyStarted(), ReplyEnded("incomplete", "content_filter")],
    ),
    (done(status="incomplete"), [ReplyStarted(), ReplyEnded("incomplete")]),
    (
        failed(type="server_error", code=None, message="Sorry."),
        [ReplyStarted(), ReplyEnded("failed", reported("Sorry.", "server_error"))],
    ),
    (
        failed(type="tokens", code="rate_limit_exceeded", message="Slower."),
        [ReplyStarted(), ReplyEnded("failed", reported("Slower.", "rate_limit_exceeded, tokens"), "rate_limit")],
    ),
    (
        failed(type="insufficient_quota", code="insufficient_quota", message="Pay."),
        [ReplyStarted(), ReplyEnded("failed", reported("Pay.", "insufficient_quota"), "rate_limit")],
    ),
    (
        done(status="failed"),
        [ReplyStarted(), ReplyEnded("failed", "the response failed, without an error that says why")],
    ),
    (
        done(status="in_progress"),
        [
            ReplyStarted(),
            ReplyEnded(
                "failed",
                "expected a status of completed, cancelled, incomplete, failed of a response that is done; "
                "got 'in_progress'",
            ),
        ],
    ),
    (
        event("response.done"),
        [Violation("expected an object at 'response' of response.done; got null")],
    ),
    (speech_started(), [CallerSpeechStarted("item_2"), PlaybackCleared()]),
    (speech_stopped(), [CallerSpeechStopped("item_2")]),
    (heard("delta", delta="I'd "), [CallerTranscribed("I'd ", "item_2")]),
    (heard("delta", delta=""), []),
    (
        heard("completed", transcript="I'd like", usage={"type": "duration", "seconds": 2}),
        [CallerTranscribed("I'd like", "item_2", is_whole=True)],
    ),
    (
        heard("completed", transcript="", usage={"type": "duration", "seconds": 2}),
        [CallerTranscribed("", "item_2", is_whole=True)],
    ),
    (
        heard("completed"),
        [Violation("expected a string at 'transcript' of what the caller said; got null")],
    ),
    (
        heard("failed", error={"type": "transcription_error", "code": "audio_unintelligible", "message": "What?"}),
        [
            AgentComplained(
                "what the caller said was not transcribed: "
                + reported("What?", "audio_unintelligible, transcription_error")
            )
        ],
    ),
    (
        event("rate_limits.updated", rate_limits=LIMITS),
        [RateLimitsReceived((RateLimit("requests", 1000, 999, 60.0), RateLimit("tokens", 50000, 49950, 0.125)))],
    ),
    (
        event("rate_limits.updated", rate_limits=[{"name": "tokens", "limit": 5, "remaining": 4}, {"limit": 1}, None]),
        [RateLimitsReceived((RateLimit("tokens", 5, 4),))],
    ),
    (event("rate_limits.updated", rate_limits=[]), []),
    (
        event("mcp_list_tools.failed", item_id="item_3"),
        [AgentComplained("a tool server that it calls itself failed: mcp_list_tools.failed")],
    ),
    (
        event("response.mcp_call.failed", item_id="item_3", output_index=0),
        [AgentComplained("a tool server that it calls itself failed: response.mcp_call.failed")],
    ),
    (
        call_done({"type": "mcp_approval_request", "id": "a", "name": "rm", "arguments": "{}", "server_label": "s"}),
        [AgentComplained("it waits for leave to call the tool 'rm'; set its require_approval to never")],
    ),
    (
        {"type": "response.invented.delta"},
        [MessageIgnored("type 'response.invented.delta' is none of the Realtime API's that are known")],
    ),
    ({"typ": "error"}, [MessageIgnored("expected an object with a type; it has none")]),
    ({"type": ["error"]}, [MessageIgnored("expected an object with a type; it has none")]),
    ([{"type": "error"}], [MessageIgnored("expected an object with a type; got an array")]),
]
EXAMPLES = [Example(text_of(message), events) for message, events in TABLE]


@pytest.mark.parametrize(("message", "events"), TABLE)
def test_an_example(message, events):
    assert list(VAD.open({}).decode(text_of(message).encode(), True)) == events
    assert list(VAD.open({}).decode(text_of(message).encode(), False)) == events


@pytest.mark.parametrize("voice", [VAD, MANUAL, ULAW])
def test_the_contract_is_kept(voice):
    check_dialect(voice, {}, EXAMPLES if voice is VAD else ())


def test_a_session_is_ready_once():
    assert decoded(opened(), session()) == []


def test_a_reply_from_its_start_to_its_end():
    whole = [
        created(),
        part("response.output_audio_transcript.delta", delta="Hel"),
        audio(PCM),
        part("response.output_audio_transcript.delta", delta="lo."),
        audio(PCM),
        part("response.output_audio.done"),
        part("response.output_audio_transcript.done", transcript="Hello."),
        done(usage=USAGE),
    ]
    assert decoded(opened(), *whole) == [
        ReplyStarted(),
        SpeechTranscribed("Hel"),
        AudioReceived(PCM),
        SpeechTranscribed("lo."),
        AudioReceived(PCM),
        UsageReceived(132, 121, 13, 91, 64),
        COMPLETED,
    ]


def test_samples_cut_between_deltas_are_not_lost_and_not_mixed_between_items():
    dialect = opened()
    cut = [audio(b"\1\0\2"), audio(b"\0\3"), audio(b"\5\0", item="other"), audio(b"\0")]
    assert decoded(dialect, *cut)[1:] == [
        AudioReceived(b"\1\0"),
        AudioReceived(b"\2\0"),
        AudioReceived(b"\5\0"),
        AudioReceived(b"\3\0"),
    ]


@pytest.mark.parametrize(("voice", "decode"), [(ULAW, g711.decode), (ALAW, g711.decode_alaw)])
def test_g711_is_heard_as_it_was_said(voice, decode):
    every = bytes(range(256))
    dialect = opened(voice)
    assert decoded(dialect, audio(every), audio(every))[1:] == [AudioReceived(decode(every))] * 2
    assert decoded(dialect, speech_started(), audio(bytes(8000)))[2:] == [StrayAudioReceived(1.0)]


def test_a_call_is_one_however_often_it_stands_somewhere():
    for said in ([arguments()], [call_done(call())], [arguments(), call_done(call())], []):
        events = decoded(opened(), created(), *said, done(output=[call()]))
        assert events == [ReplyStarted(), CALL, COMPLETED, ToolResultsAwaited()]


def test_two_calls_of_one_response_are_awaited_together():
    second = {"call_id": "call_2", "item": "item_10"}
    said = [arguments(), arguments(**second), call_done(call()), call_done(call(**second))]
    events = decoded(opened(), *said, done(output=[call(), call(**second)]))
    assert events == [
        ReplyStarted(),
        CALL,
        ToolCallReceived("call_2", "look_up", '{"a":1}'),
        COMPLETED,
        ToolResultsAwaited(),
    ]


def test_a_call_whose_arguments_come_without_its_name_has_that_of_its_item():
    nameless = {key: value for key, value in arguments().items() if key not in ("name", "call_id")}
    assert decoded(opened(), call_added(call(arguments="")), nameless) == [ReplyStarted(), CALL]
    assert decoded(opened(), nameless, done(output=[call()]))[-3:] == [CALL, COMPLETED, ToolResultsAwaited()]


def test_a_call_that_is_broken_off_is_none():
    half = arguments(text='{"a"')
    cancelled = done(status="cancelled", details={"type": "cancelled", "reason": "turn_detected"})
    said = [created(), half, call_done(call(arguments='{"a"', status="incomplete")), cancelled]
    assert decoded(opened(), *said) == [ReplyStarted(), ReplyEnded("cancelled", "turn_detected")]
    called = decoded(opened(), arguments(), cancelled)
    assert called == [ReplyStarted(), CALL, ReplyEnded("cancelled", "turn_detected")]


def test_a_call_whose_arguments_are_no_json_is_one_when_the_response_is_complete():
    odd = ToolCallReceived("call_1", "look_up", "")
    for said in ([call_done(call(arguments=""))], []):
        events = decoded(opened(), arguments(text=""), *said, done())
        assert events == [ReplyStarted(), odd, COMPLETED, ToolResultsAwaited()]


def test_a_response_that_never_ended_ends_with_the_next():
    events = decoded(opened(), created("r1"), created("r2"), audio(PCM, "r1"), audio(PCM, "r2"), done("r1"), done("r2"))
    assert events == [
        ReplyStarted(),
        ReplyEnded("incomplete", "another response began before it was done"),
        ReplyStarted(),
        OVER,
        AudioReceived(PCM),
        COMPLETED,
    ]


def test_what_comes_of_a_response_that_is_over_is_ignored():
    late = [
        audio(PCM),
        part("response.output_audio_transcript.delta", delta="a"),
        part("response.output_text.done", text="a"),
        arguments(),
    ]
    assert decoded(opened(), done(), created(), *late, done()) == [ReplyStarted(), COMPLETED, *[OVER] * 4]
    assert decoded(opened(), audio(PCM), done(), audio(PCM))[2:] == [COMPLETED, OVER]


def test_a_response_gets_its_id_when_the_first_event_has_one():
    started = {"type": "response.created"}
    assert decoded(opened(), started, audio(PCM), done(), audio(PCM)) == [
        ReplyStarted(),
        AudioReceived(PCM),
        COMPLETED,
        OVER,
    ]
    assert decoded(opened(), started, {"type": "response.done", "response": {}}) == [ReplyStarted(), COMPLETED]


def test_the_caller_clears_what_is_left_of_a_reply():
    dialect = opened()
    started = decoded(dialect, audio(PCM), speech_started())
    assert started == [ReplyStarted(), AudioReceived(PCM), CallerSpeechStarted("item_2"), PlaybackCleared()]
    words = part("response.output_audio_transcript.delta", delta="never heard")
    cancelled = done(status="cancelled", details={"type": "cancelled", "reason": "turn_detected"})
    assert decoded(dialect, audio(PCM), audio(b""), words, cancelled, audio(PCM)) == [
        StrayAudioReceived(0.02),
        ReplyEnded("cancelled", "turn_detected"),
        StrayAudioReceived(0.02),
    ]
    assert decoded(dialect, created("r2"), audio(PCM, "r2")) == [ReplyStarted(), AudioReceived(PCM)]


def test_audio_of_a_finished_reply_that_was_playing_when_the_caller_spoke_is_stray():
    assert decoded(opened(), audio(PCM), done(), speech_started(), audio(PCM))[-1] == StrayAudioReceived(0.02)


def test_the_server_clears_nothing_where_it_does_not_detect_turns():
    assert decoded(opened(MANUAL), audio(PCM), speech_started(), audio(PCM))[2:] == [
        CallerSpeechStarted("item_2"),
        AudioReceived(PCM),
    ]
