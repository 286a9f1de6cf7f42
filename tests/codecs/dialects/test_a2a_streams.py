"""What A2A agents answer in streams, in both versions."""

import pytest
from a2a_agents import NO_TEXT, both, chat, read, stream

from coval_load.codecs.events import (
    AgentFailed,
    ConversationEnded,
    MessageIgnored,
    ReplyPending,
    TextChunkReceived,
    Violation,
)

PROGRESS = MessageIgnored("the task is working: progress, not a reply")


def chunks(*texts):
    return [TextChunkReceived(text) for text in texts]


STREAMED = {
    "a message": (lambda v: [v.message("Hello")], chunks("Hello")),
    "pieces of an artifact": (
        lambda v: [
            v.task("submitted"),
            v.update("working", "thinking"),
            v.piece("Hel"),
            v.piece("lo", append=True),
            v.piece("", append=True, lastChunk=True),
            v.update("completed"),
        ],
        [MessageIgnored("the task is submitted: progress, not a reply"), PROGRESS, *chunks("Hel", "lo")],
    ),
    "artifacts side by side": (
        lambda v: [v.piece("a", "b"), v.piece("c", name="a-2"), v.update("completed")],
        chunks("ab", "\nc"),
    ),
    "the whole artifact anew with each piece": (
        lambda v: [v.piece("Hel"), v.piece("Hello"), v.piece("Hello"), v.update("completed")],
        chunks("Hel", "lo"),
    ),
    "a last status that repeats": (
        lambda v: [v.piece("Hel"), v.piece("lo", append=True), v.update("completed", "Hello")],
        chunks("Hel", "lo"),
    ),
    "a last status that repeats one artifact": (
        lambda v: [v.piece("one"), v.piece("two", name="a-2"), v.update("completed", "two")],
        chunks("one", "\ntwo"),
    ),
    "a last status that says more": (
        lambda v: [v.piece("42"), v.update("completed", "There you are")],
        chunks("42", "\nThere you are"),
    ),
    "a last status that goes on": (
        lambda v: [v.piece("Hello"), v.update("input-required", "Hello, you")],
        chunks("Hello", ", you"),
    ),
    "a last task that repeats": (
        lambda v: [v.piece("Hello"), v.task("completed", artifacts=[v.artifact("Hello")], history=[v.said("Hello")])],
        chunks("Hello"),
    ),
    "only a status": (
        lambda v: [v.update("working"), v.update("input-required", "Which?")],
        [PROGRESS, *chunks("Which?")],
    ),
    "only a task": (lambda v: [v.task("completed", artifacts=[v.artifact("Hel", "lo")])], chunks("Hello")),
    "artifacts of a task that still worked": (
        lambda v: [v.task("working", artifacts=[v.artifact("Hello")]), v.update("completed")],
        [PROGRESS, *chunks("Hello")],
    ),
    "only words of progress": (
        lambda v: [v.update("working", "one"), v.update("working", "two"), v.update("completed")],
        [PROGRESS, PROGRESS, *chunks("two")],
    ),
    "the caller's own words as progress": (
        lambda v: [v.update("working", "Hi", role="user"), v.update("completed", "Yes")],
        [PROGRESS, *chunks("Yes")],
    ),
    "the end of the body is the end": (lambda v: [v.update("working"), v.piece("Hello")], [PROGRESS, *chunks("Hello")]),
    "cut off before a reply": (lambda v: [v.update("working")], [PROGRESS, ReplyPending()]),
    "failed": (
        lambda v: [v.piece("Hel"), v.update("failed", "no db")],
        [*chunks("Hel"), AgentFailed("the agent ended the task as failed: 'no db'")],
    ),
    "canceled": (lambda v: [v.update("canceled", "Bye")], [*chunks("Bye"), ConversationEnded("task state canceled")]),
    "nothing": (lambda v: [], [Violation(NO_TEXT + "an answer without any")]),
    "an artifact that is none": (
        lambda v: [{"kind": "artifact-update", "artifact": 1}, v.message("lost")],
        [Violation("expected an object as artifact of an artifact update; got a number")],
    ),
    "nothing in it": (
        lambda v: [v.update("completed")],
        [Violation(NO_TEXT + "a task in state completed without any")],
    ),
}


@both
@pytest.mark.parametrize("name", STREAMED)
def test_streams(v, name):
    results, events = STREAMED[name]
    dialect = chat(v.version, stream=True)
    dialect.say("Hi", "")
    assert read(dialect, stream(*results(v)), "text/event-stream; charset=utf-8") == events


@both
def test_a_stream_in_a_task_that_goes_on_may_begin_with_the_task_as_it_was_left(v):
    dialect = chat(v.version, stream=True)
    dialect.say("Hi", "")
    read(dialect, stream(v.piece("Old"), v.update("input-required", "Which?")), "text/event-stream")
    dialect.say("That", "")
    left = v.task("input-required", "Which?", artifacts=[v.artifact("Old")])
    body = stream(left, v.update("working"), v.piece(" and new", append=True), v.update("completed"), request_id=2)
    assert read(dialect, body, "text/event-stream") == [PROGRESS, *chunks(" and new")]
