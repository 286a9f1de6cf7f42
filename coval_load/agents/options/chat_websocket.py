"""`metadata` of MODEL_TYPE_CHAT_WEBSOCKET: text over WebSocket."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

import attrs

from coval_load.agents.options.connection import ConnectionOptions, DotPath, OptionalDotPath
from coval_load.faults import Fault
from coval_load.limits import Between, Contains, JsonText, Length

TYPED_TEMPLATE = '{"type": "message", "text": "{{message}}"}'
CONTENT_TEMPLATE = '{"content":"{{message}}"}'


@attrs.frozen
class OneOrMore:
    """A value, or a list of them."""

    expected: str = "a string or a list of strings"

    def read(self, raw: Any) -> Any:
        return [raw] if isinstance(raw, str) else raw


@attrs.frozen(repr=False, kw_only=True)
class ChatWebSocketOptions(ConnectionOptions):
    """Every key with its default settled ("Message Format", "Message Coalescing", "Direction Filtering").

    Timeouts are in seconds. `message_format: content` presets template, type path and text path for agents
    that speak `{"content": ...}`; a key that is given overrules the preset. With an empty
    `message_type_path` every JSON message is text. A ready message type is empty where none is awaited.
    """

    message_format: Literal["content"] | None = None

    handshake_ready_message_type: str = ""
    handshake_timeout_seconds: Annotated[float, Between(above=0, most=86_400)] = 30.0

    send_template: Annotated[str, JsonText(), Contains("{{message}}")] = attrs.field()
    message_type_path: OptionalDotPath = attrs.field()
    text_message_type_values: Annotated[Sequence[str], OneOrMore(), Length(1)] = ("message",)
    message_text_path: DotPath = attrs.field()
    coalesce_timeout_seconds: Annotated[float, Between(least=0, most=3600)] = 2.0
    direction_path: DotPath | None = None
    outbound_direction_value: Annotated[str, Length(1)] | None = None
    non_audio_event_message_types: Sequence[Annotated[str, Length(1)]] = ()

    @send_template.default
    def _template(self) -> str:
        return CONTENT_TEMPLATE if self.message_format == "content" else TYPED_TEMPLATE

    @message_type_path.default
    def _type_path(self) -> str:
        return "" if self.message_format == "content" else "type"

    @message_text_path.default
    def _text_path(self) -> str:
        return "content" if self.message_format == "content" else "text"

    @staticmethod
    def check(values: Mapping[str, Any]) -> Iterator[Fault]:
        """What holds between the keys, beyond what the connection asks for."""
        yield from ConnectionOptions.check(values)
        yield from _direction_faults(values)
        yield from _handshake_faults(values)


def _direction_faults(values: Mapping[str, Any]) -> Iterator[Fault]:
    pair = ("direction_path", "outbound_direction_value")
    for key, other in (pair, pair[::-1]):
        if values.get(key, "") is None and values.get(other) is not None:
            yield Fault(key, f"expected it together with {other}; got nothing, give both or neither")


def _handshake_faults(values: Mapping[str, Any]) -> Iterator[Fault]:
    has_path = values.get("message_type_path", values.get("message_format") != "content")
    if values.get("handshake_ready_message_type") and not has_path:
        yield Fault(
            "handshake_ready_message_type",
            "expected a message_type_path to look for it at; it is empty, give one or take the type out",
        )
