"""What a dialect over WebSocket is: sans-I/O, total and timeless.

It never awaits, reads a clock, logs or raises on input.

Classes that inherit from the protocols here get what most agents need: nothing of what only some of them know.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

import attrs

from coval_load.codecs.dialects.tool_results import ToolResult
from coval_load.codecs.events import Event


@attrs.frozen
class Outgoing:
    """One WebSocket message to send: UTF-8 text if `is_text`, else binary."""

    payload: bytes
    is_text: bool


@attrs.frozen
class Handshaking:
    """What comes between the upgrade and the conversation.

    `ready_message` says in words which message is awaited, at most `timeout_s` seconds; empty: none. `advice` is what
    to do where it does not come.
    """

    ready_message: str = ""
    requires_session_id: bool = False
    timeout_s: float = 30.0
    advice: str = ""


@attrs.frozen
class Said:
    """What one side said in a conversation that goes on over another connection."""

    role: Literal["user", "assistant"]
    text: str


class Dialect(Protocol):
    """One simulation's side of an agent protocol."""

    def opening(self) -> Sequence[Outgoing]:
        """Messages to send as soon as the connection is up."""
        ...

    def decode(self, payload: bytes, is_text: bool) -> Sequence[Event]:
        """What a message from the agent means. Never raises; buffers a bounded number of bytes."""
        ...

    def when_ready(self) -> Sequence[Outgoing]:
        """What to send once the agent is ready, before anything else."""
        return ()

    def closed(self, code: int, reason: str) -> Event | None:
        """What it means that the agent closed the connection with this code and reason (RFC 6455 section 7.4).

        None where it is no more than that; `AgentFailed` where the code or the words say what is wrong.
        """
        return None


class ChatDialect(Dialect, Protocol):
    """A dialect that exchanges text."""

    def text(self, text: str) -> Outgoing:
        """The message that says `text`."""
        ...


class VoiceDialect(Dialect, Protocol):
    """A dialect that exchanges audio.

    Where the protocol has replies, `decode` gives `ReplyStarted` before anything of a reply and `ReplyEnded` after it;
    once it gave `PlaybackCleared`, what still comes of that reply is `StrayAudioReceived`.
    """

    frames_are_text: bool
    """Whether `frame` gives the payload of a text message or of a binary one."""

    def frame(self, body: bytes) -> bytes:
        """The whole message for a frame body made by the format's `audio_body`."""
        ...

    def plain_audio(self, payload: bytes, is_text: bool) -> bytes | None:
        """The PCM of a message for which `decode` would give one `AudioReceived` with it, or nothing where it is empty.

        None sends the message to `decode`. For messages that are known at a glance, of protocols that say nothing of
        replies beside their sound: this is the hot path.
        """
        return None

    def digit(self, digit: str) -> Outgoing:
        """The message for one keypad digit (0-9, *, #, A-D). Only called where the format `takes_digits`."""
        ...

    def media(self, name: str, mime_type: str, data: bytes) -> Sequence[Outgoing]:
        """The messages that carry an image and, where the agent waits to be asked, ask for an answer."""
        ...

    def turn_started(self) -> Sequence[Outgoing]:
        """What to send before the first frame of something that the caller says."""
        return ()

    def turn_ended(self) -> Sequence[Outgoing]:
        """What to send when its last frame is over."""
        return ()

    def go_on(self) -> Sequence[Outgoing]:
        """What makes the agent speak though the caller said nothing: a greeting, or after a turn of silence."""
        return ()

    def cut_off(self, unheard_s: float) -> Sequence[Outgoing]:
        """What tells the agent that the last `unheard_s` seconds of its audio were thrown away unheard."""
        return ()

    def give_results(self, results: Sequence[ToolResult]) -> Sequence[Outgoing]:
        """What gives the agent results of tools it called; after `ToolResultsAwaited`, one for each call."""
        return ()

    def renewed(self, said: Sequence[Said]) -> "VoiceDialect":
        """The dialect of the connection over which this conversation goes on, in which `said` was said so far.

        The connection so far is closed before the other is opened.

        Only called where the format has a `most_session_s`, or after `GoingAway`.
        """
        return self


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

    @property
    def handshake(self) -> Handshaking:
        """What is awaited before the conversation."""
        return Handshaking()

    @property
    def is_paced(self) -> bool:
        """Whether audio is heard in real time however fast it comes; else it is heard when it comes."""
        return True

    @property
    def hears_silence(self) -> bool:
        """Whether the agent wants to hear the caller's silence, too, rather than nothing between turns."""
        return True

    @property
    def takes_digits(self) -> bool:
        """Whether there is a message for keypad digits."""
        return False

    @property
    def may_clear_playback(self) -> bool:
        """Whether what is queued may come to be thrown away: by `PlaybackCleared`, or by the caller."""
        return True

    @property
    def caller_clears_playback(self) -> bool:
        """Whether playback stops because the caller speaks over it, rather than at the agent's `PlaybackCleared`."""
        return False

    @property
    def most_session_s(self) -> float | None:
        """How long a connection is used, in seconds, before the conversation goes on over another; None: for good."""
        return None

    @property
    def advice_if_deaf(self) -> str:
        """What to look at where no audio comes at all; empty if there is nothing to set."""
        return ""

    @property
    def advice_on_gaps(self) -> str:
        """What to look at where audio that comes in real time has gaps; empty if there is nothing to set."""
        return ""

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

    @property
    def handshake(self) -> Handshaking:
        """What is awaited before the conversation."""
        return Handshaking()

    def open(self, values: Mapping[str, Any]) -> ChatDialect:
        """The dialect of one simulation. `values` fills the placeholders."""
        ...
