"""What Gemini Live says beside the conversation: tokens, errors, the end of a connection."""

import re
from typing import Any, Literal

import attrs

from coval_load.codecs.dialects.gemini_realtime.fields import count_in, field_of, objects_in, text_in
from coval_load.codecs.dialects.json_messages import cut, value_text
from coval_load.codecs.events import UsageReceived

MOST_SAID = 500
"""Characters of an error's message."""

_CAUSES: dict[str, Literal["rate_limit", "authentication"]] = {
    "RESOURCE_EXHAUSTED": "rate_limit",
    "429": "rate_limit",
    "UNAUTHENTICATED": "authentication",
    "401": "authentication",
    "PERMISSION_DENIED": "authentication",
    "403": "authentication",
}
# What ends with a unit ("1.5s") in protocol buffers' JSON.
_DURATION = re.compile(r"(\d{1,12}(?:\.\d{1,12})?)s")


@attrs.frozen
class ReportedError:
    """An error in the words of the agent; `cause` as in `AgentFailed`."""

    reason: str
    cause: Literal["agent", "rate_limit", "authentication"]

    @property
    def is_fatal(self) -> bool:
        """Whether nothing can follow, also in a conversation that is under way."""
        return self.cause != "agent"


def read_error(error: dict[str, Any]) -> ReportedError:
    """A `google.rpc.Status` as JSON: `code`, `message`, `status`."""
    words = [value_text(field_of(error, name)) or "" for name in ("status", "code", "message")]
    status, code, message = (cut(word, MOST_SAID) for word in words)
    what = " ".join(filter(None, (status, code)))
    return ReportedError(
        ": ".join(filter(None, (what, message))) or "an error without a message",
        _CAUSES.get(status) or _CAUSES.get(code) or "agent",
    )


_CLOSED_FOR: tuple[tuple[str, Literal["rate_limit", "authentication"]], ...] = (
    ("resource_exhausted", "rate_limit"),
    ("quota", "rate_limit"),
    ("rate limit", "rate_limit"),
    ("too many requests", "rate_limit"),
    ("api key", "authentication"),
    ("unauthenticated", "authentication"),
    ("permission_denied", "authentication"),
    ("permission denied", "authentication"),
)
_GOOD = (1000, 1001, 1005)


def read_close(code: int, reason: str) -> ReportedError | None:
    """What a close code and its reason say; None for an end in good order. The API reports errors in no other way."""
    if code in _GOOD:
        return None
    words = reason.lower()
    cause = next((cause for sign, cause in _CLOSED_FOR if sign in words), None)
    if cause is None:
        return None
    return ReportedError(f"the agent closed the connection with code {code}: {reason[:MOST_SAID]}", cause)


def read_usage(usage: dict[str, Any]) -> UsageReceived | None:
    """`usageMetadata`, None where it counts nothing. The names with `candidates` are Vertex AI's.

    Raises `Misshapen`.
    """
    read = UsageReceived(
        input_tokens=count_in(usage, "promptTokenCount"),
        output_tokens=_first(count_in(usage, "responseTokenCount"), count_in(usage, "candidatesTokenCount")),
        input_audio_tokens=_of_audio(usage, "promptTokensDetails"),
        output_audio_tokens=_first(
            _of_audio(usage, "responseTokensDetails"), _of_audio(usage, "candidatesTokensDetails")
        ),
        cached_tokens=count_in(usage, "cachedContentTokenCount"),
    )
    return read if any(count is not None for count in attrs.astuple(read)) else None


def read_time_left(go_away: dict[str, Any]) -> float | None:
    """Seconds in `timeLeft`, None where it says nothing that can be read."""
    found = field_of(go_away, "timeLeft")
    seconds = _DURATION.fullmatch(found) if isinstance(found, str) else None
    return float(seconds[1]) if seconds else None


def _of_audio(usage: dict[str, Any], name: str) -> int | None:
    counts = [
        count_in(detail, "tokenCount")
        for detail in objects_in(usage, name)
        if text_in(detail, "modality").upper() == "AUDIO"
    ]
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _first(count: int | None, other: int | None) -> int | None:
    return other if count is None else count
