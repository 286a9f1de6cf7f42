"""The frames that nearly all traffic is made of, read without the Sans-I/O protocol's machinery.

A whole, unfragmented data frame of a server (RFC 6455 section 5.2: FIN set, no reserved bit, text or binary, not
masked) is its payload behind two or four bytes. `websockets` takes 4.4 us for one among 500 connections, this
0.5 us; whatever else comes, and whatever comes behind it, is the protocol's. A property test holds the two to agree.
"""

import os
import struct
from collections.abc import Iterator
from secrets import token_bytes
from typing import Any

from websockets.protocol import Protocol
from websockets.streams import StreamReader

try:
    from websockets.speedups import apply_mask
except ImportError:  # a platform without the C extension
    from websockets.utils import apply_mask

TEXT_HEAD, _BINARY = 0x81, 0x82
"""The first byte of a whole text message, and of a binary one."""
_HEADS = (TEXT_HEAD, _BINARY)
_MASKED = 0x80
_TWO_BYTES_MORE = 126
_LONGEST = 0xFFFF
_HEAD = struct.Struct("!BBH")
_MASK_BYTES = 4
_MASKS_AT_ONCE = 1024
_BEFORE_A_FRAME = StreamReader.at_eof.__code__
"""Where the protocol's parser waits before each frame."""


def _fresh_masks() -> Iterator[bytes]:
    # Each is unpredictable and used once (RFC 6455 section 5.3), without a call of the kernel for each.
    while True:
        pool = token_bytes(_MASKS_AT_ONCE * _MASK_BYTES)
        for at in range(0, len(pool), _MASK_BYTES):
            yield pool[at : at + _MASK_BYTES]


class _Masks:
    """One pool for each process: a forked one must not use its parent's masks again."""

    def __init__(self) -> None:
        self.renew()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.renew)

    def renew(self) -> None:
        self.take = _fresh_masks().__next__


_masks = _Masks()


def is_between_frames(protocol: Protocol) -> bool:
    """Whether what `protocol` is given next begins where a frame begins, outside of a fragmented message.

    Its buffer alone does not tell: it is empty, too, when all that came of a frame is its head.
    """
    if protocol.reader.buffer or protocol.current_size is not None:
        return False
    waiting: Any = protocol.parser
    while (inner := getattr(waiting, "gi_yieldfrom", None)) is not None:
        waiting = inner
    return getattr(waiting, "gi_code", None) is _BEFORE_A_FRAME


def plain_frame(payload: bytes, is_text: bool) -> bytes | None:
    """A client's whole message in one frame, masked afresh (RFC 6455 section 5.3); None if it is too long for that."""
    size = len(payload)
    opcode = TEXT_HEAD if is_text else _BINARY
    if size < _TWO_BYTES_MORE:
        head = bytes((opcode, _MASKED | size))
    elif size <= _LONGEST:
        head = _HEAD.pack(opcode, _MASKED | _TWO_BYTES_MORE, size)
    else:
        return None
    mask = _masks.take()
    return head + mask + apply_mask(payload, mask)


def only_plain_frame(data: bytes) -> bytes | None:
    """The message, if `data` is a single plain frame, as nearly all reads are; None if it is more, less or other.

    `data` must begin where a frame begins, outside of a fragmented message, and hold a byte at least.
    """
    size = len(data)
    if size <= 4 or data[0] not in _HEADS:
        return None
    length = data[1]
    if length == _TWO_BYTES_MORE:
        return data[4:] if (data[2] << 8 | data[3]) + 4 == size else None
    # 127 stands for eight bytes more, and from 128 on the frame is masked.
    return data[2:] if length < _TWO_BYTES_MORE and length + 2 == size else None


def take_plain_frames(data: bytes) -> tuple[list[tuple[bytes, bool]], int]:
    """The messages at the start of `data`, each with whether it is text, and where the rest begins.

    `data` must begin where a frame begins, outside of a fragmented message.
    """
    messages = []
    start, size = 0, len(data)
    while size - start > 4:
        opcode, length = data[start], data[start + 1]
        begin = start + 2
        if length == _TWO_BYTES_MORE:
            length = data[begin] << 8 | data[begin + 1]
            begin += 2
        elif length > _TWO_BYTES_MORE:
            break
        end = begin + length
        if end > size or (opcode != TEXT_HEAD and opcode != _BINARY):
            break
        messages.append((data[begin:end], opcode == TEXT_HEAD))
        start = end
    return messages, start
