"""OpenAI Realtime: whatever comes, in whatever order and cut short anywhere, replies start and end in turn."""

import json

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai_realtime_events import (
    LIMITS,
    MANUAL,
    QUIET,
    USAGE,
    VAD,
    arguments,
    audio,
    call,
    call_added,
    call_done,
    created,
    done,
    error,
    event,
    failed,
    heard,
    part,
    session,
    speech_started,
    speech_stopped,
    text_of,
)

from coval_load.codecs.events import (
    AudioReceived,
    Event,
    MessageIgnored,
    PlaybackCleared,
    ReadyReceived,
    ReplyEnded,
    ReplyStarted,
    SpeechTranscribed,
    TextChunkReceived,
    ToolCallReceived,
    ToolResultsAwaited,
    UsageReceived,
    Violation,
)

OF_A_REPLY = (AudioReceived, SpeechTranscribed, TextChunkReceived, ToolCallReceived, UsageReceived)

ids = st.sampled_from(["r1", "r2"])
items = st.sampled_from(["i1", "i2"])
statuses = st.sampled_from(["completed", "cancelled", "incomplete", "failed"])
calls = st.builds(
    call, st.sampled_from(["c1", "c2"]), arguments=st.sampled_from(["{}", "", "{"]), item=items, status=statuses
)
VALID = st.one_of(
    st.builds(created, ids),
    st.builds(audio, st.binary(max_size=8), ids, items),
    st.builds(part, st.just("response.output_audio_transcript.delta"), ids, items, delta=st.text(max_size=3)),
    st.builds(part, st.just("response.output_audio_transcript.done"), ids, items, transcript=st.text(max_size=3)),
    st.builds(part, st.just("response.output_text.delta"), ids, items, delta=st.text(max_size=3)),
    st.builds(part, st.just("response.output_text.done"), ids, items, text=st.text(max_size=3)),
    st.builds(arguments, st.sampled_from(["c1", "c2"]), item=items, response=ids),
    st.builds(call_added, calls, ids),
    st.builds(call_done, calls, ids),
    st.builds(done, ids, statuses, output=st.lists(calls, max_size=2), usage=st.sampled_from([None, USAGE])),
    st.builds(failed, ids, type=st.just("server_error"), message=st.just("Sorry")),
    st.builds(speech_started),
    st.builds(speech_stopped),
    st.builds(heard, st.just("delta"), delta=st.text(max_size=3)),
    st.builds(heard, st.just("completed"), transcript=st.text(max_size=3)),
    st.builds(error, code=st.sampled_from([None, "session_expired", "rate_limit_exceeded"])),
    st.just(event("rate_limits.updated", rate_limits=LIMITS)),
    st.just(session()),
    st.sampled_from(QUIET),
)
STREAM = st.lists(VALID, max_size=25)


@attrs.define
class Follower:
    """What a conversation may rely on."""

    is_open: bool = False
    is_cleared: bool = False
    last: object = None
    readies: int = 0

    def follow(self, found):
        assert isinstance(found, Event)
        match found:
            case ReadyReceived():
                self.readies += 1
                assert self.readies == 1
            case ReplyStarted():
                assert not self.is_open
                self.is_open, self.is_cleared = True, False
            case ReplyEnded():
                assert self.is_open
                self.is_open = False
            case PlaybackCleared():
                self.is_cleared = True
            case ToolResultsAwaited():
                assert self.last == ReplyEnded("completed")
        if isinstance(found, OF_A_REPLY):
            assert self.is_open
        if isinstance(found, AudioReceived | SpeechTranscribed | TextChunkReceived):
            assert not self.is_cleared
        self.last = found


def fed(dialect, message):
    return dialect.decode(text_of(message).encode(errors="replace"), True)


@given(STREAM, st.sampled_from([VAD, MANUAL]))
def test_replies_start_and_end_in_turn_whatever_comes_when(stream, voice):
    dialect, follower = voice.open({}), Follower()
    for message in stream:
        for found in fed(dialect, message):
            assert not isinstance(found, Violation)
            assert not isinstance(found, MessageIgnored) or "over" in found.reason
            follower.follow(found)


@given(STREAM)
def test_once_a_response_is_done_its_reply_has_ended(stream):
    dialect, follower = VAD.open({}), Follower()
    for message in stream:
        for found in fed(dialect, message):
            follower.follow(found)
    for response in ("r1", "r2"):
        for found in fed(dialect, done(response)):
            follower.follow(found)
    assert not follower.is_open


@given(STREAM, st.lists(st.floats(0, 0.001), max_size=25), st.sampled_from([VAD, MANUAL]))
def test_nothing_is_truncated_beyond_what_came_of_it(stream, unheard, voice):
    dialect = voice.open({})
    delivered = dict.fromkeys(("i1", "i2"), 0)
    for message, each in zip(stream, [*unheard, *[None] * 25], strict=False):
        for found in fed(dialect, message):
            if isinstance(found, AudioReceived):
                delivered[message["item_id"]] += len(found.pcm)
        for cut in () if each is None else dialect.cut_off(each):
            said = json.loads(cut.payload)
            if said["type"] == "conversation.item.truncate":
                assert 0 <= said["audio_end_ms"] <= delivered[said["item_id"]] / 48
            else:
                assert said["type"] == "response.cancel"
                assert voice is MANUAL


@given(STREAM, st.sampled_from([VAD, MANUAL]))
def test_without_detection_a_reply_is_cancelled_while_it_is_under_way_and_once(stream, voice):
    dialect, follower = voice.open({}), Follower()
    cancelled = False
    for message in stream:
        for found in fed(dialect, message):
            follower.follow(found)
            cancelled = cancelled and not isinstance(found, ReplyStarted)
        sent = [json.loads(cut.payload)["type"] for cut in dialect.cut_off(0.0)]
        assert sent == (["response.cancel"] if voice is MANUAL and follower.is_open and not cancelled else [])
        cancelled = cancelled or bool(sent)
        if voice is MANUAL:
            follower.is_cleared = True


KEYS = (
    *("type", "delta", "response", "response_id", "item_id", "item", "id", "status", "status_details", "error", "code"),
    *("usage", "rate_limits", "name", "arguments", "call_id", "output", "transcript", "session"),
)
TYPES = [
    *(quiet["type"] for quiet in QUIET),
    "error",
    "rate_limits.updated",
    "response.created",
    "response.done",
    "response.output_audio.delta",
    "response.function_call_arguments.done",
    "response.output_text.done",
    "session.updated",
    "input_audio_buffer.speech_started",
    "conversation.item.input_audio_transcription.completed",
    "conversation.item.input_audio_transcription.failed",
]
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(TYPES),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=8,
)


@given(st.lists(st.dictionaries(st.sampled_from(KEYS), ANY_JSON, max_size=6), max_size=6), st.sampled_from(TYPES))
def test_no_json_raises_and_what_a_reply_is_stays_true(messages, message_type):
    dialect, follower = VAD.open({}), Follower()
    for message in messages:
        for found in fed(dialect, {"type": message_type} | message):
            follower.follow(found)
    dialect.cut_off(1.0)


@given(st.lists(st.binary(max_size=30), max_size=4), st.booleans())
def test_no_bytes_raise(payloads, is_text):
    dialect = VAD.open({})
    for payload in payloads:
        assert all(isinstance(found, Event) for found in dialect.decode(payload, is_text))


@pytest.mark.parametrize("key", ["response", "item", "error", "usage"])
def test_nesting_to_any_depth_is_read_or_refused(key):
    for depth in (10, 900, 5000):
        payload = b'{"type":"response.done","' + key.encode() + b'":' + b"[" * depth + b"]" * depth + b"}"
        assert VAD.open({}).decode(payload, True)
        error_of = b'{"type":"error","error":{"message":' + b"[" * depth + b"]" * depth + b"}}"
        assert VAD.open({}).decode(error_of, True)


def test_a_flood_of_calls_in_one_response_is_bounded():
    dialect = VAD.open({})
    given = [found for number in range(1000) for found in fed(dialect, arguments(f"c{number}", item=f"i{number}"))]
    assert 100 < len(given) < 300


def test_a_long_session_leaves_little_behind():
    dialect = VAD.open({})
    for number in range(2000):
        response, item = f"resp_{number}", f"item_{number}"
        fed(dialect, call_added(call(f"call_{number}", item=f"f{number}"), response))
        fed(dialect, audio(bytes(960), response, item))
        fed(dialect, part("response.output_audio_transcript.delta", response, item, delta="a"))
        if number % 2:
            fed(dialect, done(response))
    hearing = dialect._hearing
    assert len(hearing._replies._over) == len(hearing._responses._names) == len(hearing.playback._items) == 32
