"""What a dialect over HTTP is: sans-I/O, total and timeless, as those over WebSocket, but it asks and reads answers."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import attrs

from coval_load.codecs.dialects.tool_results import ToolResult
from coval_load.codecs.events import Event


@attrs.frozen
class HttpRequest:
    """One request, with every placeholder filled. `url` is absolute; `headers` hold no Host and no length.

    Neither headers nor body are in the repr: both may hold secrets.
    """

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = attrs.field(repr=False)
    body: bytes | None = attrs.field(default=None, repr=False)


class ReplyReading(Protocol):
    """Reads one answer with status 2xx while it arrives. Never raises on input; buffers at most 10 MB."""

    def feed(self, data: bytes) -> Sequence[Event]:
        """What these bytes complete, in order. Bytes may be cut anywhere."""
        ...

    def end(self) -> Sequence[Event]:
        """What is left when the answer is whole; called once. A reply without any meaning gives a `Violation`."""
        ...


class HttpChatDialect(Protocol):
    """One simulation's side of a text conversation over HTTP. It keeps the history that its requests need.

    Methods that build requests raise `TemplateError` where a placeholder has no value.
    """

    def initialization(self) -> HttpRequest | None:
        """The request to the initialization endpoint, None where there is none."""
        ...

    def initialized(self, answer: bytes | None) -> str | None:
        """Take the body of its 2xx answer; returns what is wrong with it.

        Called once before the first `say`, with None where there is no initialization endpoint. Raises
        `TemplateError` where a template asks for something that the answer lacks.
        """
        ...

    def say(self, text: str, timestamp: str) -> HttpRequest:
        """The caller's next message. `timestamp` is ISO 8601 in UTC."""
        ...

    def give_results(self, results: Sequence[ToolResult], timestamp: str) -> HttpRequest:
        """The results of all tool calls of the last reply."""
        ...

    def ask_again(self) -> HttpRequest:
        """After `ReplyPending`: ask whether the reply is there now."""
        ...

    def read(self, content_type: str) -> ReplyReading:
        """Begin to read the answer to the last request."""
        ...

    def heard(self, text: str, tool_calls: bool, timestamp: str) -> None:
        """The reply is complete: the agent said `text`. Keep it, and with `tool_calls` the calls it made.

        Called after each whole answer that is part of the conversation; with `tool_calls` only if `give_results`
        follows.
        """
        ...


class HttpChatFormat(Protocol):
    """What is the same for all simulations of one agent over HTTP: compiled once, opened for each."""

    def discovery(self) -> Sequence[HttpRequest]:
        """Asked once for an agent and a run, one after the other until one answers with 2xx; often none."""
        ...

    def open(self, values: Mapping[str, Any], discovered: bytes | None = None) -> HttpChatDialect:
        """The dialect of one simulation. `values` fill the placeholders, `discovered` is what `discovery` found."""
        ...
