"""The agent's audio, whose mime type says its rate, as PCM of one rate."""

import re
from typing import Any

import attrs
import pybase64

from coval_load.codecs.audio.pcm import WholeSamples
from coval_load.codecs.dialects.gemini_realtime.fields import Misshapen, text_in
from coval_load.codecs.dialects.json_messages import quoted

RATE_HZ = 24_000
"""Of the PCM that is given; what the API sends, too, unless a mime type says otherwise."""

_RATES_HZ = range(8_000, 192_001)
_MOST_RESAMPLED_S = 60
"""In one message: no other simulation can go on while it is resampled."""
_MIME_TYPE = re.compile(r"\s*audio/pcm\s*((?:;[^;]*)*)", re.IGNORECASE)
_RATE = re.compile(r";\s*rate\s*=\s*\"?(\d{1,7})\"?\s*(?=;|$)", re.IGNORECASE)
_SOME_RATE = re.compile(r";\s*rate\b", re.IGNORECASE)
_URL_SAFE = str.maketrans("-_", "+/")


@attrs.frozen
class Piece:
    """Mono 16-bit little-endian PCM at `rate_hz`, which may be cut within a sample."""

    mime_type: str
    data: bytes
    rate_hz: int

    @property
    def seconds(self) -> float:
        """How long it plays."""
        return len(self.data) // 2 / self.rate_hz


def read_piece(blob: dict[str, Any]) -> Piece:
    """The audio in an `inlineData`. Raises `Misshapen` where it is none."""
    mime_type = text_in(blob, "mimeType")
    piece = Piece(mime_type, read_base64(text_in(blob, "data")), rate_of(mime_type))
    if piece.rate_hz != RATE_HZ and piece.seconds > _MOST_RESAMPLED_S:
        raise Misshapen(f"expected at most {_MOST_RESAMPLED_S} s of audio of another rate than {RATE_HZ} Hz at once")
    return piece


def rate_of(mime_type: str) -> int:
    """The rate in Hz that stands in a mime type such as `audio/pcm;rate=16000`. Raises `Misshapen`."""
    found = _MIME_TYPE.fullmatch(mime_type)
    if found is None:
        raise Misshapen(f"expected audio of mime type audio/pcm in inlineData; got {quoted(mime_type)}")
    rate = _RATE.search(found[1])
    if rate is None and not _SOME_RATE.search(found[1]):
        return RATE_HZ
    if rate is None or int(rate[1]) not in _RATES_HZ:
        raise Misshapen(f"expected a rate from 8000 to 192000 Hz in the mime type; got {quoted(mime_type)}")
    return int(rate[1])


def read_base64(text: str) -> bytes:
    """The bytes of base64, standard or URL-safe, with or without padding. Raises `Misshapen`."""
    try:
        return pybase64.b64decode(text, validate=True)
    except ValueError:
        pass
    try:
        return pybase64.b64decode(
            text.rstrip("=").translate(_URL_SAFE) + "=" * (-len(text.rstrip("=")) % 4), validate=True
        )
    except ValueError as error:
        raise Misshapen(f"expected base64 at 'data' of inlineData; got {quoted(text)}: {error}") from error


class ReplyAudio:
    """The audio of one reply after another, at `RATE_HZ`. Buffers a few milliseconds where another rate comes."""

    def __init__(self) -> None:
        self.mime_type = ""
        """Of what came last in this reply, if it has `RATE_HZ`: more of it may be given to `push`. Empty without."""
        self._rate_hz = RATE_HZ
        self._whole = WholeSamples(2)
        self._resampler: Any = None

    def push(self, data: bytes) -> bytes:
        """What `data` of the rate that came last adds."""
        pcm: bytes = self._whole.push(data) if self._resampler is None else self._resampler.push(data)
        return pcm

    def take(self, piece: Piece) -> bytes:
        """What `piece` adds, and what was kept back of another rate before it."""
        if piece.rate_hz == self._rate_hz:
            kept = b""
        else:
            kept = self.rest()
            self._turn_to(piece.rate_hz)
        if self._resampler is None:
            self.mime_type = piece.mime_type
        return kept + self.push(piece.data)

    def rest(self) -> bytes:
        """What was kept back, of which the reply ends."""
        kept: bytes = b"" if self._resampler is None else self._resampler.flush()
        self._turn_to(RATE_HZ)
        return kept

    def _turn_to(self, rate_hz: int) -> None:
        self.mime_type, self._rate_hz = "", rate_hz
        self._whole = WholeSamples(2)
        self._resampler = None
        if rate_hz != RATE_HZ:
            from coval_load.codecs.audio.resampling import StreamingResampler

            self._resampler = StreamingResampler(rate_hz, RATE_HZ)
