"""OpenAI Realtime: what is sent, from the session's settings to where the agent was cut off."""

import base64
import json

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai_realtime_events import MANUAL, VAD, audio, created, done, session, speech_started, text_of

from coval_load.agents.options.openai_realtime import OpenAIRealtimeOptions
from coval_load.codecs.audio import g711
from coval_load.codecs.dialects.interface import Said
from coval_load.codecs.dialects.openai_realtime.format import FORMATS, OpenAIRealtimeFormat, check
from coval_load.codecs.dialects.tool_results import ToolResult
from coval_load.codecs.templates import TemplateError
from coval_load.testing import check_dialect

SECOND = bytes(48_000)
CREATE = {"type": "response.create"}
TOOL = {"type": "function", "name": "look_up", "description": "for {{agent.team}}", "parameters": {"type": "object"}}


def read(messages):
    assert all(message.is_text for message in messages)
    return [json.loads(message.payload) for message in messages]


def session_of(voice, values=None):
    (update,) = read(voice.open(values or {}).opening())
    assert update.keys() == {"type", "session"}
    assert update["type"] == "session.update"
    return update["session"]


def hearing(*said, voice=VAD):
    dialect = voice.open({})
    for message in (session(), *said):
        dialect.decode(text_of(message).encode(), True)
    return dialect


def truncated(item, ms):
    return {"type": "conversation.item.truncate", "item_id": item, "content_index": 0, "audio_end_ms": ms}


def test_a_session_without_detection_is_as_the_reference_shows_it():
    voice = attrs.evolve(MANUAL, openai_realtime_instructions="Be brief.")
    pcm = {"type": "audio/pcm", "rate": 24000}
    assert session_of(voice) == {
        "type": "realtime",
        "instructions": "Be brief.",
        "output_modalities": ["audio"],
        "audio": {
            "input": {"format": pcm, "turn_detection": None, "transcription": {"model": "gpt-4o-mini-transcribe"}},
            "output": {"format": pcm, "voice": "alloy"},
        },
    }


@pytest.mark.parametrize(
    ("options", "detection"),
    [
        ({}, {"type": "server_vad"}),
        ({"turn_detection": "semantic_vad"}, {"type": "semantic_vad"}),
        ({"vad_threshold": 0.0}, {"type": "server_vad", "threshold": 0.0}),
        (
            {"vad_prefix_padding_ms": 0, "vad_silence_ms": 200},
            {"type": "server_vad", "prefix_padding_ms": 0, "silence_duration_ms": 200},
        ),
    ],
)
def test_detection_has_what_was_set_and_nothing_else(options, detection):
    assert session_of(attrs.evolve(VAD, **options))["audio"]["input"]["turn_detection"] == detection


def test_what_is_not_set_is_not_sent():
    plain = session_of(attrs.evolve(VAD, transcription_model=""))
    assert plain.keys() == {"type", "output_modalities", "audio"}
    assert plain["audio"]["input"].keys() == {"format", "turn_detection"}
    full = session_of(attrs.evolve(VAD, tools=({"type": "mcp"},), max_output_tokens=5, openai_realtime_voice="marin"))
    assert (full["tools"], full["max_output_tokens"]) == ([{"type": "mcp"}], 5)
    assert full["audio"]["output"]["voice"] == "marin"


@pytest.mark.parametrize("name", ["audio/pcmu", "audio/pcma"])
def test_g711_has_no_rate(name):
    both = session_of(attrs.evolve(VAD, audio_format=name))["audio"]
    assert both["input"]["format"] == both["output"]["format"] == {"type": name}


def test_placeholders_are_filled_in_instructions_and_tools():
    voice = attrs.evolve(VAD, openai_realtime_instructions='Case "{{test_case.id}}".', tools=(TOOL,))
    filled = session_of(voice, {"test_case": {"id": "7"}, "agent": {"team": "blue"}})
    assert filled["instructions"] == 'Case "7".'
    assert filled["tools"] == [TOOL | {"description": "for blue"}]
    with pytest.raises(TemplateError, match=r"tools: {{agent.team}}: no such value"):
        voice.open({"test_case": {"id": "7"}})


@pytest.mark.parametrize(
    ("options", "complaints"),
    [
        ({}, []),
        (
            {"openai_realtime_instructions": "{{persona_name}}"},
            ["openai_realtime_instructions"],
        ),
        ({"tools": ({"name": "{{ }}"},), "turn_detection": "vad"}, ["tools", "turn_detection"]),
        ({"audio_format": "audio/opus"}, ["audio_format"]),
    ],
)
def test_what_can_never_do_is_found_before_anything_is_dialled(options, complaints):
    assert [field for field, _ in check(attrs.evolve(VAD, **options))] == complaints


def test_the_format_has_the_names_of_the_options_and_their_defaults():
    options = OpenAIRealtimeOptions(openai_realtime_api_key="k")
    assert OpenAIRealtimeFormat(**{name: getattr(options, name) for name in attrs.asdict(VAD)}) == VAD
    assert hash(attrs.evolve(VAD, tools=({"a": [1]},))) == hash(VAD)


def test_what_the_actors_ask_of_the_format():
    assert (VAD.hears_silence, VAD.caller_clears_playback) == (True, False)
    assert (MANUAL.hears_silence, MANUAL.caller_clears_playback) == (False, True)
    assert (VAD.is_paced, VAD.takes_digits, VAD.frames_are_shared) == (True, False, True)
    assert attrs.evolve(VAD, renew_after_seconds=60.0).most_session_s == 60.0
    assert VAD.advice_if_deaf != MANUAL.advice_if_deaf
    shaking = attrs.evolve(VAD, handshake_timeout_seconds=3.0).handshake
    assert (shaking.ready_message, shaking.timeout_s) == ("a message of type 'session.updated'", 3.0)


@pytest.mark.parametrize("name", FORMATS)
def test_a_frame_arrives_as_it_was(name):
    voice = attrs.evolve(VAD, audio_format=name)
    assert voice.send_rate_hz == voice.receive_rate_hz == (24_000 if name == "audio/pcm" else 8_000)

    def hear(message):
        said = json.loads(message.payload)
        assert said.keys() == {"type", "audio"}
        assert said["type"] == "input_audio_buffer.append"
        return base64.b64decode(said["audio"], validate=True)

    if name == "audio/pcm":
        check_dialect(voice, {}, read_audio=hear)
        return
    encode = {"audio/pcmu": g711.encode, "audio/pcma": g711.encode_alaw}[name]

    @given(st.binary(max_size=640))
    def speak(pcm):
        frame = voice.open({}).frame(voice.audio_body(pcm))
        assert frame == voice.shared_frame(voice.audio_body(pcm))
        assert base64.b64decode(json.loads(frame)["audio"]) == encode(pcm)

    speak()


def test_who_says_that_a_turn_is_over():
    assert VAD.open({}).turn_started() == VAD.open({}).turn_ended() == MANUAL.open({}).turn_started() == ()
    assert read(MANUAL.open({}).turn_ended()) == [{"type": "input_audio_buffer.commit"}, CREATE]


def test_a_turn_that_ends_while_a_reply_is_under_way_cancels_that_first():
    dialect = hearing(created(), voice=MANUAL)
    cancel = {"type": "response.cancel", "response_id": "resp_1"}
    assert read(dialect.turn_ended()) == [cancel, {"type": "input_audio_buffer.commit"}, CREATE]
    assert read(dialect.turn_ended()) == [{"type": "input_audio_buffer.commit"}, CREATE]


def test_what_asks_for_a_response():
    dialect = VAD.open({})
    assert read(dialect.go_on()) == [CREATE]
    results = [ToolResult("call_1", "look_up", '{"x": "ä"}'), ToolResult("call_2", "look_up", "none")]
    outputs = [{"type": "function_call_output", "call_id": each.call_id, "output": each.content} for each in results]
    items = [{"type": "conversation.item.create", "item": output} for output in outputs]
    assert read(dialect.give_results(results)) == [*items, CREATE]


@given(st.text(), st.binary())
def test_an_image_arrives_as_it_was(name, data):
    shown, asked = read(VAD.open({}).media(name, "image/png", data))
    (content,) = shown["item"].pop("content")
    assert shown == {"type": "conversation.item.create", "item": {"type": "message", "role": "user"}}
    kind, _, encoded = content["image_url"].partition(",")
    assert (content["type"], kind) == ("input_image", "data:image/png;base64")
    assert base64.b64decode(encoded, validate=True) == data
    assert asked == CREATE


def test_digits_have_no_message():
    with pytest.raises(TemplateError, match="expected no keypad digits"):
        VAD.open({}).digit("1")


def test_a_renewed_session_begins_with_what_was_said():
    voice = attrs.evolve(VAD, openai_realtime_instructions="{{test_case.id}}")
    first = voice.open({"test_case": {"id": "7"}})
    said = [Said("user", "Pizza \ud800"), Said("assistant", "What size?"), Said("user", "")]
    renewed = first.renewed(said)
    update, *items = read(renewed.opening())
    assert [update] == read(first.opening())
    assert items == [
        {
            "type": "conversation.item.create",
            "item": {"type": "message", "role": role, "content": [{"type": kind, "text": text}]},
        }
        for role, kind, text in (("user", "input_text", "Pizza \ufffd"), ("assistant", "output_text", "What size?"))
    ]
    assert len(renewed.renewed(said[:1]).opening()) == 2


def test_what_was_not_heard_is_cut_off_each_item():
    dialect = hearing(audio(SECOND, item="a"), audio(SECOND, item="a"), done(), audio(SECOND, "r2", "b"))
    assert read(dialect.cut_off(1.25)) == [truncated("a", 1750), truncated("b", 0)]


def test_nothing_is_cut_off_where_all_was_heard_or_nothing_came():
    dialect = hearing(audio(SECOND))
    assert dialect.cut_off(0.0) == dialect.cut_off(0.0004) == ()
    assert hearing(created()).cut_off(5.0) == ()
    assert read(dialect.cut_off(0.5)) == [truncated("item_1", 500)]
    assert read(dialect.cut_off(0.25)) == [truncated("item_1", 250)]


def test_stray_audio_was_not_delivered():
    dialect = hearing(audio(SECOND), speech_started(), audio(SECOND))
    assert read(dialect.cut_off(0.25)) == [truncated("item_1", 750)]


def test_an_item_without_an_id_cannot_be_truncated():
    assert hearing(audio(SECOND, item=None)).cut_off(0.5) == ()
    assert hearing(audio(SECOND, item="x" * 600)).cut_off(0.5) == ()


def test_without_detection_cutting_off_cancels_the_reply_too_and_once():
    dialect = hearing(audio(SECOND), voice=MANUAL)
    cancel = {"type": "response.cancel", "response_id": "resp_1"}
    assert read(dialect.cut_off(0.5)) == [cancel, truncated("item_1", 500)]
    assert dialect.cut_off(0.0) == ()
    over = hearing(audio(SECOND), done(), voice=MANUAL)
    assert read(over.cut_off(0.5)) == [truncated("item_1", 500)]
    nameless = hearing({"type": "response.created"}, voice=MANUAL)
    assert read(nameless.cut_off(0.0)) == [{"type": "response.cancel"}]


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 2000)), max_size=8),
    st.lists(st.floats(0, 0.1) | st.just(float("inf")), max_size=3),
)
def test_truncation_is_never_beyond_what_was_delivered_and_leaves_out_what_was_unheard(pieces, unheard):
    dialect = hearing(*(audio(bytes(2 * samples), item=item) for item, samples in pieces))
    came = {item: sum(count for name, count in pieces if name == item) / 24 for item, _ in pieces}
    for each in unheard:
        cuts = {cut["item_id"]: cut["audio_end_ms"] for cut in read(dialect.cut_off(each))}
        kept = sum(came.values())
        for item, ms in cuts.items():
            assert 0 <= ms <= came[item]
            came[item] = ms
        assert kept - sum(came.values()) == pytest.approx(min(1000 * each, kept), abs=len(came) + 1)


def test_an_item_of_which_no_audio_came_is_not_cut():
    dialect = hearing(audio(bytes(4800)), audio(b"", item="item_2"))
    assert [cut["item_id"] for cut in read(dialect.cut_off(0.05))] == ["item_1"]
