"""Sessions of the agent that speaks OpenAI Realtime: what is in force, what is refused, what goes wrong on purpose."""

import json

import pybase64
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from openai_scene import DELTA, RATE_HZ, append, error, scene, speak, update
from realtime_scenes import about, silence
from trio.testing import MockClock


async def test_a_session_ends_at_its_limit(autojump_clock):
    async def wait(wire):
        await trio.sleep(100)

    talk = scene("--session-limit=90s")
    await talk.play(wait)
    assert error(talk.wire)["code"] == "session_expired"
    assert talk.wire.closed == (1001, "Your session hit the maximum duration of 1.5 minutes.")
    assert talk.wire.times("error") == [about(90)]


async def test_the_beta_is_gone(autojump_clock):
    talk = scene(headers={"openai-beta": "realtime=v1"})
    await talk.play(lambda wire: wire.until_type("error"))
    assert error(talk.wire)["code"] == "beta_api_shape_disabled"
    assert talk.wire.closed[0] == 4000


@pytest.mark.parametrize(
    ("message", "code", "param"),
    [
        ("{", "invalid_json", None),
        ("[]", "invalid_type", "event"),
        ({"type": 5}, "invalid_value", "type"),
        ({"type": "session.update"}, "invalid_type", "session"),
        ({"type": "session.update", "session": {}}, "missing_required_parameter", "session.type"),
        (update(temperature=0.7), "unknown_parameter", "session.temperature"),
        (update(input_audio_format="pcm16"), "unknown_parameter", "session.input_audio_format"),
        (update({"rate": 1}), "unknown_parameter", "session.audio.input.rate"),
        (update({"turn_detection": {"type": "x"}}), "invalid_value", "session.audio.input.turn_detection.type"),
        (
            update({"turn_detection": {"type": "semantic_vad", "threshold": 1}}),
            "unknown_parameter",
            "session.audio.input.turn_detection.threshold",
        ),
        (update({"format": {"type": "audio/pcm", "rate": 16000}}), "invalid_value", "session.audio.input.format.rate"),
        (update(output_modalities=["audio", "text"]), "invalid_value", "session.output_modalities"),
        (append("*"), "invalid_value", "audio"),
        (append(None), "invalid_value", "audio"),
        ({"type": "input_audio_buffer.commit"}, "input_audio_buffer_commit_empty", None),
        ({"type": "conversation.item.create", "item": {"type": "x"}}, "invalid_value", "item.type"),
        ({"type": "conversation.item.delete", "item_id": ["x"]}, "item_delete_invalid_item_id", "item_id"),
        ({"type": "response.create", "response": {"voice": "x"}}, "unknown_parameter", "response.voice"),
    ],
)
async def test_what_is_wrong_is_told_and_ends_nothing(autojump_clock, message, code, param):
    async def err(wire):
        wire.say(message)
        await wire.until_type("error")
        wire.say(update())
        await wire.until_type("session.updated")

    talk = scene()
    await talk.play(err)
    assert (error(talk.wire)["code"], error(talk.wire)["param"]) == (code, param)


async def test_what_is_in_force_is_told(autojump_clock):
    async def change(wire):
        wire.say(update({"turn_detection": {"type": "server_vad", "threshold": 0.9}}, instructions="Be kind."))
        wire.say(update({"turn_detection": {"type": "server_vad", "silence_duration_ms": 900}}))
        await wire.until_type("session.updated", 2)
        await speak(wire, 0.2, 1)
        await wire.until_type("input_audio_buffer.speech_stopped")

    talk = scene("--end-silence=250ms", target="/v1/realtime?model=gpt-realtime-mini")
    await talk.play(change)
    first, second = (event["session"] for event in talk.wire.events("session.updated"))
    assert (first["model"], second["instructions"]) == ("gpt-realtime-mini", "Be kind.")
    assert first["audio"]["input"]["turn_detection"] == {
        "type": "server_vad",
        "threshold": 0.9,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 250,
        "idle_timeout_ms": None,
        "create_response": True,
        "interrupt_response": True,
    }
    assert talk.wire.events("input_audio_buffer.speech_stopped")[0]["audio_end_ms"] == 1100


@pytest.mark.parametrize(
    ("kind", "seen"),
    [
        ("no-ready", lambda wire: "session.created" not in wire.types() and "session.updated" not in wire.types()),
        (
            "refused-setup",
            lambda wire: error(wire)["code"] == "invalid_model" and "session.updated" not in wire.types(),
        ),
        ("silence", lambda wire: "response.created" not in wire.types()),
        ("unfinished", lambda wire: DELTA in wire.types() and "response.done" not in wire.types()),
        ("unknown-event", lambda wire: "response.mood.changed" in wire.types()),
        ("bad-base64", lambda wire: wire.events(DELTA)[0]["delta"] == "*** not base64 ***"),
        ("bad-path", lambda wire: "delta" not in wire.events(DELTA)[0]),
        ("wrong-type", lambda wire: DELTA not in wire.types() and "not_what_you_expect" in wire.types()),
        ("wrong-close", lambda wire: wire.closed[0] == 4321),
    ],
)
async def test_what_it_does_wrong_on_purpose(autojump_clock, kind, seen):
    async def turn(wire):
        wire.say(update())
        await speak(wire)
        await trio.sleep(5)

    talk = scene(f"--misbehave={kind}", "--close-code=4321")
    await talk.play(turn)
    assert seen(talk.wire)


async def test_a_reply_that_goes_on_after_an_interruption(autojump_clock):
    async def break_in(wire):
        await speak(wire)
        await wire.until_type(DELTA, 5)
        await speak(wire, 0.1, 3)

    talk = scene("--mode=paced", "--reply-seconds=2", "--misbehave=stray-audio", "--delay=5s")
    await talk.play(break_in)
    stray = [at for at in talk.wire.times(DELTA) if at > talk.at("barge_in_heard")[0]]
    assert len(stray) > 50
    assert talk.wire.events("response.done")[0]["response"]["status"] == "cancelled"


async def test_items_stand_where_they_are_put(autojump_clock):
    async def put(wire):
        for name, after in (("a", None), ("b", None), ("c", "root"), ("d", "a"), ("d", None), ("e", "nobody")):
            place = {} if after is None else {"previous_item_id": after}
            item = {"type": "message", "role": "system", "id": name, "content": []}
            wire.say({"type": "conversation.item.create", "item": item, **place})
        wire.say({"type": "conversation.item.delete", "item_id": "b"})
        wire.say({"type": "conversation.item.create", "item": {"type": "message", "id": "f", "content": []}})
        wire.say({"type": "conversation.item.retrieve", "item_id": "f"})
        await wire.until_type("conversation.item.retrieved")

    talk = scene()
    await talk.play(put)
    places = [(event["item"]["id"], event["previous_item_id"]) for event in talk.wire.events("conversation.item.added")]
    assert places == [("a", None), ("b", "a"), ("c", None), ("d", "a"), ("f", "d")]
    codes = [event["error"]["code"] for event in talk.wire.events("error")]
    assert codes == ["item_create_duplicate_item_id", "item_create_invalid_item_id"]


KINDS = st.sampled_from(
    [
        "session.update",
        "input_audio_buffer.append",
        "input_audio_buffer.commit",
        "conversation.item.create",
        "conversation.item.truncate",
        "conversation.item.delete",
        "response.create",
        "response.cancel",
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-10, 2000) | st.text(max_size=5) | st.sampled_from(["realtime", "message"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "audio", "input", "turn_detection", "format", "id", "role"]), inner)
    ),
    max_leaves=6,
)
FIELDS = st.sampled_from(
    ["type", "session", "item", "item_id", "response", "audio", "content_index", "audio_end_ms", "previous_item_id"]
)


@given(messages=st.lists(st.tuples(KINDS, st.dictionaries(FIELDS, JSON, max_size=4)) | JSON, max_size=8))
def test_nothing_that_a_caller_says_breaks_it(messages):
    async def say_all(wire):
        for message in messages:
            wire.say(message[1] | {"type": message[0]} if isinstance(message, tuple) else json.dumps(message))
        await trio.sleep(10)
        wire.say(update())
        await wire.until(lambda event: event["type"] == "session.updated" and wire.times("session.updated")[-1] >= 10)

    async def main():
        await scene().play(say_all)

    trio.run(main, clock=MockClock(autojump_threshold=0))


async def test_what_was_cleared_cannot_be_committed(autojump_clock):
    async def think_better_of_it(wire):
        wire.say(append(pybase64.b64encode(silence(0.2, RATE_HZ)).decode()))
        wire.say({"type": "input_audio_buffer.clear"})
        wire.say({"type": "input_audio_buffer.commit"})
        await wire.until_type("error")

    talk = scene("--turn-detection=none")
    await talk.play(think_better_of_it)
    assert talk.wire.types()[-2:] == ["input_audio_buffer.cleared", "error"]
    assert error(talk.wire)["code"] == "input_audio_buffer_commit_empty"


async def test_a_response_that_failed_took_no_tokens(autojump_clock):
    async def ask(wire):
        await speak(wire)
        await wire.until_type("response.done")

    talk = scene("--reply-status=failed")
    await talk.play(ask)
    (done,) = talk.wire.events("response.done")
    assert (done["response"]["status"], done["response"]["usage"]) == ("failed", None)
