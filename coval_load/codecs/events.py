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
class ToolResultsAwaited:
    """The agent goes on once it has a result for each call that came since the last such event."""


@attrs.frozen
class UsageReceived:
    """Tokens that a reply took, as the agent counts them; None where it does not say.

    Audio and cached tokens are among those of `input_tokens` and `output_tokens`.
    """

    input_tokens: int | None
    output_tokens: int | None
    input_audio_tokens: int | None = None
    output_audio_tokens: int | None = None
    cached_tokens: int | None = None


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
class AgentComplained:
    """The agent reported an error that it says ends nothing, or that is known to end nothing."""

    reason: str


@attrs.frozen
class CallerSpeechStarted:
    """The agent hears the caller begin to speak. `item_id` is its name for what is said, empty where it has none."""

    item_id: str = ""


@attrs.frozen
class CallerSpeechStopped:
    """The agent takes the caller's speech for over."""

    item_id: str = ""


@attrs.frozen
class CallerTranscribed:
    """What the agent understood the caller to say: a piece of it, or with `is_whole` all of item `item_id`."""

    text: str
    item_id: str = ""
    is_whole: bool = False


@attrs.frozen
class ReplyStarted:
    """The agent works on a reply. Audio, text and tool calls that come from here on are part of it.

    Comes once before anything of a reply, where the protocol has replies at all.
    """


@attrs.frozen
class SpeechTranscribed:
    """A piece of what the agent says in its audio."""

    text: str


@attrs.frozen
class ReplyEnded:
    """The reply that was started last is over: no audio, text or tool call of it follows.

    `cancelled`: the agent broke it off (or was asked to); `incomplete`: it reached a limit; `failed`: an error,
    whose words are in `reason`. `cause` is as in `AgentFailed`, for `failed` alone.
    """

    status: Literal["completed", "cancelled", "incomplete", "failed"]
    reason: str = ""
    cause: Literal["agent", "rate_limit", "authentication"] = "agent"


@attrs.frozen
class PlaybackCleared:
    """The caller is heard: what came and has not been played yet is to be thrown away."""


@attrs.frozen
class StrayAudioReceived:
    """Audio of a reply came after its `PlaybackCleared`: `seconds` of it, which nobody hears."""

    seconds: float


@attrs.frozen
class RateLimit:
    """One limit as the agent counts it: of `limit`, `remaining` are left until `resets_in_s` from now."""

    name: str
    limit: int
    remaining: int
    resets_in_s: float | None = None


@attrs.frozen
class RateLimitsReceived:
    """How much the agent's provider still allows."""

    limits: tuple[RateLimit, ...]


@attrs.frozen
class GoingAway:
    """The agent is going to end this connection, in `time_left_s` seconds where it says so; the conversation can go on
    over another."""

    time_left_s: float | None = None


@attrs.frozen
class Violation:
    """A message that should have had a meaning and could not be read; `reason` says what was expected."""

    reason: str


Event = (
    AudioReceived
    | TextReceived
    | TextChunkReceived
    | ToolCallReceived
    | ToolResultsAwaited
    | UsageReceived
    | ReadyReceived
    | ReplyPending
    | ConversationEnded
    | AgentFailed
    | AgentComplained
    | CallerSpeechStarted
    | CallerSpeechStopped
    | CallerTranscribed
    | ReplyStarted
    | SpeechTranscribed
    | ReplyEnded
    | PlaybackCleared
    | StrayAudioReceived
    | RateLimitsReceived
    | GoingAway
    | AgentEventReceived
    | MessageIgnored
    | Violation
)
