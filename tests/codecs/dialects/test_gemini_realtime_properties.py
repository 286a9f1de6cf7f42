"""Gemini Live: what holds for any messages, in any order, cut short anywhere; and audio of any rate."""

import base64
import copy
import json
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.codecs.dialects.gemini_realtime.format import GeminiRealtimeFormat
from coval_load.codecs.dialects.tool_results import ToolResult
from coval_load.codecs.events import (
    AudioReceived,
    Event,
    PlaybackCleared,
    ReplyEnded,
    ReplyStarted,
    StrayAudioReceived,
    TextChunkReceived,
    ToolCallReceived,
    ToolResultsAwaited,
)
from coval_load.testing.arbitrary import any_json, held_bytes

FORM = GeminiRealtimeFormat()
GIVE_RESULTS = "give results"
NAMES = [
    "serverContent", "modelTurn", "parts", "inlineData", "mimeType", "audio/pcm;rate=24000", "data", "text", "thought",
    "outputTranscription", "inputTranscription", "interrupted", "generationComplete", "turnComplete", "toolCall",
    "functionCalls", "id", "name", "args", "toolCallCancellation", "ids", "usageMetadata", "promptTokenCount",
    "promptTokensDetails", "modality", "AUDIO", "goAway", "timeLeft", "sessionResumptionUpdate", "newHandle",
    "resumable", "voiceActivity", "type", "ACTIVITY_START", "setupComplete", "sessionId", "error", "code", "status",
    "turnCompleteReason", "server_content", "model_turn",
]  # fmt: skip


def sound(pcm, rate_hz=24_000):
    return {"inlineData": {"mimeType": f"audio/pcm;rate={rate_hz}", "data": base64.b64encode(pcm).decode()}}


flags = st.sampled_from([True, True, False, None])
sounds = st.binary(max_size=40).map(lambda data: sound(data[: len(data) // 2 * 2]))
some_parts = st.lists(
    sounds | st.fixed_dictionaries({"text": st.text(max_size=5)}, optional={"thought": flags}), max_size=3
)
transcriptions = st.fixed_dictionaries({}, optional={"text": st.text(max_size=5), "finished": flags})
contents = st.fixed_dictionaries(
    {},
    optional={
        "modelTurn": st.fixed_dictionaries({}, optional={"role": st.just("model"), "parts": some_parts}),
        "inputTranscription": transcriptions,
        "outputTranscription": transcriptions,
        "interrupted": flags,
        "generationComplete": flags,
        "turnComplete": flags,
        "turnCompleteReason": st.sampled_from(["", "NEED_MORE_INPUT", "BLOCKLIST", "MAX_REGENERATION_REACHED"]),
    },
)
pieces = st.one_of(
    sounds.map(lambda part: {"modelTurn": {"parts": [part]}}),
    st.sampled_from(["interrupted", "generationComplete", "turnComplete"]).map(lambda name: {name: True}),
)
ids = st.sampled_from(["1", "2", "3"])
tool_calls = st.lists(st.fixed_dictionaries({"id": ids, "name": st.just("f")}), max_size=2)
messages = st.one_of(
    contents.map(lambda found: {"serverContent": found}),
    pieces.map(lambda found: {"serverContent": found}),
    tool_calls.map(lambda found: {"toolCall": {"functionCalls": found}}),
    st.lists(ids, max_size=2).map(lambda found: {"toolCallCancellation": {"ids": found}}),
    st.sampled_from(["ACTIVITY_START", "ACTIVITY_END"]).map(lambda kind: {"voiceActivity": {"type": kind}}),
    st.integers(0, 9).map(lambda count: {"usageMetadata": {"promptTokenCount": count}}),
    st.sampled_from(
        [
            {"setupComplete": {}},
            {"goAway": {"timeLeft": "1s"}},
            {"sessionResumptionUpdate": {"newHandle": "h", "resumable": True}},
            {"error": {"code": 13, "message": "oops"}},
        ]
    ),
)
conversations = st.lists(messages | st.just(GIVE_RESULTS), max_size=30)


def decode_all(dialect, conversation, is_text=False):
    for message in conversation:
        if message == GIVE_RESULTS:
            dialect.give_results([ToolResult("1", "f", "x")])
        else:
            payload = message if isinstance(message, bytes) else json.dumps(message).encode()
            yield message, list(dialect.decode(payload, is_text))


def snake(value):
    """The same message with every field's name in snake_case, but for what stands in a call's arguments."""
    if isinstance(value, list):
        return [snake(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {re.sub("[A-Z]", lambda found: f"_{found[0].lower()}", key): snake(item) for key, item in value.items()}


class Rules:
    """What the events of a conversation keep to: see `VoiceDialect` and the events themselves."""

    def __init__(self):
        self.is_replying = self.is_cleared = self.has_calls = False

    def follow(self, event):
        match event:
            case ReplyStarted():
                assert not self.is_replying
                self.is_replying, self.is_cleared = True, False
            case ReplyEnded():
                assert self.is_replying
                assert not self.has_calls
                assert (event.status == "cancelled") == self.is_cleared
                self.is_replying = False
            case AudioReceived(pcm=pcm):
                assert self.is_replying
                assert not self.is_cleared
                assert pcm
                assert len(pcm) % 2 == 0
            case TextChunkReceived(text=text):
                assert self.is_replying
                assert not self.is_cleared
                assert text
            case ToolCallReceived():
                assert self.is_replying
                self.has_calls = True
            case ToolResultsAwaited():
                assert self.has_calls
                self.has_calls = False
            case PlaybackCleared():
                self.is_cleared = True
            case StrayAudioReceived(seconds=seconds):
                assert self.is_cleared
                assert seconds >= 0


def turn_is_complete(message):
    return message.get("serverContent", {}).get("turnComplete") is True


def is_generated(message):
    return message.get("serverContent", {}).get("generationComplete") is True


@given(conversations)
def test_replies_begin_before_and_end_after_all_that_is_in_them(conversation):
    rules = Rules()
    for message, events in decode_all(FORM.open({}), conversation):
        for event in events:
            rules.follow(event)
        assert not rules.has_calls
        if turn_is_complete(message) or (is_generated(message) and not rules.is_cleared):
            assert not rules.is_replying


@given(conversations)
def test_no_audio_is_lost(conversation):
    dialect = FORM.open({})
    sent = came = 0.0
    for message, events in decode_all(dialect, conversation):
        for part in message.get("serverContent", {}).get("modelTurn", {}).get("parts", []):
            sent += len(base64.b64decode(part.get("inlineData", {}).get("data", ""))) / 48_000
        came += sum(len(event.pcm) / 48_000 for event in events if isinstance(event, AudioReceived))
        came += sum(event.seconds for event in events if isinstance(event, StrayAudioReceived))
    assert came == pytest.approx(sent)


@given(conversations, st.booleans())
def test_names_in_either_case_mean_the_same_in_text_and_in_binary(conversation, is_text):
    camel = [events for _, events in decode_all(FORM.open({}), conversation, is_text)]
    snaked = [message if message == GIVE_RESULTS else snake(message) for message in conversation]
    assert [events for _, events in decode_all(FORM.open({}), snaked, not is_text)] == camel


@given(conversations, st.data())
def test_messages_that_are_cut_short_break_nothing(conversation, data):
    rules = Rules()
    cut = [
        message
        if message == GIVE_RESULTS
        else json.dumps(message).encode()[: data.draw(st.integers(0, 200)) if data.draw(st.booleans()) else None]
        for message in conversation
    ]
    for _, events in decode_all(FORM.open({}), cut):
        assert all(isinstance(event, Event) for event in events)
        for event in events:
            rules.follow(event)


shapes = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.sampled_from(NAMES),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=15,
)


@st.composite
def misshapen(draw):
    """A message whose outer fields are real, and somewhere in it stands what can't."""
    message = copy.deepcopy(draw(messages))
    place = message
    while isinstance(place, dict) and place:
        key = draw(st.sampled_from(sorted(place)))
        if draw(st.booleans()) or not isinstance(place[key], dict | list) or not place[key]:
            place[key] = draw(shapes)
            return message
        place = place[key]
        if isinstance(place, list):
            place[0] = draw(shapes) if draw(st.booleans()) else place[0]
            place = place[0]
    return message


@given(st.lists(misshapen() | shapes | messages, max_size=8))
def test_what_is_misshapen_is_told_and_breaks_nothing(conversation):
    dialect, rules = FORM.open({}), Rules()
    for message in conversation:
        for event in dialect.decode(json.dumps(message).encode(), True):
            assert isinstance(event, Event)
            rules.follow(event)


@given(st.lists(st.binary(max_size=40) | any_json(NAMES), max_size=6), st.booleans())
def test_nothing_that_comes_raises(payloads, is_text):
    dialect = FORM.open({})
    for payload in payloads:
        assert all(isinstance(event, Event) for event in dialect.decode(payload, is_text))


def test_what_is_kept_is_bounded():
    dialect = FORM.open({})
    words = json.dumps({"serverContent": {"outputTranscription": {"text": "word " * 1000}}}).encode()
    for _ in range(100):
        dialect.decode(words, True)
    assert held_bytes(dialect, FORM) < 40_000
    for number in range(3000):
        for message in (
            {"toolCall": {"functionCalls": [{"id": f"{number}" * 100, "name": "f"}, {"id": f"{number}", "name": "f"}]}},
            {"toolCallCancellation": {"ids": [f"{number}", f"{number}x"]}},
            {"serverContent": {"turnComplete": True}},
            {"serverContent": {"outputTranscription": {"text": "word " * 20}}},
        ):
            dialect.decode(json.dumps(message).encode(), True)
    assert held_bytes(dialect, FORM) < 100_000


def tone(rate_hz, seconds=0.5):
    wave = np.sin(2 * np.pi * 440 * np.arange(int(rate_hz * seconds)) / rate_hz)
    return (wave * 16_000).astype("<i2").tobytes()


def heard(messages_):
    events = [event for _, found in decode_all(FORM.open({}), messages_) for event in found]
    return b"".join(event.pcm for event in events if isinstance(event, AudioReceived)), events


def pieces_of(pcm, rate_hz, size):
    return [
        {"serverContent": {"modelTurn": {"parts": [sound(pcm[at : at + size], rate_hz)]}}}
        for at in range(0, len(pcm), size)
    ]


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 48_000])
def test_another_rate_is_resampled_as_one_stream_and_ends_with_the_reply(rate_hz):
    done = {"serverContent": {"generationComplete": True}}
    pcm, events = heard([*pieces_of(tone(rate_hz), rate_hz, 999), done])
    assert isinstance(events[-1], ReplyEnded)
    assert len(pcm) == len(tone(24_000))
    expected = np.frombuffer(tone(24_000), "<i2").astype(float)
    middle = slice(1000, -1000)
    error = (np.frombuffer(pcm, "<i2") - expected)[middle]
    assert np.abs(error).max() < 400
    again, _ = heard([*pieces_of(tone(rate_hz), rate_hz, 999), done] * 2)
    assert again == pcm + pcm


def test_the_rate_may_change_within_a_reply():
    done = {"serverContent": {"turnComplete": True}}
    mixed = [
        *pieces_of(tone(16_000), 16_000, 640),
        *pieces_of(tone(24_000), 24_000, 960),
        *pieces_of(tone(8_000), 8_000, 320),
    ]
    pcm, _ = heard([*mixed, done])
    assert len(pcm) == 3 * len(tone(24_000))
    assert pcm[len(tone(24_000)) : 2 * len(tone(24_000))] == tone(24_000)


def test_samples_may_be_cut_between_messages():
    pcm, _ = heard(pieces_of(tone(24_000), 24_000, 333))
    assert pcm == tone(24_000)


def test_half_a_sample_is_not_carried_into_the_next_reply():
    done = {"serverContent": {"turnComplete": True}}
    pcm, _ = heard([*pieces_of(b"\x01\x02\x03", 24_000, 3), done, *pieces_of(b"\x05\x06", 24_000, 2)])
    assert pcm == b"\x01\x02\x05\x06"
