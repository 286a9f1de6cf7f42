"""What the agent's side makes of what its protocol says, in virtual time."""

import pytest
import trio
from agent_sides import DONE, Scene
from listening import close_to, loud

from coval_load.actors.loss import Loss
from coval_load.actors.tool_answers import MOST_TOOL_ROUNDS
from coval_load.actors.transcript import Entry
from coval_load.codecs.events import (
    CallerSpeechStarted,
    CallerSpeechStopped,
    CallerTranscribed,
    PlaybackCleared,
    ReplyEnded,
    ReplyStarted,
    SpeechTranscribed,
    StrayAudioReceived,
    TextChunkReceived,
    ToolCallReceived,
    ToolResultsAwaited,
    UsageReceived,
)
from coval_load.engine.outcome import ErrorKind, SimulationFailed

LOOK = ToolCallReceived("c1", "look", '{"id": 1}')
UNKNOWN = ToolCallReceived("c2", "fly", "{}")
CANCELLED = ReplyEnded("cancelled", "turn_detected")


@pytest.fixture
def scene():
    return Scene.of()


@pytest.fixture
def manual():
    """Of an agent whose playback the caller clears."""
    return Scene.of(caller_clears_playback=True)


async def at(time, scene, *events):
    await trio.sleep_until(time)
    scene.say(*events)


# Interruption


def interruption(scene):
    entry = Entry("assistant", None, 0.0)
    scene.side.note_interruption(entry)
    return {name: value for name, value in entry.metrics.items() if not name.startswith("scheduled_")}


async def barge_in(scene, at_s=1.0):
    """A reply of five seconds, over which the caller comes in."""
    scene.speak(5.0)
    await trio.sleep_until(at_s)
    return scene.caller(1.0, barge_in=True)


async def test_an_interruption_is_detected_when_playback_is_cleared_first(autojump_clock, scene):
    await barge_in(scene)
    await at(1.3, scene, PlaybackCleared(), StrayAudioReceived(0.25))
    await at(1.5, scene, PlaybackCleared(), StrayAudioReceived(0.5))
    assert interruption(scene) == {
        "interrupt_detected_time": close_to(0.3),
        "audio_after_interrupt": close_to(0.75),
    }
    assert scene.line.sent == [("cut off", 3.7)]  # at 1.5 nothing was left
    assert scene.recording.cleared == [1.3]


async def test_an_agent_that_has_the_onset_before_it_is_due_takes_no_time(autojump_clock, scene):
    scene.speak(5.0)
    scene.side.caller_comes_in(1.02, 2.0, barge_in=True, entry=Entry("user", "hi", 1.0))
    await at(1.01, scene, PlaybackCleared())
    assert interruption(scene) == {"interrupt_detected_time": 0.0, "audio_after_interrupt": 0.0}


async def test_what_was_cleared_before_the_caller_is_no_answer_to_them(autojump_clock, scene):
    scene.speak(5.0)
    scene.side.caller_comes_in(1.5, 2.0, barge_in=True, entry=Entry("user", "hi", 1.0))
    await at(1.2, scene, PlaybackCleared())
    assert interruption(scene) == {}
    assert scene.line.sent == [("cut off", 3.8)]


async def test_an_agent_that_does_not_notice(autojump_clock, scene):
    await barge_in(scene)
    assert interruption(scene) == {}


async def test_each_barging_in_is_measured_for_itself(autojump_clock, scene):
    await barge_in(scene)
    await at(1.1, scene, PlaybackCleared(), StrayAudioReceived(2.0))
    await trio.sleep_until(3.0)
    await barge_in(scene, 4.0)
    assert interruption(scene) == {}
    await at(4.2, scene, PlaybackCleared(), StrayAudioReceived(0.1))
    assert interruption(scene) == {
        "interrupt_detected_time": close_to(0.2),
        "audio_after_interrupt": close_to(0.1),
    }


async def test_who_waits_their_turn_barges_in_on_nothing(autojump_clock, scene):
    scene.speak(0.5)
    await trio.sleep_until(2.0)
    scene.caller(1.0)
    await at(2.1, scene, PlaybackCleared())
    assert interruption(scene) == {}
    assert (scene.line.sent, scene.recording.cleared) == ([], [])


async def test_playback_cleared_while_nobody_holds_the_conversation(autojump_clock, scene):
    scene.side.line = None
    scene.speak(5.0)
    await at(1.0, scene, PlaybackCleared())
    assert scene.side.listener.queued_until == close_to(1.0)


async def test_what_comes_after_playback_was_cleared_is_heard_at_once(autojump_clock, scene):
    await barge_in(scene)
    await at(1.2, scene, PlaybackCleared())
    await trio.sleep_until(1.5)
    scene.speak(1.0)
    assert scene.recording.heard == [0.0, close_to(1.5)]


async def test_a_caller_who_clears_playback(autojump_clock, manual):
    await barge_in(manual)
    assert manual.line.sent == [("cut off", 4.0)]
    manual.say(StrayAudioReceived(0.4))
    assert interruption(manual) == {"audio_after_interrupt": close_to(0.4)}


async def test_a_caller_who_clears_playback_says_so_also_where_all_was_heard(autojump_clock, manual):
    manual.speak(0.5)
    await trio.sleep_until(2.0)
    manual.caller(1.0)
    assert manual.line.sent == [("cut off", 0.0)]
    assert manual.recording.cleared == []


async def test_of_a_reply_that_was_cleared_before_it_played_nothing_is_written(autojump_clock, scene):
    scene.speak(1.0, ended=None)
    scene.say(SpeechTranscribed("Heard."), DONE)
    scene.speak(1.0, ended=None)  # plays from 1 s on
    scene.say(SpeechTranscribed("Unheard."))
    await at(0.5, scene, PlaybackCleared(), CANCELLED)
    entry, following = Entry("assistant", None, 0.0, 0.5), Entry("assistant", None, 2.0, 3.0)
    scene.side.replies.put_words([entry, following], 3.0)
    assert (entry.content, entry.ended, following.content) == ("Heard.", None, None)


# The end of the caller's speech


async def test_the_end_of_the_caller_is_when_it_was_told_last(autojump_clock, scene):
    scene.caller(1.0)
    await at(0.4, scene, CallerSpeechStarted("a"), CallerSpeechStopped("a"))
    await at(1.7, scene, CallerSpeechStarted("b"), CallerSpeechStopped("b"))
    assert scene.side.stopped_before(9) == close_to(1.7)


async def test_a_turn_that_the_agent_heard_in_two(autojump_clock, scene):
    entry = scene.caller(1.0)
    scene.say(CallerSpeechStarted("a"), CallerSpeechStopped("a"), CallerSpeechStarted("b"), CallerSpeechStopped("b"))
    following = scene.caller(1.0)
    scene.say(CallerTranscribed("world", "b", is_whole=True), CallerTranscribed("hello", "a", is_whole=True))
    assert (entry.transcribed, following.transcribed) == ("hello world", None)


async def test_an_agent_that_names_what_it_heard_only_at_its_end(autojump_clock, scene):
    entry = scene.caller(1.0)
    scene.say(CallerSpeechStopped("a"))
    scene.caller(1.0)
    scene.say(CallerTranscribed("hello", "a", is_whole=True))
    assert entry.transcribed == "hello"


async def test_what_the_agent_answers_before_it_hears_more_is_no_answer(autojump_clock, scene):
    """The caller goes on after a pause that the agent took for the end."""
    scene.caller(2.0)
    scene.say(CallerSpeechStarted("a"), CallerSpeechStopped("a"), ReplyStarted())
    assert scene.side.replies.going_on()
    scene.say(CallerSpeechStarted("b"), PlaybackCleared())
    assert not scene.side.replies.going_on()
    assert not scene.side.replies.ended_silently()


# Replies


async def test_audio_belongs_to_the_reply_that_began_last_and_plays_behind_the_one_before(autojump_clock, scene):
    await trio.sleep_until(1.0)
    scene.speak(2.0)
    first = scene.side.replies.latest
    scene.speak(1.0)
    second = scene.side.replies.latest
    assert (first.heard_from, second.heard_from) == (close_to(1.0), close_to(3.0))


async def test_a_reply_is_heard_from_its_first_audio_on(autojump_clock, scene):
    scene.speak(0.1, ended=None)
    reply = scene.side.replies.latest
    await trio.sleep_until(5.0)
    scene.side.hear(loud(0.1), 5.0)
    assert reply.heard_from == 0.0


async def test_audio_after_a_reply_is_none_of_it(autojump_clock, scene):
    scene.say(ReplyStarted(), DONE)
    scene.side.hear(loud(0.1), 0.0)
    assert scene.side.replies.latest.heard_from is None


@pytest.mark.parametrize("status", ["cancelled", "incomplete", "failed"])
async def test_how_replies_end_is_counted(autojump_clock, scene, status):
    scene.say(ReplyStarted(), ReplyEnded(status))
    counted = {name: scene.count(f"replies_{name}") for name in ("cancelled", "incomplete", "failed", "without_audio")}
    assert counted == {"cancelled": 0, "incomplete": 0, "failed": 0, "without_audio": 0} | {status: 1}


async def test_a_reply_ends_once(autojump_clock, scene):
    scene.say(DONE, ReplyStarted(), DONE, DONE, CANCELLED)
    assert (scene.count("replies_without_audio"), scene.count("replies_cancelled")) == (1, 0)


async def test_replies_without_audio(autojump_clock, scene):
    scene.say(ReplyStarted(), TextChunkReceived("In writing."), DONE)
    scene.say(ReplyStarted(), DONE)
    assert scene.count("replies_without_audio") == 2
    scene.speak(0.1)
    assert scene.count("replies_without_audio") == 2


@pytest.mark.parametrize(
    "events",
    [
        (ReplyStarted(), LOOK, DONE, ToolResultsAwaited()),
        (ReplyStarted(), LOOK, ToolResultsAwaited(), DONE),
        (ReplyStarted(), UNKNOWN, DONE, ToolResultsAwaited()),
    ],
)
async def test_a_reply_of_calls_is_not_one_without_audio(autojump_clock, scene, events):
    scene.say(*events)
    assert scene.count("replies_without_audio") == 0
    assert scene.count("tool_calls") == 1


async def test_what_a_reply_writes(autojump_clock, scene):
    scene.say(TextChunkReceived("of no reply"), SpeechTranscribed("of no reply"), ReplyStarted())
    await at(1.0, scene, TextChunkReceived("One "))
    await at(2.0, scene, TextChunkReceived("two."))
    reply = scene.side.replies.latest
    assert (reply.words, reply.written_at) == ("One two.", 1.0)


async def test_tokens_are_counted_also_those_of_no_reply(autojump_clock, scene):
    scene.say(UsageReceived(5, None), ReplyStarted(), UsageReceived(10, 20, 8, 16, 2))
    counted = [
        scene.count(name)
        for name in ("input_tokens", "output_tokens", "input_audio_tokens", "output_audio_tokens", "cached_tokens")
    ]
    assert counted == [15, 20, 8, 16, 2]
    assert scene.side.replies.latest.usage == UsageReceived(15, 20, 8, 16, 2)


async def test_tokens_are_of_the_reply_that_they_come_with(autojump_clock, scene):
    scene.say(ReplyStarted(), UsageReceived(10, 20), DONE, UsageReceived(1, 2))
    first = scene.side.replies.latest
    scene.caller(1.0)
    scene.say(UsageReceived(30, None), ReplyStarted(), UsageReceived(None, 40))
    assert first.usage == UsageReceived(11, 22)
    assert scene.side.replies.latest.usage == UsageReceived(30, 40)


# Tools


async def test_calls_get_their_results_in_one_go(autojump_clock, scene):
    scene.say(ReplyStarted(), LOOK, ToolCallReceived("c3", "say", "{}"), ToolResultsAwaited(), DONE)
    assert scene.line.sent == [("results", '{"found":true}', "ä")]
    assert scene.side.replies.going_on()  # a reply to them is due
    scene.say(ReplyStarted(), LOOK, ToolResultsAwaited(), DONE)
    assert scene.line.sent[1:] == [("results", '{"found":true}')]


async def test_a_call_without_a_result_is_kept_for_the_message(autojump_clock, scene):
    scene.say(ReplyStarted(), LOOK, UNKNOWN, DONE, ToolResultsAwaited())
    assert scene.line.sent == []
    assert scene.side.replies.latest.calls == [LOOK, UNKNOWN]
    assert scene.side.replies.ended_silently()


def rounds(scene, count):
    for _ in range(count):
        scene.say(ReplyStarted(), LOOK, DONE, ToolResultsAwaited())


async def test_an_agent_that_calls_tools_for_ever(autojump_clock, scene):
    scene.caller(0.1)
    rounds(scene, MOST_TOOL_ROUNDS + 1)
    assert len(scene.line.sent) == MOST_TOOL_ROUNDS
    with pytest.raises(SimulationFailed, match=f"still called 'look' after {MOST_TOOL_ROUNDS} rounds") as caught:
        await scene.side.listener.hear_reply(0.1, 30.0)
    assert caught.value.kind is ErrorKind.NO_RESPONSE


async def test_rounds_are_counted_for_each_turn(autojump_clock, scene):
    for _ in range(3):
        scene.caller(0.1)
        rounds(scene, MOST_TOOL_ROUNDS)
    assert len(scene.line.sent) == 3 * MOST_TOOL_ROUNDS
    assert scene.side.replies.going_on()


# The connection


async def test_what_was_under_way_when_the_connection_changed_is_not_waited_for(autojump_clock, scene):
    scene.caller(0.1)
    scene.say(ReplyStarted(), LOOK)
    scene.side.lost(Loss(SimulationFailed(ErrorKind.CONNECTION_CLOSED, "gone"), True, 0.0))
    scene.side.renewed()
    assert not scene.side.replies.going_on()
    scene.say(ReplyStarted(), ToolResultsAwaited())
    assert scene.line.sent == [("results",)]  # of the call before the renewal nobody waits for a result
    scene.side.hear(loud(1.0), 0.2)
    scene.say(DONE)
    reply = await scene.side.listener.hear_reply(0.1, 30.0)
    assert reply.ended_at == close_to(1.2, 0.01)


async def test_after_a_renewal_the_end_of_the_connection_before_is_forgotten(autojump_clock, scene):
    scene.caller(0.1)
    scene.side.lost(Loss(SimulationFailed(ErrorKind.CONNECTION_CLOSED, "gone"), True, 0.0))
    scene.side.renewed()
    with pytest.raises(SimulationFailed, match="within 30 s: no audio came"):
        await scene.side.listener.hear_reply(0.1, 30.0)


async def test_audio_of_a_reply_that_the_renewal_cut_off(autojump_clock, scene):
    scene.say(ReplyStarted())
    scene.side.renewed()
    scene.side.hear(loud(0.1), 0.0)
    assert scene.side.replies.latest.heard_from is None


async def test_a_connection_lost_ends_the_wait(autojump_clock, scene):
    scene.caller(0.1)
    scene.side.lost(Loss(SimulationFailed(ErrorKind.CONNECTION_CLOSED, "gone"), False, 0.0))
    with pytest.raises(SimulationFailed, match="gone"):
        await scene.side.listener.hear_reply(0.1, 30.0)
