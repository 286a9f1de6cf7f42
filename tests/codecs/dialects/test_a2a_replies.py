"""What A2A agents answer in one piece, in both versions."""

import json

import pytest
from a2a_agents import NO_TEXT, New, Old, answer, both, chat, read

from coval_load.codecs.events import (
    AgentFailed,
    ConversationEnded,
    ReplyPending,
    TextReceived,
    Violation,
)

WHOLE = {
    "a message": (lambda v: v.message("Hello"), [TextReceived("Hello")]),
    "parts of a message": (lambda v: v.message("One", "", "two"), [TextReceived("One\ntwo")]),
    "no text at all": (lambda v: v.message(), [Violation(NO_TEXT + "an answer without any")]),
    "the status": (lambda v: v.task("input-required", "Which?"), [TextReceived("Which?")]),
    "completed": (lambda v: v.task("completed", "Done"), [TextReceived("Done")]),
    "status before artifacts": (
        lambda v: v.task("completed", "Done", artifacts=[v.artifact("file")], history=[v.said("old")]),
        [TextReceived("Done")],
    ),
    "artifacts before history": (
        lambda v: v.task(
            "completed", artifacts=[v.artifact("Hel", "lo"), v.artifact("you", name="b")], history=[v.said("x")]
        ),
        [TextReceived("Hello\nyou")],
    ),
    "history": (
        lambda v: v.task("completed", history=[v.said("old"), v.said("last"), v.said("mine", role="user")]),
        [TextReceived("last")],
    ),
    "a status that repeats the caller": (
        lambda v: (
            v.task("completed", artifacts=[v.artifact("reply")])
            | ({} if v is New else {"status": {"state": "completed", "message": v.said("echo", role="user")}})
        ),
        [TextReceived("reply")],
    ),
    "completed without text": (
        lambda v: v.task("completed"),
        [Violation(NO_TEXT + "a task in state completed without any")],
    ),
    "working": (lambda v: v.task("working", "wait"), [ReplyPending()]),
    "submitted": (lambda v: v.task("submitted"), [ReplyPending()]),
    "failed": (lambda v: v.task("failed", "no db"), [AgentFailed("the agent ended the task as failed: 'no db'")]),
    "rejected": (
        lambda v: v.task("rejected"),
        [AgentFailed("the agent ended the task as rejected, and gave no reason")],
    ),
    "canceled": (lambda v: v.task("canceled", "Bye"), [TextReceived("Bye"), ConversationEnded("task state canceled")]),
    "canceled without text": (lambda v: v.task("canceled"), [ConversationEnded("task state canceled")]),
    "auth-required": (
        lambda v: v.task("auth-required", "log in"),
        [
            AgentFailed(
                "the agent asks for authentication (task state auth-required): 'log in'; look at authorization_header "
                "and initialization_endpoint",
                "authentication",
            )
        ],
    ),
    "an unknown state": (
        lambda v: {"id": "t", "status": {"state": "sleeping"}},
        [
            Violation(
                "expected a task state of submitted, working, input-required, auth-required, completed, failed, "
                "canceled, rejected; got 'sleeping'"
            )
        ],
    ),
    "a bare task": (lambda v: {"id": "t", "status": v.status("completed", "ok")}, [TextReceived("ok")]),
    "null": (lambda v: None, [Violation("expected an object as result; got null")]),
    "an unknown kind": (
        lambda v: {"kind": "song"},
        [Violation("expected a result of kind task, message, status-update, artifact-update; got 'song'")],
    ),
    "two at once": (
        lambda v: New.message("a") | New.task("completed"),
        [Violation("expected one of task, message, statusUpdate, artifactUpdate in the result; got task and message")],
    ),
    "nothing": (
        lambda v: {},
        [Violation("expected one of task, message, statusUpdate, artifactUpdate in the result; got none")],
    ),
    "data": (
        lambda v: {"role": "agent", "parts": [{"data": {"a": 1}}, {"kind": "data", "data": [2]}]},
        [TextReceived('{"a":1}\n[2]')],
    ),
    "files": (
        lambda v: {
            "parts": [
                {"kind": "file", "file": {"name": "a.pdf", "bytes": "AA=="}},
                {"raw": "AA==", "filename": "b.png"},
                {"url": "https://x/c", "mediaType": "text/plain"},
                {"kind": "file", "file": {}},
            ]
        },
        [TextReceived("a.pdf\nb.png\nhttps://x/c\nfile")],
    ),
    "text before data": (
        lambda v: {"parts": [{"data": {"a": 1}}, {"text": "words"}, 7, {"text": None}]},
        [TextReceived("words")],
    ),
}


@both
@pytest.mark.parametrize("name", WHOLE)
def test_whole_answers(v, name):
    result, events = WHOLE[name]
    dialect = chat(v.version)
    dialect.say("Hi", "")
    assert read(dialect, answer(result(v))) == events


@both
def test_artifacts_of_earlier_turns_are_no_reply(v):
    dialect = chat(v.version)
    turns = [
        ([v.artifact("one")], "one"),
        ([v.artifact("one", " more")], " more"),
        ([v.artifact("anew"), v.artifact("two", name="b")], "anew\ntwo"),
        ([v.artifact("anew"), v.artifact("two", name="b")], "anew\ntwo"),
    ]
    for number, (artifacts, text) in enumerate(turns, start=1):
        dialect.say("Hi", "")
        assert read(dialect, answer(v.task("input-required", artifacts=artifacts), number)) == [TextReceived(text)]


def test_history_counts_from_the_callers_message_on():
    dialect = chat()
    message_id = json.loads(dialect.say("Hi", "").body)["params"]["message"]["messageId"]
    own = Old.said("Hi", role="user") | {"messageId": message_id}
    for history, events in (
        ([Old.said("old"), own, Old.said("new")], [TextReceived("new")]),
        ([Old.said("old"), own], [Violation(NO_TEXT + "a task in state completed without any")]),
    ):
        assert read(dialect, answer(Old.task("completed", history=history))) == events


def test_pending_without_a_task_to_ask_for_is_a_violation():
    dialect = chat()
    dialect.say("Hi", "")
    assert read(dialect, answer({"kind": "task", "status": {"state": "working"}})) == [
        Violation("expected the id of a task that is working, to ask for its reply; got none")
    ]


def test_states_may_be_named_as_in_either_version():
    for states in (("completed",), ("TASK_STATE_COMPLETED",)):
        for v in (Old, New):
            dialect = chat(v.version, terminal_states=states)
            dialect.say("Hi", "")
            assert read(dialect, answer(v.task("completed", "Bye"))) == [
                TextReceived("Bye"),
                ConversationEnded("task state completed"),
            ]


@both
def test_a_state_that_does_not_end_the_conversation_is_a_reply(v):
    dialect = chat(v.version, terminal_states=())
    dialect.say("Hi", "")
    assert read(dialect, answer(v.task("failed", "Try again"))) == [TextReceived("Try again")]
