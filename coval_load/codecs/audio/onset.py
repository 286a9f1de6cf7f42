"""Where in a stream of audio there is sound: 10 ms windows, judged by RMS against a threshold in dBFS.

Full scale is 32,768. Energies are summed in 64-bit floats, in which sums of squared 16-bit samples are
exact, so that a window is judged the same however the stream was cut into messages.
"""

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

WINDOW_S = 0.01
THRESHOLD_DBFS = -45.0
FULL_SCALE = 32768.0
_INT16 = np.dtype("<i2")
_FLOAT64 = np.dtype("<f8")
# Python looks at so many samples before numpy is called: in speech one of them mostly is loud enough.
_PEEK = 8
_MOST_ZEROS = 8192
# To look at the last window, the first and so few between costs less than to look at all.
_MOST_LOOKS = 4
_NOTHING: Sequence["Run"] = ()

Run: TypeAlias = tuple[int, int]
"""First and last audible sample of a stretch of sound, counted in samples, both inclusive."""

_Samples: TypeAlias = npt.NDArray[np.float64]


def window_samples(rate_hz: int) -> int:
    """How many samples are judged at a time."""
    return max(1, round(rate_hz * WINDOW_S))


def audible_span(pcm: bytes, rate_hz: int, threshold_dbfs: float = THRESHOLD_DBFS) -> Run | None:
    """First and last audible sample of a whole clip of mono 16-bit PCM, or None if it is silent.

    Audible is, in the first and the last loud window, the first and the last sample whose magnitude
    reaches the threshold's amplitude. What is left at the end is a window too, if a short one.
    """
    meter = LoudnessMeter(rate_hz, threshold_dbfs, gap_s=float("inf"))
    samples = len(pcm) // 2
    runs = [*meter.push(pcm), *((first + samples, last + samples) for first, last in meter.flush())]
    return (runs[0][0], runs[-1][1]) if runs else None


class LoudnessMeter:
    """Finds the stretches of sound in a stream of mono 16-bit little-endian PCM, message by message.

    Silence of more than `gap_s` seconds, counted in whole windows, parts two stretches within a message.
    Between messages nothing is joined: that is the listener's to do.
    """

    def __init__(self, rate_hz: int, threshold_dbfs: float = THRESHOLD_DBFS, gap_s: float = 0.2) -> None:
        self.amplitude = FULL_SCALE * 10 ** (threshold_dbfs / 20)
        self._window = window_samples(rate_hz)
        self._window_bytes = 2 * self._window
        self._loud_energy = self.amplitude**2 * self._window
        # Rounded, because 0.29 / 0.01 is a little less than 29.
        self._gap_windows = round(gap_s / WINDOW_S, 6)
        # So few windows can't hold two loud ones with a gap between them.
        self._short_bytes = int(min(4, self._gap_windows + 2)) * self._window_bytes
        self._stride = (int(min(self._gap_windows, 1_000_000)) + 1) * self._window
        self._glance_bytes = _MOST_LOOKS * 2 * self._stride
        self._carry = b""
        self._zeros = b""

    def push(self, pcm: bytes) -> Sequence[Run]:
        """The stretches of sound in the windows that `pcm` completes, in order; empty where all are quiet.

        Offsets count from the first sample of `pcm`; they are negative in a window that began in an
        earlier message. Up to one window of audio is carried over to the next call.

        Measured on one server core, in microseconds, for 20 ms at 16 kHz and at 48 kHz: zeros 0.04 and
        0.04, noise below the threshold 1.0 and 1.1, speech 2.3 and 2.6, a faint hum 4.9 and 5.2; 200 ms in
        the middle of speech 3.5 and 3.6; 5 s of speech at 48 kHz in one message 110.
        """
        offset = 0
        if self._carry:
            offset = -(len(self._carry) // 2)
            pcm = self._carry + pcm
            self._carry = b""
        elif pcm == self._zeros:
            return _NOTHING
        size = len(pcm)
        left_over = size % self._window_bytes
        if left_over:
            size -= left_over
            self._carry = pcm[size:]
            if not size:
                return _NOTHING
        raw = np.frombuffer(pcm, _INT16, size >> 1)
        if self._short_bytes < size <= self._glance_bytes:
            unbroken = self._unbroken(raw, offset)
            if unbroken:
                return unbroken
        samples = raw.astype(_FLOAT64)
        energy = samples.dot(samples)
        if energy <= self._loud_energy:
            if not energy and not offset and not left_over and size <= _MOST_ZEROS:
                # The next message of nothing but zeros costs a comparison.
                self._zeros = pcm
            return _NOTHING
        if size <= self._short_bytes:
            return self._one_run(samples, energy, offset)
        return list(self._runs(samples, offset))

    def last(self, pcm: bytes) -> int | None:
        """The last audible sample of `pcm`, None if it is silent, where nothing is carried over and nothing will be.

        `pcm` is whole windows. In the middle of sound only the last of them is looked at.
        """
        raw = np.frombuffer(pcm, _INT16)
        for at in range(len(raw) - self._window, -1, -self._window):
            window = raw[at : at + self._window].astype(_FLOAT64)
            if window.dot(window) > self._loud_energy:
                return at + self._last_audible(window)
        return None

    def flush(self) -> Sequence[Run]:
        """Judge the window that the end of the audio left incomplete, by the RMS of the part there is.

        Offsets count from the end of the audio, so they are negative.
        """
        samples = np.frombuffer(self._carry, _INT16, len(self._carry) // 2).astype(_FLOAT64)
        self._carry = b""
        if not len(samples) or samples.dot(samples) <= self.amplitude**2 * len(samples):
            return _NOTHING
        return [self._span(samples, samples, -len(samples), -len(samples))]

    def _one_run(self, samples: _Samples, rest: float, offset: int) -> Sequence[Run]:
        # A handful of windows: one product for each end beats the set-up of anything vectorised. What
        # `rest` of the energy the windows not yet looked at hold is exact, so it can stand for a product.
        window, loud_energy = self._window, self._loud_energy
        first, last = 0, len(samples) - window
        while rest > loud_energy:
            head = samples[first : first + window]
            energy = head.dot(head)
            rest -= energy
            if energy > loud_energy:
                break
            first += window
        else:
            return _NOTHING
        while rest > loud_energy:
            tail = samples[last : last + window]
            energy = rest if last == first + window else tail.dot(tail)
            if energy > loud_energy:
                return (self._span(head, tail, offset + first, offset + last),)
            rest -= energy
            last -= window
        return (self._span(head, head, offset + first, offset + first),)

    def _unbroken(self, raw: npt.NDArray[np.int16], offset: int) -> Sequence[Run]:
        # In the middle of sound a loud window here and there shows that no gap is between them.
        window, loud_energy = self._window, self._loud_energy
        last = len(raw) - window
        tail = raw[last:].astype(_FLOAT64)
        if tail.dot(tail) <= loud_energy:
            return _NOTHING
        head = raw[:window].astype(_FLOAT64)
        if head.dot(head) <= loud_energy:
            return _NOTHING
        for at in range(self._stride, last, self._stride):
            middle = raw[at : at + window].astype(_FLOAT64)
            if middle.dot(middle) <= loud_energy:
                return _NOTHING
        return (self._span(head, tail, offset, offset + last),)

    def _runs(self, samples: _Samples, offset: int) -> Iterator[Run]:
        windows = samples.reshape(-1, self._window)
        loud = np.flatnonzero(np.einsum("ij,ij->i", windows, windows) > self._loud_energy)
        if not len(loud):
            return
        breaks = np.flatnonzero(np.diff(loud) - 1 > self._gap_windows)
        firsts = loud[np.concatenate(([0], breaks + 1))]
        lasts = loud[np.concatenate((breaks, [len(loud) - 1]))]
        for first, last in zip(firsts.tolist(), lasts.tolist(), strict=True):
            head_at, tail_at = offset + first * self._window, offset + last * self._window
            yield self._span(windows[first], windows[last], head_at, tail_at)

    def _span(self, head: _Samples, tail: _Samples, head_at: int, tail_at: int) -> Run:
        amplitude = self.amplitude
        for index, sample in enumerate(head[:_PEEK].tolist()):
            if sample >= amplitude or sample <= -amplitude:
                first = index
                break
        else:
            first = int((np.abs(head) >= amplitude).argmax())
        return head_at + first, tail_at + self._last_audible(tail)

    def _last_audible(self, window: _Samples) -> int:
        amplitude = self.amplitude
        for index, sample in enumerate(window[: -_PEEK - 1 : -1].tolist()):
            if sample >= amplitude or sample <= -amplitude:
                return len(window) - 1 - index
        return len(window) - 1 - int((np.abs(window) >= amplitude)[::-1].argmax())
