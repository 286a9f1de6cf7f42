"""Conversations that a run kept whole, beside the rows of all: `conversations/<simulation_output_id>.json`."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs
import orjson


@attrs.define
class Kept:
    """Those that the run in `folder` kept; which, is looked up once."""

    folder: Path
    _identities: frozenset[str] = attrs.field(init=False)

    @_identities.default
    def _look_up(self) -> frozenset[str]:
        return frozenset(path.stem for path in (self.folder / "conversations").glob("*.json"))

    def __contains__(self, identity: object) -> bool:
        return identity in self._identities

    def whole(self, row: Mapping[str, Any]) -> Mapping[str, Any]:
        """The conversation that `row` is of as it was kept; `row` itself where it was not, or no such file is left."""
        identity = row.get("simulation_output_id")
        if identity not in self._identities:
            return row
        try:
            found = orjson.loads(self._file(str(identity)).read_bytes())
        except (OSError, orjson.JSONDecodeError):
            return row
        return found if _is_of(found, identity) else row

    def size(self, identity: str) -> int:
        """How many bytes were kept of a conversation; 0 where it was not."""
        if identity in self._identities:
            with suppress(OSError):
                return self._file(identity).stat().st_size
        return 0

    def _file(self, identity: str) -> Path:
        return self.folder / "conversations" / f"{identity}.json"


def _is_of(found: Any, identity: object) -> bool:
    is_one = isinstance(found, dict) and found.get("simulation_output_id") == identity
    return is_one and isinstance(found.get("transcript"), list)
