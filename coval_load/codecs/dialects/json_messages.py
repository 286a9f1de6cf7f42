"""What the dialects that speak JSON have in common: reading a message, its type, and quoting it."""

from typing import Any

import orjson

from coval_load.codecs.encoding import as_text
from coval_load.codecs.events import AgentEventReceived, ReadyReceived, Violation
from coval_load.codecs.paths import NOT_THERE, Path

MOST_QUOTED = 80
MOST_COUNTED = 10**12
"""Of tokens: what is counted of many simulations is still a number to every reader of JSON."""
_ELLIPSIS = "…"


class NotJson(Exception):
    """A message that is no JSON; says so in the documented words."""


def parse(payload: bytes) -> Any:
    """The JSON in `payload`. Raises `NotJson`; never anything else."""
    try:
        return orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        # orjson's own words may quote nothing of the message, but are not bounded by contract.
        came = quoted(payload[: 4 * MOST_QUOTED].decode(errors="replace"))
        raise NotJson(f"Invalid JSON in response: {clipped(error.msg)}; got {came}") from error


def no_json(payload: bytes) -> Violation:
    """What is to be said of a message that was found to be no JSON."""
    try:
        parse(payload)
    except NotJson as error:
        return Violation(str(error))
    return Violation("Invalid JSON in response")


def type_of(message: Any, path: Path) -> str | None:
    """The type of `message`: a string as it is, a number or boolean as its JSON text.

    None where the path is empty, leads nowhere, or to null, an array or an object.
    """
    found = path.find(message) if path.segments else NOT_THERE
    return value_text(found)


def value_text(found: Any) -> str | None:
    """What a value is compared as: a string as it is, a number or boolean as JSON text, else None."""
    if isinstance(found, str):
        return found
    return as_text(found) if isinstance(found, bool | int | float) else None


def kind_of(value: Any) -> str:
    """What kind of JSON value it is, for messages to people."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "an array"
        case _:
            return "an object"


def read_ready(message: Any) -> ReadyReceived:
    """The ready message with its `session_id`, a string or a number at the top level, if there is one."""
    found = message.get("session_id") if isinstance(message, dict) else None
    return ReadyReceived(None if isinstance(found, bool) else value_text(found))


def read_event(message_type: str, message: Any) -> AgentEventReceived:
    """A message whose type the agent's options list; its `event` is kept if it is a string."""
    event = message.get("event") if isinstance(message, dict) else None
    return AgentEventReceived(message_type, event if isinstance(event, str) else None, message)


def not_a(message_type: str | None, path: Path, expected: str, option: str) -> str:
    """Why a message is ignored whose type is not `expected`, the value of `option`."""
    if not path.segments:
        return f"no message has a type, as message_type_path is empty; {option} is {expected}"
    where = quoted(str(path))
    if message_type is None:
        return f"no type at {where} where {expected} is looked for ({option})"
    return f"type {quoted(message_type)} at {where} is not {expected} ({option})"


def quoted(text: str) -> str:
    """`text` in quotes, cut to a bounded length, with control characters escaped."""
    printable = "".join(char if char.isprintable() else repr(char)[1:-1] for char in text[:MOST_QUOTED])
    return f"'{clipped(printable if len(text) <= MOST_QUOTED else printable + _ELLIPSIS)}'"


def clipped(text: str) -> str:
    """`text`, cut to a bounded length."""
    return cut(text, MOST_QUOTED)


def cut(text: str, most: int) -> str:
    """`text` of at most so many characters. Where it is cut it says so: what is left of a secret is known by that."""
    return text if len(text) <= most else text[: most - 1] + _ELLIPSIS
