"""What an agent can say or do, as seen by a dialect: facts in the past tense, without a time."""

from typing import Any

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
class Violation:
    """A message that should have had a meaning and could not be read; `reason` says what was expected."""

    reason: str


Event = AudioReceived | TextReceived | ReadyReceived | AgentEventReceived | MessageIgnored | Violation
