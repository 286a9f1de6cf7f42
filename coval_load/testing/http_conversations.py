"""Conversations over HTTP as the checks hold them: what a simulation does with a dialect, without a connection."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import attrs

from coval_load.codecs.dialects.http_interface import (
    HttpChatDialect,
    HttpChatFormat,
    HttpRequest,
    ReplyReading,
)
from coval_load.codecs.dialects.tool_results import ToolResult
from coval_load.codecs.events import (
    AgentEventReceived,
    AgentFailed,
    ConversationEnded,
    Event,
    MessageIgnored,
    ReplyPending,
    TextChunkReceived,
    TextReceived,
    ToolCallReceived,
    UsageReceived,
    Violation,
)
from coval_load.testing.http_requests import check_request, origin_of

TIMESTAMP = "2026-01-02T03:04:05.678Z"

Body: TypeAlias = bytes | Callable[[HttpRequest], bytes]
"""The whole body of an answer, or what makes it for the request it answers: for ids that have to come back."""

_MEANING = (
    TextReceived,
    TextChunkReceived,
    ToolCallReceived,
    ReplyPending,
    ConversationEnded,
    AgentFailed,
    Violation,
)
_EVENTS = (*_MEANING, UsageReceived, AgentEventReceived, MessageIgnored)


@attrs.frozen
class Answer:
    """An answer with status 2xx; `cuts` are where its bytes come apart, each from 0 to 1 of its length."""

    body: Body
    content_type: str
    cuts: Sequence[float] = ()

    def pieces(self, request: HttpRequest) -> list[bytes]:
        """The body in the pieces that come."""
        body = self.body if isinstance(self.body, bytes) else self.body(request)
        ends = sorted(round(cut * len(body)) for cut in self.cuts)
        return [body[start:end] for start, end in zip([0, *ends], [*ends, len(body)], strict=True)]


@attrs.frozen
class Setting:
    """A format, and all that its conversations begin with."""

    format_: HttpChatFormat
    values: Mapping[str, Any]
    discovered: bytes | None = None
    initialization: bytes = b"{}"

    def open(self) -> HttpChatDialect:
        """A dialect whose initialization is done."""
        for request in self.format_.discovery():
            check_request(request)
        dialect = self.format_.open(self.values, self.discovered)
        asked = dialect.initialization()
        wrong = dialect.initialized(None if asked is None else self.initialization)
        if asked is not None:
            check_request(asked)
        if wrong is not None:
            raise AssertionError(f"expected the answer to the initialization to be taken; got: {wrong}")
        return dialect


@attrs.define
class Conversation:
    """One caller's side. `take` says a text and takes in answers, one for each request, until the turn is over."""

    dialect: HttpChatDialect
    gives_results: bool = True
    is_over: bool = False
    _origin: tuple[str, str, int | None] | None = None

    def take(self, text: str, answers: Sequence[Answer]) -> None:
        """One turn; the conversation is over where it fails, or where the answers do not suffice."""
        request = self._checked(self.dialect.say(text, TIMESTAMP))
        for answer in answers:
            events = read(self.dialect.read(answer.content_type), answer.pieces(request))
            following = self._follow(events)
            if following is None:
                return
            request = self._checked(following)
        self.is_over = True

    def _follow(self, events: Sequence[Event]) -> HttpRequest | None:
        if any(isinstance(event, Violation | AgentFailed) for event in events):
            self.is_over = True
            return None
        if any(isinstance(event, ReplyPending) for event in events):
            return self.dialect.ask_again()
        said = "".join(event.text for event in events if isinstance(event, TextReceived | TextChunkReceived))
        calls = [event for event in events if isinstance(event, ToolCallReceived)]
        if calls and self.gives_results:
            self.dialect.heard(said, True, TIMESTAMP)
            results = [ToolResult(call.call_id, call.name, f'{{"of": "{call.name}"}}') for call in calls]
            return self.dialect.give_results(results, TIMESTAMP)
        if any(isinstance(event, TextReceived | TextChunkReceived) for event in events):
            self.dialect.heard(said, False, TIMESTAMP)
        else:
            self.is_over = True
        self.is_over |= any(isinstance(event, ConversationEnded) for event in events)
        return None

    def _checked(self, request: HttpRequest) -> HttpRequest:
        origin = origin_of(check_request(request))
        # All of them go over the connection to the chat endpoint.
        if self._origin not in (None, origin):
            raise AssertionError(f"expected requests to {self._origin}, as the first of them; got one to {origin}")
        self._origin = origin
        return request


def read(reading: ReplyReading, pieces: Sequence[bytes]) -> list[Event]:
    """All events of an answer that comes in `pieces`, adjacent pieces of text joined: they may be cut as bytes are.

    Raises `AssertionError` for what is no event of such an agent, for a piece of text that is empty, and for an
    answer that means nothing.
    """
    found: list[Event] = []
    for events in (*map(reading.feed, pieces), reading.end()):
        for event in events:
            if not isinstance(event, _EVENTS):
                raise AssertionError(f"expected events of an agent over HTTP; got {event!r}")
            if event == TextChunkReceived(""):
                raise AssertionError("expected pieces of text that are not empty; got an empty one")
            last = found[-1] if found else None
            if isinstance(event, TextChunkReceived) and isinstance(last, TextChunkReceived):
                found[-1] = TextChunkReceived(last.text + event.text)
            else:
                found.append(event)
    if not any(isinstance(event, _MEANING) for event in found):
        raise AssertionError(f"expected a Violation of an answer without any meaning; got {found}")
    return found
