"""Reading what an A2A agent answers: one JSON-RPC response, or a stream of them as server-sent events."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, Protocol

import attrs

from coval_load.codecs.dialects.a2a.errors import Asked
from coval_load.codecs.dialects.a2a.json_rpc import NoResult, result_of
from coval_load.codecs.dialects.a2a.results import AnswerPicture, Kind, Unreadable, opened
from coval_load.codecs.dialects.a2a.versions import AUTH_REQUIRED, FAILED, REJECTED
from coval_load.codecs.dialects.json_messages import quoted
from coval_load.codecs.events import (
    AgentFailed,
    ConversationEnded,
    Event,
    MessageIgnored,
    ReplyPending,
    TextChunkReceived,
    TextReceived,
    Violation,
)
from coval_load.codecs.server_sent_events import MOST_BUFFERED, EventStream

_EVENT_STREAM: Final = "text/event-stream"


@attrs.frozen
class Expected:
    """What an answer is read against: the request it belongs to, and the states that end the conversation."""

    request_id: int
    asked: Asked
    terminal_states: frozenset[str]

    def is_failure(self, state: str | None) -> bool:
        """Whether the message of a task in this state is no reply, but says why there is none."""
        return state == AUTH_REQUIRED or (state in self.terminal_states and state in (FAILED, REJECTED))


class _Reading(Protocol):
    def feed(self, data: bytes) -> Sequence[Event]: ...

    def end(self) -> Sequence[Event]: ...


def reading_of(content_type: str, expected: Expected, picture: AnswerPicture) -> "BoundedReading":
    """The reading of an answer with this content type. An agent may answer a request for a stream with JSON."""
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == _EVENT_STREAM:
        return BoundedReading(StreamReading(expected, picture))
    return BoundedReading(ResponseReading(expected, picture))


class BoundedReading:
    """Reads until something is wrong or `MOST_BUFFERED` bytes have come; what follows has no meaning any more."""

    def __init__(self, reading: _Reading) -> None:
        self._reading: _Reading | None = reading
        self._left = MOST_BUFFERED

    def feed(self, data: bytes) -> Sequence[Event]:
        """What these bytes complete."""
        self._left -= len(data)
        if self._reading is None:
            return ()
        if self._left < 0:
            self._reading = None
            return (Violation(f"expected an answer of at most {MOST_BUFFERED} bytes; got more"),)
        return self._stopping(self._reading.feed(data))

    def end(self) -> Sequence[Event]:
        """What is left at the end of the answer."""
        return () if self._reading is None else self._stopping(self._reading.end())

    def _stopping(self, events: Sequence[Event]) -> Sequence[Event]:
        if any(isinstance(event, Violation | AgentFailed) for event in events):
            self._reading = None
        return events


class ResponseReading:
    """One JSON-RPC response, read when it is whole."""

    def __init__(self, expected: Expected, picture: AnswerPicture) -> None:
        self._expected = expected
        self._picture = picture
        self._body = bytearray()

    def feed(self, data: bytes) -> Sequence[Event]:
        """Nothing: the answer has a meaning only as a whole."""
        self._body += data
        return ()

    def end(self) -> Sequence[Event]:
        """The reply, or that it is pending, or what is wrong."""
        picture = self._picture
        try:
            result = result_of(bytes(self._body), self._expected.request_id, self._expected.asked)
            text = picture.see(*opened(result)) or picture.text
        except NoResult as wrong:
            return (wrong.event,)
        except Unreadable as error:
            return (Violation(str(error)),)
        if picture.is_pending:
            return (_pending(picture),)
        if self._expected.is_failure(picture.state):
            return tuple(_conclusion(picture, self._expected, has_text=True))
        said = (TextReceived(text),) if text else ()
        return (*said, *_conclusion(picture, self._expected, has_text=bool(text)))


class StreamReading:
    """A stream of JSON-RPC responses; the end of the body is its end.

    Messages and pieces of artifacts are the reply as they come. What an agent says in states where it still works
    is progress. The message of a status that ends the turn belongs to the reply, unless it repeats what was
    streamed. Artifacts and history of a whole task count only where nothing was streamed, as do the words of
    progress in the end.
    """

    def __init__(self, expected: Expected, picture: AnswerPicture) -> None:
        self._expected = expected
        self._picture = picture
        self._events = EventStream()
        self._said: list[str] = []
        self._artifact_id: str | None = None
        self._turn_is_over = False

    def feed(self, data: bytes) -> Sequence[Event]:
        """The pieces of text in these bytes, and signs of progress."""
        found: list[Event] = []
        for event in self._events.feed(data):
            found += self._read(event.data)
            if found and isinstance(found[-1], Violation | AgentFailed):
                break
        return found

    def end(self) -> Sequence[Event]:
        """What was not streamed, and what the last state of the task means."""
        found: list[Event] = []
        for event in self._events.end():
            found += self._read(event.data)
        if found and isinstance(found[-1], Violation | AgentFailed):
            return found
        picture = self._picture
        if picture.is_pending and not self._said:
            return (*found, _pending(picture))
        found += self._say_rest()
        found += _conclusion(picture, self._expected, has_text=bool(self._said))
        return found

    def _read(self, data: str) -> list[Event]:
        try:
            return list(self._meaning(result_of(data.encode(), self._expected.request_id, self._expected.asked)))
        except NoResult as wrong:
            return [wrong.event]
        except Unreadable as error:
            return [Violation(str(error))]

    def _meaning(self, result: Any) -> Iterator[Event]:
        kind, thing = opened(result)
        text = self._picture.see(kind, thing)
        if kind == "message":
            yield from self._say(text)
        elif kind == "artifact-update":
            artifact_id = self._picture.last_artifact_id
            yield from self._say(text, goes_on=artifact_id == self._artifact_id)
            self._artifact_id = artifact_id
        elif self._picture.is_pending:
            yield MessageIgnored(f"the task is {self._picture.state}: progress, not a reply")
        elif not self._turn_is_over and self._is_of_this_turn(kind):
            # Said at once, for the sake of its time; what comes later adds to it at the end.
            self._turn_is_over = True
            yield from self._say_rest()

    def _is_of_this_turn(self, kind: Kind) -> bool:
        # A stream in a task that goes on may begin with that task as it was left.
        return kind == "status-update" or not self._expected.asked.has_task

    def _say_rest(self) -> Iterator[Event]:
        picture = self._picture
        if self._expected.is_failure(picture.state):
            return
        if not self._said:
            yield from self._say(picture.text)
            return
        said, text = "".join(self._said), picture.status_text
        if text.startswith(said):
            yield from self._say(text.removeprefix(said), goes_on=True)
        elif f"\n{text.strip()}\n" not in f"\n{said.strip()}\n":
            yield from self._say(text)

    def _say(self, text: str, *, goes_on: bool = False) -> Iterator[Event]:
        if text:
            piece = text if goes_on or not self._said else "\n" + text
            self._artifact_id = None
            self._said.append(piece)
            yield TextChunkReceived(piece)


def _pending(picture: AnswerPicture) -> Event:
    if picture.task_id is None:
        return Violation(f"expected the id of a task that is {picture.state}, to ask for its reply; got none")
    return ReplyPending()


def _conclusion(picture: AnswerPicture, expected: Expected, *, has_text: bool) -> Iterator[Event]:
    state = picture.state
    reason = f": {quoted(picture.status_text)}" if picture.status_text else ", and gave no reason"
    if state == AUTH_REQUIRED:
        yield AgentFailed(
            f"the agent asks for authentication (task state {state}){reason}; look at authorization_header and "
            "initialization_endpoint",
            "authentication",
        )
    elif expected.is_failure(state):
        yield AgentFailed(f"the agent ended the task as {state}{reason}")
    elif state in expected.terminal_states:
        yield ConversationEnded(f"task state {state}")
    elif not has_text:
        came = f"a task in state {state}" if state else "an answer"
        yield Violation(
            "Could not extract message from path 'result' in response: expected text in a message, or in the status, "
            f"the artifacts or the history of a task; got {came} without any"
        )
