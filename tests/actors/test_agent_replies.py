"""What the agent says about its replies, and which turn of the transcript their words stand with."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.actors.agent_replies import AgentReplies, written_turn
from coval_load.actors.transcript import Entry
from coval_load.codecs.events import ReplyEnded, ToolCallReceived, UsageReceived

DONE = ReplyEnded("completed")
CANCELLED = ReplyEnded("cancelled", "turn_detected")


def turn(start, end):
    return Entry("assistant", None, start, end)


def reply(replies, started_at, *, heard_from=None, words=(), ended=DONE):
    replies.started(started_at)
    replies.latest.heard_from = heard_from
    replies.latest.spoken += words
    if ended is not None:
        replies.ended(ended, started_at + 0.1)
    return replies.latest


def test_nothing_was_said_of_replies():
    replies = AgentReplies()
    assert not replies.going_on()
    assert not replies.ended_silently()
    assert replies.answers() == []
    replies.ended(DONE, 1.0)  # of none that was started
    assert replies.latest is None


def test_a_reply_goes_on_until_it_is_ended():
    replies = AgentReplies()
    reply(replies, 1.0, ended=None)
    assert replies.going_on()
    assert not replies.ended_silently()
    replies.ended(DONE, 2.0)
    assert not replies.going_on()
    assert replies.ended_silently()


def test_a_reply_ends_once():
    replies = AgentReplies()
    first = reply(replies, 1.0, ended=CANCELLED)
    replies.ended(DONE, 9.0)
    assert (first.ended, first.ended_at) == (CANCELLED, 1.1)


def test_audio_is_an_answer_that_is_heard():
    replies = AgentReplies()
    reply(replies, 1.0, heard_from=1.2)
    assert not replies.ended_silently()


def test_what_was_broken_off_answers_nothing():
    replies = AgentReplies()
    reply(replies, 1.0, ended=CANCELLED)
    assert not replies.ended_silently()
    assert replies.answers() == []


def test_a_reply_is_due_for_the_results_of_tools():
    replies = AgentReplies()
    reply(replies, 1.0)
    replies.results_given()
    assert replies.going_on()
    assert not replies.ended_silently()
    reply(replies, 2.0)
    assert not replies.going_on()
    assert replies.ended_silently()


def test_calls_that_got_their_results_are_none_without():
    replies = AgentReplies()
    replies.results_given()  # of no reply
    reply(replies, 1.0).calls.append(ToolCallReceived("c1", "look", "{}"))
    replies.results_given()
    assert replies.latest.calls == []


def test_what_would_have_begun_to_play_as_it_was_thrown_away_is_not_heard():
    replies = AgentReplies()
    reply(replies, 1.0, heard_from=2.0, words=("Not heard.",))
    replies.never_heard(2.0)
    only = turn(1.5, 2.0)
    replies.put_words([only], 3.0)
    assert only.content is None


def test_what_began_before_the_caller_answers_nothing():
    replies = AgentReplies()
    reply(replies, 1.0)
    replies.caller_began()
    assert not replies.ended_silently()
    assert not replies.going_on()


def test_without_a_turn_of_the_caller_what_is_under_way_is_still_waited_for():
    replies = AgentReplies()
    reply(replies, 1.0)
    reply(replies, 2.0, ended=None)
    replies.wait_on()
    assert replies.going_on()
    replies.ended(DONE, 3.0)
    assert replies.ended_silently()


@pytest.mark.parametrize("status", ["failed", "incomplete"])
def test_how_the_last_reply_ended(status):
    replies = AgentReplies()
    ended = ReplyEnded(status, "max_output_tokens")
    reply(replies, 1.0)
    reply(replies, 2.0, ended=ended)
    assert replies.of_kind(status) is ended
    assert replies.of_kind({"failed": "incomplete", "incomplete": "failed"}[status]) is None
    assert replies.latest.how_it_ended == f"{status}: max_output_tokens"


def test_words_stand_with_the_turn_in_which_they_were_heard():
    replies = AgentReplies()
    reply(replies, 1.0, heard_from=1.0, words=("One ", "two."))
    reply(replies, 1.1, heard_from=3.0, words=("Three.",))  # queued behind the first
    reply(replies, 8.0, heard_from=8.5, words=("Four.",))
    first, second = turn(1.1, 5.0), turn(8.6, 9.0)
    replies.put_words([second, first], 10.0)
    assert (first.content, second.content) == ("One two. Three.", "Four.")
    assert (first.ended, second.ended) == (None, None)


def test_of_a_reply_with_a_long_pause_the_first_turn_has_the_words():
    replies = AgentReplies()
    reply(replies, 1.0, heard_from=1.0, words=("Well. Then.",))
    first, second = turn(1.0, 2.0), turn(4.0, 5.0)
    replies.put_words([first, second], 6.0)
    assert (first.content, second.content) == ("Well. Then.", None)


def test_words_that_nobody_heard_stand_nowhere():
    replies = AgentReplies()
    reply(replies, 1.0, heard_from=1.0, words=("Heard.",), ended=CANCELLED)
    reply(replies, 1.2, heard_from=4.0, words=("Not heard.",))
    replies.never_heard(2.0)
    only = turn(1.0, 2.0)
    replies.put_words([only], 3.0)
    assert (only.content, only.ended) == ("Heard.", "cancelled: turn_detected")


def test_tokens_of_one_turn_are_added_up():
    replies = AgentReplies()
    reply(replies, 1.0, heard_from=1.0).usage = UsageReceived(10, 5, 4, None, 1)
    reply(replies, 1.1, heard_from=2.0).usage = UsageReceived(1, None, 1, None, None)
    only = turn(1.0, 5.0)
    replies.put_words([only], 6.0)
    assert only.usage == {"input_tokens": 11, "output_tokens": 5, "input_audio_tokens": 5, "cached_tokens": 1}


def test_what_was_written_is_let_go():
    replies = AgentReplies()
    for number in range(1000):
        reply(replies, float(number), heard_from=float(number))
        replies.forget_written(float(number))
    assert len(replies._kept) <= 2


def test_a_turn_of_several_replies_may_be_written_again():
    replies = AgentReplies()
    reply(replies, 1.0, heard_from=1.0, words="Before.")
    reply(replies, 2.0, heard_from=2.0, words="Let me look.")
    reply(replies, 3.0, heard_from=3.0, words="Shipped.")
    only = turn(2.5, 5.0)  # silence comes before its words
    for _ in range(2):
        replies.put_words([only], 6.0)
        replies.forget_written(only.start)
    assert only.content == "Let me look. Shipped."
    replies.forget_written(4.0)
    assert len(replies._kept) == 1


@given(st.lists(st.sampled_from(["start", "end", "cancel", "results", "caller", "wait", "audio", "renew", "clear"])))
def test_any_order_makes_sense(steps):
    replies = AgentReplies()
    for at, step in enumerate(steps):
        match step:
            case "start":
                replies.started(float(at))
            case "end":
                replies.ended(DONE, float(at))
            case "cancel":
                replies.ended(CANCELLED, float(at))
            case "results":
                replies.results_given()
            case "caller":
                replies.caller_began()
            case "wait":
                replies.wait_on()
            case "renew":
                replies.renewed()
            case "clear":
                replies.never_heard(float(at))
            case "audio" if replies.latest is not None:
                replies.latest.heard_from = float(at)
                replies.latest.spoken.append("word ")
        assert not (replies.going_on() and replies.ended_silently())
        said = turn(at - 1.0, float(at))
        replies.put_words([said], float(at))
        assert said.content is None or set(said.content.split()) == {"word"}


def test_a_turn_in_text_has_all_that_was_written():
    replies = AgentReplies()
    for at, text in ((1.0, "One moment."), (2.0, ""), (3.0, "It is shipped.")):
        replies.started(at)
        if text:
            replies.latest.write(text, at + 0.5)
        replies.latest.usage = UsageReceived(10, 1)
        replies.ended(DONE, at + 0.9)
    entry = written_turn(replies.answers())
    assert (entry.content, entry.kind, entry.start, entry.end) == ("One moment. It is shipped.", "text", 1.5, 3.9)
    assert entry.usage == {"input_tokens": 30, "output_tokens": 3}


def test_a_turn_that_was_written_down_as_spoken_and_never_heard_is_no_text():
    replies = AgentReplies()
    replies.started(1.0)
    replies.latest.say("Sure.")
    replies.ended(DONE, 2.0)
    assert written_turn(replies.answers()) is None
