"""From one sample rate to another, by libsamplerate."""

from typing import Any

import numpy as np
import numpy.typing as npt
import samplerate

from coval_load.codecs.audio.pcm import WholeSamples, from_float, to_float

# The longest filter of libsamplerate reaches so far to each side, in samples of the lower of the rates.
_PADDING = 256


def resample_best(samples: npt.NDArray[Any], from_hz: int, to_hz: int) -> npt.NDArray[np.float32]:
    """A whole mono clip at `to_hz` by the best converter: 283 us for each 20 ms of 48 kHz, so do it once.

    The result has `round(len(samples) * to_hz / from_hz)` samples, the last ones included.
    """
    samples = np.asarray(samples, np.float32)
    if from_hz == to_hz or not len(samples):
        return samples
    ratio = to_hz / from_hz
    # Without silence to run out into, the converter stops some samples short of the end.
    padded = np.concatenate((samples, _silence(ratio)))
    resampled: npt.NDArray[np.float32] = samplerate.resample(padded, ratio, "sinc_best")
    return resampled[: round(len(samples) * ratio)]


class StreamingResampler:
    """16-bit mono PCM from one rate to another, piece by piece.

    The converter keeps a few milliseconds back until more comes or `flush` is called. `converter` is one
    of libsamplerate's: `sinc_fastest` takes 41 us for 20 ms of 48 kHz, `linear` 3.4 us.
    """

    def __init__(self, from_hz: int, to_hz: int, converter: str = "sinc_fastest") -> None:
        self._ratio = to_hz / from_hz
        self._whole = WholeSamples(2)
        self._resampler = samplerate.Resampler(converter, channels=1) if from_hz != to_hz else None
        self._taken = 0
        self._given = 0

    def push(self, pcm: bytes) -> bytes:
        """What `pcm` adds to the output; it may be cut within a sample."""
        pcm = self._whole.push(pcm)
        if self._resampler is None or not pcm:
            return pcm
        self._taken += len(pcm) // 2
        resampled = self._resampler.process(to_float(pcm), self._ratio)
        self._given += len(resampled)
        return from_float(resampled)

    def flush(self) -> bytes:
        """What the converter kept back, so that the output is as long as the input. Push nothing after."""
        if self._resampler is None:
            return b""
        # It only gives what it has room for in proportion to what is put in: so silence is put in.
        resampled = self._resampler.process(_silence(self._ratio), self._ratio, end_of_input=True)
        missing = round(self._taken * self._ratio) - self._given
        return from_float(resampled[: max(0, missing)])


def _silence(ratio: float) -> npt.NDArray[np.float32]:
    return np.zeros(int(_PADDING * max(1.0, 1.0 / ratio)), np.float32)
