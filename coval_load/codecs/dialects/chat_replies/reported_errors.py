"""Errors that an agent reports in the body of an answer that its status calls a success."""

import re
from typing import Any, Literal

from coval_load.codecs.dialects.json_messages import value_text
from coval_load.codecs.encoding import as_text
from coval_load.codecs.events import AgentFailed

MOST_SHOWN = 300
"""How many characters of an agent's own words are kept."""

_MOST_SEARCHED = 10_000

_RATE_LIMIT = re.compile(r"\b429\b|rate.?limit|too.?many.?requests|quota|throttl", re.IGNORECASE)
_AUTHENTICATION = re.compile(
    r"\b40[13]\b|authenticat|unauthori[sz]ed|not.authori[sz]ed|api.?key|forbidden|permission.?(denied|error)",
    re.IGNORECASE,
)


def reported_error(answer: Any) -> AgentFailed | None:
    """The error in an answer, parsed JSON: what stands at `error`, an object or a text; None where nothing does."""
    error = answer.get("error") if isinstance(answer, dict) else None
    if not error:
        return None
    return failed(answer if error is True else error)


def failed(error: Any, otherwise: str = "without a message") -> AgentFailed:
    """An error as OpenAI's API words it: an object with `message`, `code` and `type`, or a text.

    `otherwise` is said where it has no message. The cause is looked for in the code and the type first, then
    in the message.
    """
    members = error if isinstance(error, dict) else {"message": error}
    message = _words(members.get("message")) or otherwise
    names = dict.fromkeys(filter(None, (value_text(members.get(key)) for key in ("code", "type"))))
    names.pop("error", None)  # the type of the event in a stream, which tells nothing more
    note = f" ({shown(', '.join(names))})" if names else ""
    return AgentFailed(
        f"the agent reported an error: {shown(message)}{note}", _cause(" ".join(names)) or _cause(message) or "agent"
    )


def shown(text: str) -> str:
    """`text` on one line, cut to a bounded length."""
    cut = text if len(text) <= MOST_SHOWN else text[: MOST_SHOWN - 1] + "…"
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in cut)


def _words(message: Any) -> str:
    if message is None:
        return ""
    try:
        return as_text(message)
    except ValueError:
        return ""  # nested deeper than can be written


def _cause(words: str) -> Literal["rate_limit", "authentication"] | None:
    text = words[:_MOST_SEARCHED]
    if _RATE_LIMIT.search(text):
        return "rate_limit"
    return "authentication" if _AUTHENTICATION.search(text) else None
