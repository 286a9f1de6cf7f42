"""Who calls and what they do: a persona's manners, and the scripted turns of a test case."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

import attrs

from coval_load.actors.clips import PreparedClip


@attrs.frozen
class Persona:
    """How a caller behaves. Silences and waits are in seconds, the threshold of sound in dBFS."""

    name: str = "default"
    conversation_initiation: Literal["speak_first", "wait_for_user"] = "speak_first"
    wait_s: float = 0.5
    send_silence: bool = True
    onset_threshold_dbfs: float = -45.0
    end_of_turn_silence_s: float = 0.8
    yield_silence_s: float = 0.25


@attrs.frozen
class Say:
    """Words: spoken by `clip` to a voice agent, written to a chat agent. `text` is None where not known."""

    text: str | None
    clip: PreparedClip | None = None


@attrs.frozen
class Skip:
    """Say nothing, and let the agent go on."""


@attrs.frozen
class Press:
    """Keypad digits."""

    digits: str


@attrs.frozen
class Show:
    """An image."""

    name: str
    mime_type: str
    data: bytes = attrs.field(repr=False)


Action: TypeAlias = Say | Skip | Press | Show


@attrs.frozen
class Turn:
    """One turn of the caller. `barge_in_after_s`: begin so long after the agent's turn began."""

    action: Action
    barge_in_after_s: float | None = None
    expects_reply: bool = True


@attrs.frozen
class TestCase:
    """A script; `attributes` fill `{{test_case.*}}`."""

    __test__ = False  # not one of pytest's

    id: str
    turns: Sequence[Turn]
    attributes: Mapping[str, Any] = attrs.field(factory=dict)
