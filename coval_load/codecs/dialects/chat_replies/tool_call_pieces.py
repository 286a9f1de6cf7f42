"""Tool calls, whole and in pieces, in the shape that `{"id", "function": {"name", "arguments"}}` gives them."""

from itertools import pairwise
from typing import Any

import orjson

from coval_load.codecs.dialects.json_messages import value_text
from coval_load.codecs.encoding import as_text
from coval_load.codecs.events import ToolCallReceived

_OVERHEAD = 64


def call_of(call_id: Any, name: Any, arguments: Any) -> ToolCallReceived | None:
    """A tool call, None where it has no name. A number is taken as an id; what is neither is no id."""
    if not isinstance(name, str) or not name:
        return None
    return ToolCallReceived(value_text(call_id) or "", name, arguments_text(arguments))


def arguments_text(arguments: Any) -> str:
    """Arguments as JSON text: a string as it is, any other value encoded, none as the empty string."""
    if arguments is None:
        return ""
    try:
        return as_text(arguments)
    except ValueError:
        return ""  # nested deeper than can be written


class ToolCallPieces:
    """Puts tool calls together whose ids, names and arguments come in pieces.

    Pieces belong together by their `index`; without one, by their id; without that too, to the call before,
    unless they name a function. Some servers repeat what they sent instead of going on: an id, a name or
    arguments that come again whole are taken once. `size` is about how many characters are kept.
    """

    def __init__(self) -> None:
        self.size = 0
        self._calls: list[_Pieces] = []
        self._by_index: dict[int, _Pieces] = {}
        self._by_id: dict[str, _Pieces] = {}

    def __bool__(self) -> bool:
        return bool(self._calls)

    def add(self, piece: Any) -> None:
        """One entry of a chunk's `tool_calls`; what is no object is passed over."""
        if not isinstance(piece, dict):
            return
        function = piece.get("function")
        named = function if isinstance(function, dict) else {}
        call_id, name = value_text(piece.get("id")) or "", value_text(named.get("name")) or ""
        call = self._call(piece.get("index"), call_id, name)
        arguments = arguments_text(named.get("arguments"))
        call.call_id = _continued(call.call_id, call_id)
        call.name = _continued(call.name, name)
        if arguments:
            call.arguments.append(arguments)
        self.size += _OVERHEAD + len(call_id) + len(name) + len(arguments)

    def whole(self) -> list[ToolCallReceived]:
        """The calls in the order in which they began; those that never got a name are left out."""
        return [ToolCallReceived(call.call_id, call.name, _joined(call.arguments)) for call in self._calls if call.name]

    def _call(self, index: Any, call_id: str, name: str) -> "_Pieces":
        if isinstance(index, int):
            known = self._by_index.get(index)
            if known is None or _is_another(known, call_id, name):
                known = self._by_index[index] = self._begin()
            return known
        if call_id:
            return self._by_id.get(call_id) or self._by_id.setdefault(call_id, self._begin())
        return self._begin() if name or not self._calls else self._calls[-1]

    def _begin(self) -> "_Pieces":
        self._calls.append(_Pieces())
        return self._calls[-1]


class _Pieces:
    def __init__(self) -> None:
        self.call_id = ""
        self.name = ""
        self.arguments: list[str] = []


def _is_another(known: _Pieces, call_id: str, name: str) -> bool:
    # Some servers give every one of several calls the index 0.
    return bool(call_id and name and known.name) and call_id != known.call_id


def _continued(so_far: str, piece: str) -> str:
    return piece if piece.startswith(so_far) else so_far + piece


def _joined(pieces: list[str]) -> str:
    """All pieces, or the last where it repeats the ones before, as a whole or each time a little longer."""
    joined = "".join(pieces)
    if len(pieces) < 2:
        return joined
    *before, last = pieces
    is_repeated = "".join(before) == last or all(later.startswith(earlier) for earlier, later in pairwise(pieces))
    return last if is_repeated and _is_object(last) else joined


def _is_object(text: str) -> bool:
    try:
        return isinstance(orjson.loads(text), dict)
    except orjson.JSONDecodeError:
        return False
