"""What a simulation tells whoever watches it closely: `check --dial` prints it, a load test has no one listening."""

import re
from collections.abc import Sequence
from typing import Protocol

from coval_load.codecs.events import (
    AgentComplained,
    AgentEventReceived,
    AudioReceived,
    Event,
    GoingAway,
    MessageIgnored,
    SpeechTranscribed,
    StrayAudioReceived,
    Violation,
)

_LONG_TEXT = re.compile(r'"([^"\\]{24})[^"\\]{60,}"')


class Narrator(Protocol):
    """Gets each step of one simulation as it happens. Never raises."""

    def tell(self, at: float, what: str, detail: str = "", more: str = "") -> None:
        """`at` is a time of the Trio clock; `what` is short; `detail` and `more` may hold the agent's words.

        Steps that follow each other with the same `what` and `detail` are alike, whatever `more` says.
        """
        ...


def _most_telling(events: Sequence[Event]) -> Event | None:
    audio = next((event for event in events if type(event) is AudioReceived), None)
    return audio or (events[0] if events else None)


def message_told(payload: bytes, is_text: bool, events: Sequence[Event]) -> tuple[str, str, str]:
    """`what`, `detail` and `more` for a message that the dialect read as `events`."""
    size = f"{len(payload)} bytes in a {'text' if is_text else 'binary'} message"
    is_text = is_text or (payload[:1] == b"{" and payload.rstrip()[-1:] == b"}")  # some send JSON in binary messages
    shown = _abridged(payload) if is_text else size
    match _most_telling(events):
        case AudioReceived() | SpeechTranscribed():  # a reply's audio and its words come in turns, by the dozen
            return "received audio", "", f"{size}{f': {shown}' if is_text else ''}"
        case StrayAudioReceived():
            return "received audio that nobody hears", "", f"{size}{f': {shown}' if is_text else ''}"
        case AgentComplained(reason=reason):
            return "the agent reported an error", reason, shown
        case GoingAway(time_left_s=None):
            return "the agent is going to end the connection", "", shown
        case GoingAway(time_left_s=left_s):
            return "the agent is going to end the connection", f"in {left_s:g} s", shown
        case MessageIgnored(reason=reason):
            return "ignored a message", reason, shown
        case Violation(reason=reason):
            return "could not read a message", reason, shown
        case AgentEventReceived(message_type=message_type):
            return "captured an event", f"type {message_type}", shown
        case _:
            return "received", shown, ""


def body_told(body: bytes) -> str:
    """An HTTP body as text. It is not cut: a narrator that shows less of it has to hide secrets before."""
    return body.decode("utf-8", "replace").strip().replace("\n\n", " ")


def _abridged(payload: bytes) -> str:
    """JSON text with its long strings cut: what a message is made of stays visible beside its audio."""
    text = payload[:100_000].decode("utf-8", "replace")
    return _LONG_TEXT.sub(lambda found: f'"{found[1]}… ({len(found[0]) - 2} characters)"', text)
