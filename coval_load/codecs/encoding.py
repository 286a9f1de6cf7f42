"""Python values as JSON text that any JSON parser takes, whatever the values are."""

import json
import math
import re
from collections.abc import Mapping
from typing import Any

import orjson

_SURROGATE = re.compile("[\ud800-\udfff]")


def encode_json(value: Any) -> bytes:
    """`value` as compact UTF-8 JSON.

    Where JSON has no way to say a thing, the nearest is taken: a lone surrogate becomes U+FFFD, a number
    that is not finite becomes null, an object of a foreign type its `str`. Raises `ValueError` for what
    is nested too deeply or holds itself.
    """
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        pass
    try:
        # The standard library writes integers of any size; orjson stops at 64 bits.
        return json.dumps(_sayable(value), ensure_ascii=False, separators=(",", ":")).encode()
    except RecursionError as error:
        raise ValueError("nested too deeply for JSON") from error


def as_text(value: Any) -> str:
    """`value` as it stands inside of a text: a string as it is, anything else as its JSON encoding."""
    if isinstance(value, str):
        return value
    return encode_json(value).decode()


def escape(text: str) -> bytes:
    """`text` as it stands between the quotes of a JSON string."""
    return encode_json(text)[1:-1]


def _sayable(value: Any) -> Any:
    match value:
        case str():
            return _SURROGATE.sub("\ufffd", str(value))
        case None | bool() | int():
            return value
        case float():
            return value if math.isfinite(value) else None
        case Mapping():
            return {_key(key): _sayable(member) for key, member in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_sayable(member) for member in value]
        case _:
            return _SURROGATE.sub("\ufffd", _foreign(value))


def _key(key: Any) -> str:
    return _SURROGATE.sub("\ufffd", as_text(key))


def _foreign(value: Any) -> str:
    try:
        text: str = orjson.loads(orjson.dumps(value))
    except orjson.JSONEncodeError:
        return str(value)
    return text if isinstance(text, str) else str(value)
