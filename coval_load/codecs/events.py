"""What an agent can say or do, as seen by a dialect: facts in the past tense, without a time."""

from typing import Any, Literal

import attrs


@attrs.define
class AudioReceived:
    """Mono 16-bit little-endian PCM at the dialect's `receive_rate_hz`. Not frozen: this is the hot path."""

    pcm: bytes


@attrs.frozen
class TextReceived:
    """One text message of the agent."""

    text: str


@attrs.frozen
class ReadyReceived:
    """The agent is ready for the conversation; `session_id` is None where the message holds none."""

    session_id: str | None


@attrs.frozen
class AgentEventReceived:
    """A message that is neither audio nor text and whose type the agent's options ask to keep."""

    message_type: str
    event: str | None
    payload: Any


@attrs.frozen
class MessageIgnored:
    """A readable message that the agent's options give no meaning to; `reason` says which option decided."""

    reason: str


@attrs.frozen
class TextChunkReceived:
    """A non-empty piece of a reply that is streamed."""

    text: str


@attrs.frozen
class ToolCallReceived:
    """The agent calls a tool; `arguments` is JSON text as it came, `call_id` empty where the agent gave none."""

    call_id: str
    name: str
    arguments: str


@attrs.frozen
class UsageReceived:
    """Tokens that a reply took, as the agent counts them; None where it does not say."""

    input_tokens: int | None
    output_tokens: int | None


@attrs.frozen
class ReplyPending:
    """The agent works on its reply and wants to be asked for it again."""


@attrs.frozen
class ConversationEnded:
    """The agent ended the conversation; `reason` says by which word of its own."""

    reason: str


@attrs.frozen
class AgentFailed:
    """The agent reported an error of its own; `cause` tells those apart that have an error kind of their own."""

    reason: str
    cause: Literal["agent", "rate_limit", "authentication"] = "agent"


@attrs.frozen
class Violation:
    """A message that should have had a meaning and could not be read; `reason` says what was expected."""

    reason: str


Event = (
    AudioReceived
    | TextReceived
    | TextChunkReceived
    | ToolCallReceived
    | UsageReceived
    | ReadyReceived
    | ReplyPending
    | ConversationEnded
    | AgentFailed
    | AgentEventReceived
    | MessageIgnored
    | Violation
)
