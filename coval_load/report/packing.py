"""Details of thousands of conversations in the few megabytes that one file has room for."""

import base64
import enum
import gzip
import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import attrs
import orjson

from coval_load.engine.plain_json import dump_json
from coval_load.report.details import BYTES_AT_MOST, details
from coval_load.report.kept import Kept
from coval_load.report.scan import read_at, row_bytes_at

PER_CHUNK = 100
CHARACTERS_AT_MOST = 14_000_000
"""Of all chunks together, as base64."""

_LEVEL = 6
_TRIED_CHUNKS = 5
_ATTEMPTS = 4
_CAUTIOUSLY = 0.97
_LESS = 0.9


class Interest(enum.IntEnum):
    """What goes first where there is not room for all."""

    SOME = 0
    MORE = 1
    MOST = 2


def pack(value: Any) -> str:
    """`value` as base64 of gzip of JSON; the same value always gives the same text."""
    return _packed(dump_json(value))


def unpack(text: str) -> Any:
    """What `pack` was given."""
    return orjson.loads(gzip.decompress(base64.b64decode(text)))


def _packed(json: bytes) -> str:
    return base64.b64encode(gzip.compress(json, _LEVEL, mtime=0)).decode("ascii")


@attrs.frozen
class Wanted:
    """A conversation whose details are to be packed: the byte its row begins at, and what it is called."""

    offset: int
    id: str
    interest: Interest


def pack_details(
    folder: Path,
    wanted: Sequence[Wanted],
    kept: Kept,
    seed: str = "",
    *,
    at_most: int = CHARACTERS_AT_MOST,
) -> tuple[list[str], list[bool]]:
    """Chunks of the details of `wanted`, 100 in each, and which of them have theirs in it.

    What was `kept` whole is taken in the place of its row. The chunks have `at_most` characters
    together: where that is too few, the least interesting details are left out, by chance among equals. Null stands
    in their place; a chunk that would have nothing else is an empty text. One chunk is held at a time, beside what is
    packed.

    Error handling: OSError or ValueError where no row begins at an offset.
    """
    packing = _Packing(folder, wanted, kept, at_most)
    return packing.pack(_order(wanted, random.Random(seed)))


def _order(wanted: Sequence[Wanted], chance: random.Random) -> list[int]:
    """Places by how much one may want what is there."""
    places = list(range(len(wanted)))
    chance.shuffle(places)
    return sorted(places, key=lambda place: -wanted[place].interest)


@attrs.define
class _Packing:
    folder: Path
    wanted: Sequence[Wanted]
    kept: Kept
    at_most: int
    _sizes: list[int] = attrs.field(init=False)
    """Roughly how many bytes of JSON each has."""

    @_sizes.default
    def _measure(self) -> list[int]:
        rows = row_bytes_at(self.folder, (one.offset for one in self.wanted))
        sizes = (row + self.kept.size(one.id) for row, one in zip(rows, self.wanted, strict=True))
        return [min(size, BYTES_AT_MOST) for size in sizes]

    def pack(self, order: Sequence[int]) -> tuple[list[str], list[bool]]:
        room = sum(self._sizes) if sum(self._sizes) <= self.at_most else _CAUTIOUSLY * self.at_most / self._tried()
        for _ in range(_ATTEMPTS):
            taken = self._fitting(order, room)
            chunks = self._attempt(taken)
            if len(chunks) * PER_CHUNK >= len(taken):
                break
            room *= _LESS
        # Should they never fit, the last ones go without.
        fitted = len(chunks) * PER_CHUNK
        chunks += [""] * (-(-len(taken) // PER_CHUNK) - len(chunks))
        return chunks, [one and place < fitted for place, one in enumerate(taken)]

    def _tried(self) -> float:
        """How many characters a byte of a row becomes, as some chunks tell."""
        starts = range(0, len(self.wanted), PER_CHUNK)
        tried = starts[:: max(1, len(starts) // _TRIED_CHUNKS)]
        size = sum(sum(self._sizes[start : start + PER_CHUNK]) for start in tried)
        return sum(len(self._chunk(start, [True] * PER_CHUNK)) for start in tried) / max(size, 1)

    def _fitting(self, order: Iterable[int], room: float) -> list[bool]:
        taken = [False] * len(self.wanted)
        for place in order:
            if self._sizes[place] <= room:
                room -= self._sizes[place]
                taken[place] = True
        return taken

    def _attempt(self, taken: Sequence[bool]) -> list[str]:
        """The chunks with these details, as many as there is room for."""
        chunks, left = list[str](), self.at_most
        for start in range(0, len(self.wanted), PER_CHUNK):
            some = taken[start : start + PER_CHUNK]
            chunk = self._chunk(start, some) if any(some) else ""
            left -= len(chunk)
            if left < 0:
                break
            chunks.append(chunk)
        return chunks

    def _chunk(self, start: int, taken: Sequence[bool]) -> str:
        some = self.wanted[start : start + PER_CHUNK]
        rows = read_at(self.folder, (one.offset for one, is_taken in zip(some, taken, strict=False) if is_taken))
        found = (
            details(self.kept.whole(next(rows))) if is_taken else b"null"
            for _, is_taken in zip(some, taken, strict=False)
        )
        return _packed(b"[" + b",".join(found) + b"]")
