"""Reads objects as Google's APIs do: protocol buffers in JSON, with names in camelCase or snake_case.

Strictly: what the API does not know ends the connection, so that a caller's slips do not stay unseen.
"""

from collections.abc import Mapping
from typing import Any

import attrs
import pybase64

# RFC 6455, section 7.4.1; Google's APIs take the first for whatever they call INVALID_ARGUMENT.
INVALID_ARGUMENT = 1007
POLICY_VIOLATED = 1008
INTERNAL_ERROR = 1011

_URL_SAFE = str.maketrans("-_", "+/")


@attrs.frozen
class Refused(Exception):
    """The API closes the connection with this code and reason (UTF-8, 123 bytes at most are sent)."""

    code: int
    reason: str


def invalid(reason: str) -> Refused:
    """What a message that the API can't take raises."""
    return Refused(INVALID_ARGUMENT, reason)


def camel_case(name: str) -> str:
    if "_" not in name:
        return name
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def read_object(value: Any, where: str, known: frozenset[str] | None = None) -> Mapping[str, Any]:
    """The fields of an object by their names in camelCase; without those that are null, which means not set.

    Raises `Refused` where it is no object, holds a name twice or one that is not `known` (None: all are).
    """
    if not isinstance(value, dict):
        raise invalid(f"Invalid value at '{where}': expected an object")
    fields: dict[str, Any] = {}
    for written, content in value.items():
        name = camel_case(written)
        if name in fields:
            raise invalid(f"Invalid JSON payload received. Field '{name}' at '{where}' is set twice")
        if known is not None and name not in known:
            raise invalid(f"Invalid JSON payload received. Unknown name \"{written}\" at '{where}': Cannot find field.")
        if content is not None:
            fields[name] = content
    return fields


def read_objects(value: Any, where: str) -> list[Mapping[str, Any]]:
    """The objects of a list, or one that stands for a list of itself. Raises `Refused`."""
    items = value if isinstance(value, list) else [value]
    return [read_object(item, f"{where}[{at}]") for at, item in enumerate(items)]


def read_text(fields: Mapping[str, Any], name: str, where: str) -> str | None:
    """A field's text; None where it is not set. Raises `Refused`."""
    value = fields.get(name)
    if value is None or isinstance(value, str):
        return value
    raise invalid(f"Invalid value at '{where}.{name}' (TYPE_STRING)")


def read_flag(fields: Mapping[str, Any], name: str, where: str) -> bool:
    """A field that is true or false; false where it is not set. Raises `Refused`."""
    value = fields.get(name, False)
    if isinstance(value, bool):
        return value
    raise invalid(f"Invalid value at '{where}.{name}' (TYPE_BOOL)")


def read_milliseconds(fields: Mapping[str, Any], name: str, where: str) -> float | None:
    """A whole number of milliseconds, in seconds; None where it is not set. Raises `Refused`."""
    value = fields.get(name)
    if value is None:
        return None
    # Protocol buffers write whole numbers as text, too.
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= 9:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**31:
        raise invalid(f"Invalid value at '{where}.{name}' (TYPE_INT32)")
    return value / 1000


def read_bytes(value: Any, where: str) -> bytes:
    """Base64, standard or URL-safe, as the official client sends it. Raises `Refused`."""
    if isinstance(value, str):
        try:
            return pybase64.b64decode(
                value.translate(_URL_SAFE) if "-" in value or "_" in value else value, validate=True
            )
        except ValueError:
            pass
    raise invalid(f"Invalid value at '{where}' (TYPE_BYTES), Base64 decoding failed")
