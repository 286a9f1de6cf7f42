"""What comes back for one turn over HTTP, put together from the events of one or more answers."""

import attrs

from coval_load.actors.simulation import failure_in
from coval_load.codecs.events import (
    AgentFailed,
    ConversationEnded,
    Event,
    ReplyPending,
    TextChunkReceived,
    TextReceived,
    ToolCallReceived,
    UsageReceived,
    Violation,
)
from coval_load.engine.outcome import ErrorKind, SimulationFailed


@attrs.define
class Reply:
    """One answer. Times are of the Trio clock, `sent_at` that of its request; None where no text came.

    `gaps_s` are the times between the pieces of a streamed text, `called_at` when each of the `tool_calls` came.
    """

    sent_at: float
    texts: list[str] = attrs.field(factory=list)
    first_at: float | None = None
    last_at: float | None = None
    is_streamed: bool = False
    gaps_s: list[float] = attrs.field(factory=list)
    tool_calls: list[ToolCallReceived] = attrs.field(factory=list)
    called_at: list[float] = attrs.field(factory=list)
    usage: UsageReceived | None = None
    ended: str | None = None
    is_pending: bool = False

    @property
    def text(self) -> str | None:
        """All text of the answer; None where there was none."""
        return "".join(self.texts) if self.texts else None

    def take(self, event: Event, at: float) -> None:
        """What arrived at `at`. Raises SimulationFailed for what can't be read and for an error of the agent."""
        match event:
            case TextChunkReceived(text=text):
                if self.last_at is not None:
                    self.gaps_s.append(at - self.last_at)
                self.is_streamed = True
                self._text(text, at)
            case TextReceived(text=text):
                self._text(text, at)
            case ToolCallReceived():
                self.tool_calls.append(event)
                self.called_at.append(at)
            case UsageReceived():
                self.usage = event
            case ConversationEnded(reason=reason):
                self.ended = reason
            case ReplyPending():
                self.is_pending = True
            case AgentFailed():
                raise failure_in(event)
            case Violation(reason=reason):
                raise SimulationFailed(ErrorKind.INVALID_MESSAGE, reason)
            case _:
                pass

    def _text(self, text: str, at: float) -> None:
        if self.first_at is None:
            self.first_at = at
        self.last_at = at
        self.texts.append(text)
