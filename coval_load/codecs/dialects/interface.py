"""What a dialect is: sans-I/O, total and timeless. It never awaits, reads a clock, logs or raises on input."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import attrs

from coval_load.codecs.events import Event


@attrs.frozen
class Outgoing:
    """One WebSocket message to send: UTF-8 text if `is_text`, else binary."""

    payload: bytes
    is_text: bool


class Dialect(Protocol):
    """One simulation's side of an agent protocol."""

    def opening(self) -> Sequence[Outgoing]:
        """Messages to send as soon as the connection is up."""
        ...

    def decode(self, payload: bytes, is_text: bool) -> Sequence[Event]:
        """What a message from the agent means. Never raises; buffers a bounded number of bytes."""
        ...


class ChatDialect(Dialect, Protocol):
    """A dialect that exchanges text."""

    def text(self, text: str) -> Outgoing:
        """The message that says `text`."""
        ...


class VoiceDialect(Dialect, Protocol):
    """A dialect that exchanges audio."""

    @property
    def frames_are_text(self) -> bool:
        """Whether `frame` gives the payload of a text message or of a binary one."""
        ...

    def frame(self, body: bytes) -> bytes:
        """The whole message for a frame body made by the format's `audio_body`."""
        ...

    def digit(self, digit: str) -> Outgoing:
        """The message for one keypad digit (0-9, *, #, A-D)."""
        ...

    def media(self, name: str, mime_type: str, data: bytes) -> Outgoing:
        """The message that carries an image."""
        ...


class VoiceFormat(Protocol):
    """What is the same for all simulations of one voice agent: compiled once, opened for each."""

    @property
    def send_rate_hz(self) -> int: ...

    @property
    def receive_rate_hz(self) -> int: ...

    @property
    def frames_are_shared(self) -> bool:
        """Whether `frame` gives the same message for all simulations, so that it can be made once."""
        ...

    def audio_body(self, pcm: bytes) -> bytes:
        """One frame of mono 16-bit little-endian PCM at `send_rate_hz`, encoded for `VoiceDialect.frame`."""
        ...

    def shared_frame(self, body: bytes) -> bytes:
        """What `VoiceDialect.frame` gives in every simulation; only where `frames_are_shared`."""
        ...

    def open(self, values: Mapping[str, Any]) -> VoiceDialect:
        """The dialect of one simulation. `values` fills the placeholders (`stream_sid`, `agent`, ...)."""
        ...


class ChatFormat(Protocol):
    """The chat counterpart of `VoiceFormat`."""

    def open(self, values: Mapping[str, Any]) -> ChatDialect:
        """The dialect of one simulation. `values` fills the placeholders."""
        ...
