"""How a voice agent hears its caller: which part of a message is sound and not silence.

Written independently of `coval_load.codecs`, so that a fault there cannot hide itself here.
"""

import attrs
import numpy as np
import pybase64
from numpy.typing import NDArray

WINDOW_S = 0.01
AUDIBLE_DBFS = -45.0


@attrs.frozen
class Heard:
    """When the first audible sample began and the last one ended, in seconds on the clock of its messages.

    Audible is, in the first and the last loud window, the first and the last sample that is as loud itself.
    """

    first_at: float
    last_at: float


def _expand_mulaw() -> NDArray[np.int16]:
    """G.711 mu-law code -> linear 16-bit sample (ITU-T G.711, table 2a, scaled to 16 bits)."""
    code = ~np.arange(256, dtype=np.uint8)
    exponent, mantissa = (code >> 4) & 7, (code & 15).astype(np.int32)
    magnitude = ((mantissa * 8 + 132) << exponent) - 132
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


def _expand_alaw() -> NDArray[np.int16]:
    """G.711 A-law code -> linear 16-bit sample (ITU-T G.711, table 1a, scaled to 16 bits)."""
    code = np.arange(256, dtype=np.uint8) ^ 0x55
    exponent, mantissa = ((code >> 4) & 7).astype(np.int32), (code & 15).astype(np.int32)
    first_segment = mantissa * 16 + 8
    magnitude = np.where(exponent == 0, first_segment, (first_segment + 256) << np.maximum(exponent - 1, 0))
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


MULAW = _expand_mulaw()
ALAW = _expand_alaw()
EXPANDED = {"ulaw": MULAW, "alaw": ALAW}


class Hearing:
    """Judges 10 ms windows by their RMS. Messages that come every 20 ms hold two windows, aligned to both."""

    def __init__(self, rate_hz: int, encoding: str = "pcm", audible_dbfs: float = AUDIBLE_DBFS) -> None:
        self._rate_hz = rate_hz
        self._window = round(rate_hz * WINDOW_S)
        self._expanded = EXPANDED.get(encoding)
        self._audible_power: float = (10 ** (audible_dbfs / 20) * 32768) ** 2

    def hear(self, audio: bytes, at: float) -> Heard | None:
        """What is audible in mono audio that plays from `at` on; None if nothing is."""
        if self._expanded is not None:
            samples = self._expanded[np.frombuffer(audio, np.uint8)]
        else:
            samples = np.frombuffer(audio, "<i2", count=len(audio) // 2)
        # A caller that listens sends digital silence: by far the most frequent case, so it comes first.
        if not samples.any():
            return None
        return self._judge(samples, at)

    def _judge(self, samples: NDArray[np.int16], at: float) -> Heard | None:
        starts = np.arange(0, len(samples), self._window)
        powers = np.add.reduceat(np.square(samples, dtype=np.float64), starts)
        lengths = np.minimum(self._window, len(samples) - starts)
        loud = np.flatnonzero(powers > self._audible_power * lengths)
        if not len(loud):
            return None
        from_sample, last = int(starts[loud[0]]), int(loud[-1])
        to_sample = int(starts[last] + lengths[last])
        peaks = np.flatnonzero(np.square(samples[from_sample:to_sample], dtype=np.float64) > self._audible_power)
        first, end = from_sample + int(peaks[0]), from_sample + int(peaks[-1]) + 1
        return Heard(at + first / self._rate_hz, at + end / self._rate_hz)


def audio_in(message: object) -> bytes | None:
    """The audio bytes of a parsed `audio_chunk` message; None if it is another kind of message.

    Raises ValueError if the data are not base64.
    """
    if not isinstance(message, dict) or message.get("type") != "audio_chunk":
        return None
    data = message.get("data")
    if not isinstance(data, str):
        raise ValueError("expected base64 text at data")
    return pybase64.b64decode(data, validate=True)
