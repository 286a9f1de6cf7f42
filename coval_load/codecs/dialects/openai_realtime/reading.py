"""What stands in server events of OpenAI's Realtime API: ids, tokens, limits, calls, how a response ended.

Source: the API reference, "Realtime", "Server events". Never raises: what is not as it should be is not there.
"""

from collections.abc import Iterator
from typing import Any, Final

from coval_load.codecs.dialects.chat_replies.tool_call_pieces import call_of
from coval_load.codecs.dialects.json_messages import MOST_COUNTED, quoted
from coval_load.codecs.dialects.openai_realtime.errors import read_failure
from coval_load.codecs.events import RateLimit, RateLimitsReceived, ReplyEnded, ToolCallReceived, UsageReceived
from coval_load.codecs.paths import Path

MOST_ID: Final = 512
"""A longer text is no id; theirs have some thirty characters."""

_MOST_INDEX: Final = 65_535
_MOST_LIMITS: Final = 32
_ENDS: Final = ("completed", "cancelled", "incomplete", "failed")
_REASON = Path.parse("status_details.reason")
_ERROR = Path.parse("status_details.error")
_SESSION_ID = Path.parse("session.id")
_USAGE = tuple(
    Path.parse(f"usage.{where}")
    for where in (
        "input_tokens",
        "output_tokens",
        "input_token_details.audio_tokens",
        "output_token_details.audio_tokens",
        "input_token_details.cached_tokens",
    )
)


def text_at(message: dict[str, Any], key: str) -> str:
    """The text at `key`, empty where none is there."""
    found = message.get(key)
    return found if isinstance(found, str) else ""


def id_at(message: dict[str, Any], key: str) -> str:
    """The id at `key`, empty where none is there."""
    found = text_at(message, key)
    return found if len(found) <= MOST_ID else ""


def index_at(message: dict[str, Any], key: str) -> int:
    """The small whole number at `key`, 0 where none is there."""
    found = _count(message.get(key))
    return found if found is not None and 0 <= found <= _MOST_INDEX else 0


def object_at(message: dict[str, Any], key: str) -> dict[str, Any]:
    """The object at `key`, empty where none is there."""
    found = message.get(key)
    return found if isinstance(found, dict) else {}


def session_id_of(message: dict[str, Any]) -> str | None:
    """The id of the session, which the API gives though its reference does not say so."""
    found = _SESSION_ID.find(message)
    return found if isinstance(found, str) else None


def usage_of(response: dict[str, Any]) -> UsageReceived | None:
    """The tokens of a response; None where it counts none."""
    usage = UsageReceived(*(_count(path.find(response)) for path in _USAGE))
    return None if usage == UsageReceived(None, None) else usage


def limits_of(message: dict[str, Any]) -> RateLimitsReceived | None:
    """The first few limits that are whole; None where none is."""
    found = message.get("rate_limits")
    limits = tuple(_limits(found[:_MOST_LIMITS])) if isinstance(found, list) else ()
    return RateLimitsReceived(limits) if limits else None


def _limits(found: list[Any]) -> Iterator[RateLimit]:
    for entry in found:
        limit = entry if isinstance(entry, dict) else {}
        name, most, left = text_at(limit, "name"), _count(limit.get("limit")), _count(limit.get("remaining"))
        if name and most is not None and left is not None:
            yield RateLimit(name, most, left, _seconds(limit.get("reset_seconds")))


def end_of(response: dict[str, Any]) -> ReplyEnded:
    """How a response ended; one without a status is complete, as it is done."""
    status, reason = response.get("status"), _REASON.find(response)
    why = reason if isinstance(reason, str) else ""
    match status:
        case None | "completed":
            return ReplyEnded("completed")
        case "cancelled" | "incomplete":
            return ReplyEnded(status, why)
        case "failed":
            return read_failure(_ERROR.find(response))
        case _:
            came = quoted(status) if isinstance(status, str) else "something else"
            return ReplyEnded(
                "failed", f"expected a status of {', '.join(_ENDS)} of a response that is done; got {came}"
            )


def calls_in(response: dict[str, Any]) -> Iterator[tuple[str, ToolCallReceived]]:
    """The whole function calls among a response's items, each with its item's id."""
    output = response.get("output")
    for item in output if isinstance(output, list) else ():
        if isinstance(item, dict) and (call := whole_call(item)) is not None:
            yield id_at(item, "id"), call


def whole_call(item: dict[str, Any]) -> ToolCallReceived | None:
    """The function call that an item is; None for other items, and for one that was broken off."""
    if item.get("type") != "function_call" or item.get("status") in ("incomplete", "in_progress"):
        return None
    return call_of(item.get("call_id"), item.get("name"), item.get("arguments"))


def _count(found: Any) -> int | None:
    return found if type(found) is int and 0 <= found <= MOST_COUNTED else None


def _seconds(found: Any) -> float | None:
    return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None
