"""Which reply something belongs to: Gemini Live gives its replies no names, only ends that may come twice or late."""

from typing import Literal

import attrs

from coval_load.codecs.events import AgentComplained, Event, ReplyEnded, ReplyStarted, SpeechTranscribed

MOST_HELD = 10_000
"""Characters of words that came before their reply."""

# google.genai.types.TurnCompleteReason: with these a turn is whole. With those of `_CUT_SHORT` what came of it was
# held back, or a limit reached; all others say that there is no answer: refused, blocked, or a call without sense.
_WHOLE = frozenset(["", "TURN_COMPLETE_REASON_UNSPECIFIED", "NEED_MORE_INPUT"])
_CUT_SHORT = ("GENERATED_", "OUTPUT_", "MAX_")

Status = Literal["completed", "incomplete", "failed"]


def status_of(reason: str) -> Status:
    """How a turn ended, by its `turnCompleteReason`."""
    if reason in _WHOLE:
        return "completed"
    return "incomplete" if reason.startswith(_CUT_SHORT) else "failed"


@attrs.define
class Turns:
    """A reply begins with the first content and ends with the first end that comes: `generationComplete`,
    `turnComplete`, or a call of tools, after whose results another one follows.

    `turnComplete` comes late, when the agent thinks that all was played, so nobody waits for it. Some models end the
    turn in which they call tools, others go on in it once they have the results: so an end of that turn before
    anything came of the results is taken for that of the calls, also where it crossed them on the way.
    """

    is_cleared: bool = False
    """Whether the turn was interrupted: what still comes of it, until its `turnComplete`, is not heard."""
    _is_replying: bool = False
    _is_open: bool = False  # content came since the last turnComplete
    _has_ended: bool = False  # a reply of this turn was ended
    _is_idle: bool = False  # an interruption of nothing: its turnComplete ends nothing
    _is_called: bool = False  # nothing came in this turn since its calls of tools
    _held: str = ""

    def begin(self) -> list[Event]:
        """Content comes that is heard, or read."""
        self._is_open, self._is_idle, self._is_called = True, False, False
        if self._is_replying:
            return []
        self._is_replying = True
        return [ReplyStarted(), *self._held_words()]

    def words(self, text: str) -> list[Event]:
        """Words of the agent's audio. They come in no order with it, so they begin no reply: late ones would."""
        if self._is_open:
            return [SpeechTranscribed(text)]
        self._held = (self._held + text)[:MOST_HELD]
        return []

    def called(self) -> list[Event]:
        """The reply ends with calls of tools."""
        self._is_called = True
        return self._end("completed")

    def interrupted(self) -> None:
        """The caller is heard."""
        self.is_cleared, self._is_idle = self._is_open, not self._is_open
        self._held = ""

    def waits_for_input(self) -> None:
        """The agent has nothing to say, also to results of tools: what ends now is a reply without words."""
        if self._is_called:
            self._is_called = self._has_ended = False

    def generation_complete(self) -> list[Event]:
        """The agent made all of what it had to say."""
        if self.is_cleared or self._is_idle:
            return []
        return self._end("completed")

    def turn_complete(self, reason: str) -> list[Event]:
        """The turn is over, also as far as the agent thinks that it is played."""
        ended = self._turn_ended(reason, status_of(reason))
        self._is_open = self._has_ended = self.is_cleared = self._is_idle = self._is_called = False
        return ended

    def _turn_ended(self, reason: str, status: Status) -> list[Event]:
        if self.is_cleared:
            return [self._ended(ReplyEnded("cancelled", "interrupted"))] if self._is_replying else []
        if self._is_idle:
            return []
        if status == "completed":
            return self._end("completed", reason if reason == "NEED_MORE_INPUT" else "")
        if self._has_ended and not self._is_replying and not self._is_called:
            return [AgentComplained(f"the turn ended with turnCompleteReason {reason}, after all of the reply")]
        self._has_ended = False
        return self._end(status, reason)

    def _end(self, status: Status, reason: str = "") -> list[Event]:
        if self._is_replying:
            return [self._ended(ReplyEnded(status, reason))]
        if self._has_ended:
            return []
        self._has_ended = True
        return [ReplyStarted(), *self._held_words(), ReplyEnded(status, reason)]

    def _ended(self, how: ReplyEnded) -> ReplyEnded:
        self._is_replying = False
        self._has_ended = True
        return how

    def _held_words(self) -> list[Event]:
        held, self._held = self._held, ""
        return [SpeechTranscribed(held)] if held else []
