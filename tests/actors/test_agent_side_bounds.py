"""An agent that never stops telling: replies, words and calls of tools without end cost no ever longer time or row."""

import pytest
from agent_sides import DONE, Scene

from coval_load.codecs.events import ReplyStarted, SpeechTranscribed, TextChunkReceived, ToolCallReceived
from coval_load.engine.outcome import ErrorKind, SimulationFailed


@pytest.fixture
def scene():
    return Scene.of()


async def test_of_replies_without_end_the_latest_are_looked_at(autojump_clock, scene):
    scene.caller(0.1)
    for _ in range(1_000):
        scene.say(ReplyStarted(), DONE)
    assert len(scene.side.replies.answers()) == 200
    assert scene.side.replies.ended_silently()


@pytest.mark.parametrize("event", [SpeechTranscribed, TextChunkReceived])
async def test_of_words_without_end_the_first_are_kept(autojump_clock, scene, event):
    scene.say(ReplyStarted(), event("a" * 99_999), event("bc"), *[event("d")] * 1_000)
    assert scene.side.replies.latest.words == "a" * 99_999 + "b"


async def too_many(scene):
    with pytest.raises(
        SimulationFailed, match=r"more than 256 times, or with more than 1048576 bytes.* .f. last"
    ) as failed:
        await scene.side.listener.hear_reply(0.1, 30.0)
    assert failed.value.kind is ErrorKind.NO_RESPONSE


async def test_calls_without_end_are_given_up(autojump_clock, scene):
    scene.caller(0.1)
    scene.say(ReplyStarted(), *[ToolCallReceived("", "f", "{}")] * 300)
    assert len(scene.side.simulation.transcript.entries) == 256
    await too_many(scene)


async def test_calls_of_any_size_are_given_up(autojump_clock, scene):
    scene.caller(0.1)
    scene.say(ReplyStarted(), *[ToolCallReceived("", "f", "x" * 600_000)] * 2)
    assert len(scene.side.simulation.transcript.entries) == 1
    await too_many(scene)


async def test_calls_are_counted_for_each_turn(autojump_clock, scene):
    for _ in range(2):
        scene.caller(0.1)
        scene.say(ReplyStarted(), *[ToolCallReceived("", "f", "{}")] * 200, DONE)
    assert len(scene.side.simulation.transcript.entries) == 400
