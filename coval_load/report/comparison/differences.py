"""What else differs between two runs: their plans, versions and machines, since a change in load explains much."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

MOST = 12

_WIDTH = 48
_NOT_OF_THE_LOAD = (
    "name",
    "thresholds",
    "baseline",
    "baseline_values",
    "baseline_caution",
    "generator",
    "record",
    "tls",
)
_NAMED = ("agents", "scenarios", "personas")


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """`load.concurrency: 8 -> 16` for whatever differs of two `run.json`, most telling first, at most 12 lines."""
    found = list(_told(before, after))
    return found if len(found) <= MOST else [*found[: MOST - 1], f"and {len(found) - MOST + 1} more"]


def _told(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    first, second = _object(before.get("plan")), _object(after.get("plan"))
    keys = [key for key in {**first, **second} if key not in _NOT_OF_THE_LOAD]
    keys.sort(key=lambda key: (key != "load", key != "scenarios", key != "agents", key != "test_set"))
    for key in keys:
        yield from _of_key(key, first.get(key), second.get(key))
    for key in ("versions", "machine"):
        yield from _of_key(key, _object(before.get(key)), _object(after.get(key)))


def _of_key(key: str, first: Any, second: Any) -> Iterator[str]:
    if first == second:
        return
    if key == "test_set" or key.endswith(".test_set"):
        yield f"{key}: {_cases(first, second)}"
    elif key in _NAMED and isinstance(first, list) and isinstance(second, list):
        yield from _of_named(key, _by_name(first), _by_name(second))
    elif isinstance(first, dict) and isinstance(second, dict):
        for name in {**first, **second}:
            yield from _of_key(f"{key}.{name}", first.get(name), second.get(name))
    else:
        yield f"{key}: {_value(first)} -> {_value(second)}"


def _of_named(key: str, first: Mapping[str, Any], second: Mapping[str, Any]) -> Iterator[str]:
    if [*first] != [*second]:
        yield f"{key}: {_value(', '.join(first))} -> {_value(', '.join(second))}"
    for name in first:
        if name in second:
            yield from _of_key(f"{key}.{name}", first[name], second[name])


def _by_name(entries: list[Any]) -> dict[str, Any]:
    return {str(_object(entry).get("name", at)): entry for at, entry in enumerate(entries)}


def _cases(first: Any, second: Any) -> str:
    one, two = (value if isinstance(value, list) else [] for value in (first, second))
    if len(one) != len(two):
        return f"{len(one):,} -> {len(two):,} test cases"
    changed = sum(case != other for case, other in zip(one, two, strict=True))
    return f"{changed:,} of {len(one):,} test cases are others, or have other turns"


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _value(value: Any) -> str:
    if value is None:
        return "none"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 1]}…"
