"""Any value as JSON: what cannot stand in JSON is written as text, so that no record is lost over it."""

from numbers import Integral
from typing import Any

import attrs
import orjson

_DEEPEST = 100
_LOWEST, _HIGHEST = -(2**63), 2**64 - 1


def dump_json(value: Any, *, indented: bool = False) -> bytes:
    """`value` as JSON on one line, or indented with a newline at the end.

    NaN and infinities become null. What JSON has no word for becomes text: bytes with escapes for what is
    no UTF-8, lone surrogates as U+FFFD, integers above 64 bits in hexadecimal, any other object as the
    name of its class in angle brackets (never its `repr`, which might hold a secret), and containers in
    themselves or more than 100 deep as `…`.
    """
    options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE if indented else 0
    try:
        return orjson.dumps(value, option=options)
    except (TypeError, RecursionError):
        return orjson.dumps(plain(value), option=options)


def plain(value: Any) -> Any:
    """A copy of `value` made of what JSON has words for; see `dump_json`."""
    return _plain(value, ())


def _plain(value: Any, inside: tuple[int, ...]) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, float):
        return float(value)
    if isinstance(value, str):
        return _without_surrogates(value)
    if isinstance(value, Integral):
        number = int(value)
        return number if _LOWEST <= number <= _HIGHEST else hex(number)
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("utf-8", "backslashreplace")
    if id(value) in inside or len(inside) >= _DEEPEST:
        return "…"
    return _plain_container(value, (*inside, id(value)))


def _plain_container(value: Any, inside: tuple[int, ...]) -> Any:
    if isinstance(value, dict):
        return {_key(key): _plain(member, inside) for key, member in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(member, inside) for member in value]
    if attrs.has(type(value)):
        fields = {field.name: getattr(value, field.name) for field in attrs.fields(type(value)) if field.repr}
        return _plain_container(fields, inside)
    return _leaf(value)


def _leaf(value: Any) -> Any:
    try:
        return orjson.loads(orjson.dumps(value))  # a date, a UUID
    except TypeError:
        return f"<{type(value).__name__}>"


def _key(key: Any) -> str:
    written = _plain(key, ())
    return written if isinstance(written, str) else orjson.dumps(written).decode()


def _without_surrogates(text: str) -> str:
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
