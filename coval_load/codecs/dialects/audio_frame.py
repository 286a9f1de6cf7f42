"""Audio messages that differ in nothing but their audio: known by what stands around it, without parsing JSON."""

import re
from collections.abc import Callable
from typing import Any

import attrs
import orjson
import pybase64

_PROBE = "QUJD"
_MOST_KEPT = 1024
_MOST_AROUND_BYTES = 4096
_END_OF_VALUE = re.compile(rb'"[ \t\n\r]*[,}\]]')


@attrs.frozen
class AudioFrame:
    """What stands before and behind the base64 in an agent's audio messages.

    Base64 can hold nothing that ends a JSON string or escapes anything in it. So whatever base64 stands where that
    of the message learned from stood, parsing would give the same message with that as its audio.
    """

    before: bytes
    after: bytes

    def audio_in(self, payload: bytes) -> bytes | None:
        """The decoded audio of a message like that; None if it is another, or not valid base64."""
        before, after = self.before, self.after
        if not before or not payload.startswith(before) or not payload.endswith(after):
            return None
        end = len(payload) - len(after)
        if end < len(before):
            return None
        try:
            return pybase64.b64decode(payload[len(before) : end], validate=True)
        except ValueError:
            return None


UNKNOWN = AudioFrame(b"", b"")
"""Nothing is like it."""


@attrs.define
class AudioFrames:
    """Those of one agent: connections whose messages look alike share what they know, which is then in the cache.

    So many are kept, and none with more around its audio than some kilobytes.
    """

    _known: dict[AudioFrame, AudioFrame] = attrs.field(factory=dict, init=False)

    def learn(self, payload: bytes, message: Any, data_of: Callable[[Any], Any]) -> AudioFrame:
        """What is known from `payload`, which was parsed as `message`; `UNKNOWN` if nothing is.

        `data_of` finds the base64 in a parsed message that is audio, and anything but text in another.
        """
        data = data_of(message)
        if not isinstance(data, str) or not _is_base64(data) or payload.count(data.encode()) != 1:
            return UNKNOWN
        before, _, after = payload.partition(data.encode())
        # A key may hold the same letters: with others in it, audio that stands elsewhere may count.
        if len(before) + len(after) > _MOST_AROUND_BYTES or not _END_OF_VALUE.match(after):
            return UNKNOWN
        # What was read may be written with escapes, and this stand elsewhere: try with another.
        if data == _PROBE or data_of(_parsed(before + _PROBE.encode() + after)) != _PROBE:
            return UNKNOWN
        frame = AudioFrame(before, after)
        if len(self._known) < _MOST_KEPT:
            self._known.setdefault(frame, frame)
        return self._known.get(frame, frame)


def _is_base64(data: str) -> bool:
    try:
        pybase64.b64decode(data, validate=True)
    except ValueError:
        return False
    return True


def _parsed(payload: bytes) -> Any:
    try:
        return orjson.loads(payload)
    except orjson.JSONDecodeError:
        return None
