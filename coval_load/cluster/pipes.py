"""Pieces of bytes over a pipe: four bytes of length, big-endian, then so many of the piece."""

from collections.abc import Iterator
from typing import IO

import attrs

LARGEST = 256 * 1024 * 1024
"""Bytes of one piece."""
_HEAD = 4


def frame(piece: bytes) -> bytes:
    """A piece as it goes over a pipe. ValueError where it is larger than may be."""
    if len(piece) > LARGEST:
        raise ValueError(f"expected at most {LARGEST} bytes in one piece; got {len(piece)}")
    return len(piece).to_bytes(_HEAD, "big") + piece


def write_piece(pipe: IO[bytes], piece: bytes) -> None:
    """Blocks until all is written; `pipe` is unbuffered or flushed by this. OSError where nobody reads any more."""
    pipe.write(frame(piece))
    pipe.flush()


def read_piece(pipe: IO[bytes]) -> bytes | None:
    """Blocks until there is a piece of a buffered `pipe`; None at its end.

    ValueError for a piece that is larger than may be, and for an end in the middle of one.
    """
    head = pipe.read(_HEAD)
    if not head:
        return None
    size = _size(head) if len(head) == _HEAD else 0
    piece = pipe.read(size)
    if len(head) < _HEAD or len(piece) < size:
        raise ValueError("expected whole pieces; got an end in the middle of one")
    return piece


@attrs.define
class Frames:
    """Reads pieces from whatever cuts a stream comes in. Holds at most one piece that is not whole."""

    _waiting: bytearray = attrs.field(factory=bytearray, init=False)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The pieces that are whole with `data`. ValueError for one that is larger than may be."""
        self._waiting += data
        return self._whole()

    def _whole(self) -> Iterator[bytes]:
        while (end := self._end()) <= len(self._waiting):
            yield bytes(memoryview(self._waiting)[_HEAD:end])
            del self._waiting[:end]

    @property
    def is_between(self) -> bool:
        """Whether the stream may end here: all pieces so far were whole."""
        return not self._waiting

    def _end(self) -> int:
        if len(self._waiting) < _HEAD:
            return _HEAD
        return _HEAD + _size(bytes(self._waiting[:_HEAD]))


def _size(head: bytes) -> int:
    size = int.from_bytes(head, "big")
    if size > LARGEST:
        raise ValueError(f"expected at most {LARGEST} bytes in one piece; got {size} announced")
    return size
