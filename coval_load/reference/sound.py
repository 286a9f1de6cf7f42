"""The agent's voice: clips made into audio of the form that its callers expect."""

import io

import av
import numpy as np
import samplerate
from numpy.typing import NDArray

from coval_load.codecs.audio.packaged import read_clip
from coval_load.reference.hearing import AUDIBLE_DBFS, WINDOW_S

Samples = NDArray[np.float32]
MULAW_BIAS = 0x84
MULAW_CLIP = 32_635
ALAW_CLIP = 32_767
MP3_BITS_PER_S = 64_000


def load_clip(name: str, rate_hz: int) -> Samples:
    """A packaged clip at `rate_hz`, mono float32 in -1..1, beginning with its first audible 10 ms window."""
    with av.open(io.BytesIO(read_clip(name)), "r") as container:
        frames = [frame.to_ndarray()[0] for frame in container.decode(audio=0)]
        clip_rate_hz = container.streams.audio[0].rate
    samples = np.concatenate(frames).astype(np.float32) / np.float32(32768)
    if clip_rate_hz != rate_hz:
        samples = np.asarray(samplerate.resample(samples, rate_hz / clip_rate_hz, "sinc_best"), np.float32)
    return trim_start(samples, rate_hz)


def trim_start(samples: Samples, rate_hz: int) -> Samples:
    """Cuts what is before the first sample that is audible itself and begins an audible window."""
    window = round(rate_hz * WINDOW_S)
    threshold = 10 ** (AUDIBLE_DBFS / 20)
    energy = np.concatenate([[0.0], np.cumsum(samples.astype(np.float64) ** 2)])
    loud_window = (energy[window:] - energy[:-window]) / window > threshold**2
    starts = np.flatnonzero(loud_window & (np.abs(samples[: len(loud_window)]) > threshold))
    return samples[starts[0] :]


def fit(samples: Samples, length: int) -> Samples:
    """`length` samples: cut, or begun again as often as it takes."""
    return np.resize(samples, length)


def lead_in(samples: Samples, silence_s: float, rate_hz: int) -> Samples:
    return np.concatenate([np.zeros(round(silence_s * rate_hz), np.float32), samples])


def to_pcm(samples: Samples, channels: int = 1) -> bytes:
    """16-bit little-endian; each channel holds the same."""
    pcm = np.round(np.clip(samples, -1, 1) * 32767).astype("<i2")
    return np.repeat(pcm, channels).tobytes()


def to_mulaw(samples: Samples) -> bytes:
    """ITU-T G.711 mu-law, one byte a sample."""
    linear = np.round(np.clip(samples, -1, 1) * 32767).astype(np.int32)
    magnitude = np.minimum(np.abs(linear), MULAW_CLIP) + MULAW_BIAS
    exponent = np.floor(np.log2(magnitude)).astype(np.int32) - 7
    mantissa = (magnitude >> (exponent + 3)) & 15
    sign = np.where(linear < 0, 0x80, 0)
    coded: NDArray[np.uint8] = (~(sign | (exponent << 4) | mantissa) & 0xFF).astype(np.uint8)
    return coded.tobytes()


def to_alaw(samples: Samples) -> bytes:
    """ITU-T G.711 A-law, one byte a sample: even bits inverted, as they are on the wire."""
    linear = np.round(np.clip(samples, -1, 1) * 32767).astype(np.int32)
    # The negative half of the scale begins one below zero.
    magnitude = np.minimum(np.where(linear < 0, -linear - 1, linear), ALAW_CLIP) >> 4
    exponent = np.maximum(np.floor(np.log2(np.maximum(magnitude, 1))).astype(np.int32) - 3, 0)
    mantissa = (magnitude >> np.maximum(exponent - 1, 0)) & 15
    sign = np.where(linear < 0, 0, 0x80)
    coded: NDArray[np.uint8] = ((sign | (exponent << 4) | mantissa) ^ 0x55).astype(np.uint8)
    return coded.tobytes()


def to_mp3(samples: Samples, rate_hz: int) -> bytes:
    """A whole MP3 stream. The encoder adds some 25 to 50 ms of silence of its own at the start."""
    sink = io.BytesIO()
    with av.open(sink, "w", format="mp3", options={"write_xing": "0", "id3v2_version": "0"}) as container:
        stream = container.add_stream("libmp3lame", rate=rate_hz, layout="mono")
        stream.bit_rate = MP3_BITS_PER_S
        frame = av.AudioFrame.from_ndarray(samples[np.newaxis, :], format="fltp", layout="mono")
        frame.sample_rate = rate_hz
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return sink.getvalue()
