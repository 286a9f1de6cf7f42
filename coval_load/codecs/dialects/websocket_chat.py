"""Text over a WebSocket, in JSON messages whose shape the agent's options describe."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import attrs

from coval_load.codecs.dialects.interface import ChatDialect, ChatFormat, Handshaking, Outgoing
from coval_load.codecs.dialects.json_messages import (
    NotJson,
    clipped,
    not_a,
    parse,
    quoted,
    read_event,
    read_ready,
    type_of,
    value_text,
)
from coval_load.codecs.dialects.placeholders import (
    Complaint,
    check_ready_type,
    complaints,
    handshaking,
    opening_messages,
    parse_initialization,
    parse_send_template,
)
from coval_load.codecs.encoding import escape
from coval_load.codecs.events import Event, MessageIgnored, TextReceived, Violation
from coval_load.codecs.paths import Path
from coval_load.codecs.templates import JsonTemplate, Template


@attrs.frozen
class _Reading:
    """How the messages of one agent are read: the same for all its simulations."""

    type_path: Path
    text_path: Path
    text_types: frozenset[str]
    event_types: frozenset[str]
    direction_path: Path
    outbound: str
    ready_type: str | None


@attrs.frozen
class WebSocketChatFormat(ChatFormat):
    """The options of a MODEL_TYPE_CHAT_WEBSOCKET agent that shape its messages, named as in its metadata.

    Templates are compiled on first use; `check` says beforehand what is wrong with them.
    """

    initialization_json: Any = attrs.field(default=None, hash=False)
    send_template: str = '{"type": "message", "text": "{{message}}"}'
    message_type_path: str = "type"
    text_message_type_values: tuple[str, ...] = ("message",)
    message_text_path: str = "text"
    direction_path: str = ""
    outbound_direction_value: str = ""
    handshake_ready_message_type: str = ""
    handshake_timeout_seconds: float = 30.0
    non_audio_event_message_types: tuple[str, ...] = ()

    @property
    def handshake(self) -> Handshaking:
        """The ready message, by its type."""
        return handshaking(self.handshake_ready_message_type, False, self.handshake_timeout_seconds)

    def open(self, values: Mapping[str, Any]) -> "WebSocketChat":
        """The dialect of one simulation. Raises `TemplateError` where a placeholder has no value."""
        opening = opening_messages(self._initialization, values)
        return WebSocketChat(self._reading, opening, self._send.partial(values).around("message"))

    @cached_property
    def _reading(self) -> "_Reading":
        return _Reading(
            type_path=Path.parse(self.message_type_path),
            text_path=Path.parse(self.message_text_path),
            text_types=frozenset(self.text_message_type_values),
            event_types=frozenset(self.non_audio_event_message_types),
            direction_path=Path.parse(self.direction_path),
            outbound=self.outbound_direction_value,
            ready_type=self.handshake_ready_message_type or None,
        )

    @cached_property
    def _initialization(self) -> JsonTemplate | None:
        return parse_initialization(self.initialization_json)

    @cached_property
    def _send(self) -> Template:
        return parse_send_template(self.send_template, "send_template", "message")


def check(chat: WebSocketChatFormat) -> list[Complaint]:
    """All that is wrong with a format, as (field, message). Never raises."""
    found = [*complaints(chat, ("_initialization", "_send")), *check_ready_type(chat)]
    if bool(chat.direction_path) != bool(chat.outbound_direction_value):
        field = "outbound_direction_value" if chat.direction_path else "direction_path"
        found.append((field, "direction_path and outbound_direction_value work together: set both or neither"))
    if chat.message_type_path and not chat.text_message_type_values:
        found.append(("text_message_type_values", "expected at least one value; without one no message is text"))
    return found


class WebSocketChat(ChatDialect):
    """One simulation's side of a text conversation over a WebSocket.

    The first message of the ready type is the ready message. Of the others, those that fail the direction
    filter are ignored; then a type among the text types, or any message while `message_type_path` is
    empty, makes a text; then a listed type makes an event; the rest is ignored. Types and directions are
    compared exactly, numbers by their JSON text. Nothing is buffered.
    """

    def __init__(self, reading: _Reading, opening: tuple[Outgoing, ...], around: tuple[bytes, ...]) -> None:
        self._opening = opening
        self._around = around
        self._how = reading
        self._is_ready = False

    def opening(self) -> Sequence[Outgoing]:
        """The initialization JSON, if there is any."""
        return self._opening

    def text(self, text: str) -> Outgoing:
        """The message that says `text`; what is no character (a lone surrogate) is said as U+FFFD."""
        return Outgoing(escape(text).join(self._around), is_text=True)

    def decode(self, payload: bytes, is_text: bool) -> Sequence[Event]:
        """One event for each message. A binary one is read as JSON too, which some servers send it in."""
        try:
            message = parse(payload)
        except NotJson as error:
            return (Violation(str(error) if is_text else f"expected a text message, got a binary one: {error}"),)
        return (self._meaning(message),)

    def _meaning(self, message: Any) -> Event:
        message_type = type_of(message, self._how.type_path)
        if message_type is not None and message_type == self._how.ready_type and not self._is_ready:
            self._is_ready = True
            return read_ready(message)
        if self._how.outbound and self._how.direction_path.segments:
            direction = value_text(self._how.direction_path.find(message))
            if direction != self._how.outbound:
                # Where its type has no meaning either, that tells more: it may be what is awaited, misnamed.
                known = message_type in self._how.text_types or message_type in self._how.event_types
                if known or not self._how.type_path.segments:
                    return MessageIgnored(self._other_direction(direction))
                return MessageIgnored(self._other_type(message_type))
        if not self._how.type_path.segments or message_type in self._how.text_types:
            return self._read_text(message)
        if message_type is not None and message_type in self._how.event_types:
            return read_event(message_type, message)
        return MessageIgnored(self._other_type(message_type))

    def _read_text(self, message: Any) -> Event:
        text = self._how.text_path.find(message)
        if isinstance(text, str):
            return TextReceived(text)
        path = clipped(str(self._how.text_path))
        return Violation(
            f"Could not extract message from path '{path}' in response: set message_text_path to where the text stands"
        )

    def _other_direction(self, direction: str | None) -> str:
        came = "no direction" if direction is None else f"direction {quoted(direction)}"
        where, expected = quoted(str(self._how.direction_path)), quoted(self._how.outbound)
        return f"{came} at {where} where {expected} is looked for (outbound_direction_value)"

    def _other_type(self, message_type: str | None) -> str:
        if self._how.ready_type and not self._is_ready:
            return not_a(
                message_type, self._how.type_path, quoted(self._how.ready_type), "handshake_ready_message_type"
            )
        if message_type is not None and message_type == self._how.ready_type:
            return f"a second ready message, type {quoted(message_type)}"
        expected = clipped(" or ".join(quoted(value) for value in sorted(self._how.text_types)))
        return not_a(message_type, self._how.type_path, expected, "text_message_type_values")
