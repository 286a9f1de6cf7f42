"""What errors of OpenAI's Realtime API end, and what they leave going on.

Source: the API reference, "Realtime", "Server events", `error`: most are recoverable, and the session stays open. Those
that are not tell of the account, the key or the session itself; they are known by their code or type.
"""

from typing import Any, Final, Literal, TypeAlias

from coval_load.codecs.dialects.chat_replies.reported_errors import failed, shown
from coval_load.codecs.dialects.json_messages import value_text
from coval_load.codecs.events import AgentComplained, AgentFailed, Event, GoingAway, MessageIgnored, ReplyEnded

Cause: TypeAlias = Literal["agent", "rate_limit", "authentication"]

_EXPIRED: Final = "session_expired"
_NOTHING_TO_CANCEL: Final = "response_cancel_not_active"
_FATAL: Final[dict[str, Cause]] = {
    "invalid_api_key": "authentication",
    "authentication_error": "authentication",
    "invalid_authentication": "authentication",
    "permission_error": "authentication",
    "account_deactivated": "authentication",
    "organization_deactivated": "authentication",
    "access_terminated": "authentication",
    "unsupported_country_region_territory": "authentication",
    "insufficient_quota": "rate_limit",
    "billing_hard_limit_reached": "rate_limit",
    "billing_not_active": "rate_limit",
    "rate_limit_exceeded": "rate_limit",
    "rate_limit_error": "rate_limit",
    "model_not_found": "agent",
    "beta_api_shape_disabled": "agent",
}
_ADVICE: Final = {
    "beta_api_shape_disabled": "; remove OpenAI-Beta from custom_headers, and api-version from the endpoint",
    "model_not_found": "; check openai_realtime_model",
}


def read_error(message: dict[str, Any], *, is_ready: bool, has_cancelled: bool) -> Event:
    """What an `error` event means. Before the session is ready there is no conversation that could go on.

    With `has_cancelled` a response was cancelled from here, which may have been over by then: no fault of the agent's.
    """
    error = _error_of(message)
    names = _names_of(error)
    if is_ready and _EXPIRED in names:
        return GoingAway(0.0)
    if has_cancelled and _NOTHING_TO_CANCEL in names:
        return MessageIgnored("the response was over before it could be cancelled")
    known = next((name for name in names if name in _FATAL), None)
    if known is None and is_ready:
        return AgentComplained(words_of(error))
    advice = _ADVICE.get(known or "", "")
    return AgentFailed(words_of(error) + advice, _FATAL[known] if known else failed(error).cause)


def read_failure(error: Any) -> ReplyEnded:
    """The end of a response whose status is `failed`; `error` is that of its `status_details`, if there is one."""
    if not error:
        return ReplyEnded("failed", "the response failed, without an error that says why")
    known = next((name for name in _names_of(error) if name in _FATAL), None)
    return ReplyEnded("failed", words_of(error), _FATAL[known] if known else failed(error).cause)


def words_of(error: Any) -> str:
    """Message, code and type of an error, and which member of what was sent it is about."""
    param = error.get("param") if isinstance(error, dict) else None
    about = f", at {shown(param)}" if isinstance(param, str) and param else ""
    return failed(error).reason + about


def _error_of(message: dict[str, Any]) -> Any:
    error = message.get("error")
    # Some servers put the members of the error into the event itself.
    return error or {key: member for key, member in message.items() if key in ("message", "code", "param")}


def _names_of(error: Any) -> list[str]:
    if not isinstance(error, dict):
        return []
    return [name for key in ("code", "type") if (name := value_text(error.get(key)))]
