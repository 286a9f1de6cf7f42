"""One conversation whole, as its details on a page: seen and not acting, and no longer than one may read."""

from collections.abc import Mapping
from typing import Any

import attrs

from coval_load.engine.plain_json import dump_json
from coval_load.report.visible import visible, visible_json

BYTES_AT_MOST = 1_000_000
_DIGITS = 6  # microseconds: more only takes room
_DEEPEST = 100


@attrs.frozen
class Cuts:
    """Where details are cut, in characters and in pieces."""

    text: int = 20_000
    json: int = 4_000
    pieces: int = 1_000
    """Turns, and events, and checks."""


_USUAL, _TIGHT = Cuts(), Cuts(text=500, json=200, pieces=500)


def details(row: Mapping[str, Any]) -> bytes:
    """A row of `simulations.jsonl` as JSON with everything `visible`.

    A text of more than 20,000 characters, and payloads of events and arguments of tools of more than 4,000 as JSON,
    are cut, with how many more there were; what is cut so is a text, whatever it was. Of more than 1,000 turns or
    events the rest is left out, and `left_out` says how many. A conversation that is still longer than a megabyte is
    cut at 500 and 200. Durations and times are rounded to microseconds. Any JSON object is taken.
    """
    found = _written(row, _USUAL)
    return found if len(found) <= BYTES_AT_MOST else _written(row, _TIGHT)


def _written(row: Mapping[str, Any], cuts: Cuts) -> bytes:
    left_out: dict[str, int] = {}
    shown: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, list) and len(value) > cuts.pieces:
            left_out[name] = len(value) - cuts.pieces
        shown[visible(name)] = _shown(name, value[: cuts.pieces] if isinstance(value, list) else value, cuts)
    return dump_json(shown | ({"left_out": left_out} if left_out else {}))


def _shown(name: str, value: Any, cuts: Cuts) -> Any:
    if name == "transcript" and isinstance(value, list):
        return [_turn(turn, cuts) for turn in value]
    if name == "events" and isinstance(value, list):
        return [_event(event, cuts) for event in value]
    return _visible(value, cuts)


def _turn(turn: Any, cuts: Cuts) -> Any:
    shown = _visible(turn, cuts)
    tool = turn.get("tool") if isinstance(turn, dict) else None
    if isinstance(tool, dict) and "arguments" in tool:
        shown["tool"]["arguments"] = _short(tool["arguments"], cuts)
    return shown


def _event(event: Any, cuts: Cuts) -> Any:
    if not isinstance(event, dict) or "payload" not in event:
        return _visible(event, cuts)
    rest = {name: value for name, value in event.items() if name != "payload"}
    return _visible(rest, cuts) | {"payload": _short(event["payload"], cuts)}


def _short(value: Any, cuts: Cuts) -> Any:
    """A payload: whole, or the beginning of its text."""
    text = value if isinstance(value, str) else dump_json(value).decode()
    return visible_json(value) if len(text) <= cuts.json else _cut(text, cuts.json)


def _visible(value: Any, cuts: Cuts, depth: int = 0) -> Any:
    if isinstance(value, float):
        return round(value, _DIGITS)
    if isinstance(value, str):
        return _cut(value, cuts.text)
    if not isinstance(value, dict | list):
        return value
    if depth >= _DEEPEST:
        return "…"
    if isinstance(value, dict):
        return {_cut(key, cuts.text): _visible(member, cuts, depth + 1) for key, member in value.items()}
    return [_visible(member, cuts, depth + 1) for member in value]


def _cut(text: str, at: int) -> str:
    if len(text) <= at:
        return visible(text)
    return f"{visible(text[:at])}… ({len(text) - at:,} more characters)"
