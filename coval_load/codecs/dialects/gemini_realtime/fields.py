"""Fields of messages as protocol buffers put them into JSON: names in camelCase or snake_case, null for not set."""

import re
from functools import cache
from typing import Any

import attrs

from coval_load.codecs.dialects.json_messages import MOST_COUNTED, kind_of


@attrs.frozen
class Misshapen(Exception):
    """A field of a kind that it can't be; `reason` says what was expected."""

    reason: str


@cache
def snake_case(name: str) -> str:
    """`modelTurn` as `model_turn`."""
    return re.sub(r"[A-Z]", lambda found: f"_{found[0].lower()}", name)


def field_of(holder: dict[str, Any], name: str) -> Any:
    """What stands under `name`, given in camelCase; None where nothing does."""
    found = holder.get(name)
    return holder.get(snake_case(name)) if found is None else found


def object_in(holder: dict[str, Any], name: str) -> dict[str, Any] | None:
    """The object under `name`. Raises `Misshapen` where something else is."""
    found = field_of(holder, name)
    if found is None or isinstance(found, dict):
        return found
    raise Misshapen(f"expected an object at {name!r}; got {kind_of(found)}")


def objects_in(holder: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """The objects of the list under `name`. Raises `Misshapen` where something else is."""
    found = field_of(holder, name)
    if found is None:
        return []
    if not isinstance(found, list):
        raise Misshapen(f"expected a list at {name!r}; got {kind_of(found)}")
    for item in found:
        if not isinstance(item, dict):
            raise Misshapen(f"expected a list of objects at {name!r}; got {kind_of(item)} in it")
    return found


def text_in(holder: dict[str, Any], name: str) -> str:
    """The text under `name`, empty where nothing is. Raises `Misshapen` where something else is."""
    found = field_of(holder, name)
    if found is None or isinstance(found, str):
        return found or ""
    raise Misshapen(f"expected text at {name!r}; got {kind_of(found)}")


def count_in(holder: dict[str, Any], name: str) -> int | None:
    """The whole number, zero or above, under `name`; None where there is none that can be one of tokens."""
    found = field_of(holder, name)
    return found if type(found) is int and 0 <= found <= MOST_COUNTED else None


def is_set(holder: dict[str, Any], name: str) -> bool:
    """Whether the flag `name` is true."""
    return field_of(holder, name) is True
