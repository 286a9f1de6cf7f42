"""Clips of audio from files: WAV, MP3, FLAC and Ogg Vorbis, as mono floats."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import av
    from av.container import InputContainer

LONGEST_S = 600.0
# No playlist among them: a clip must not make FFmpeg open other files or addresses.
_CONTAINERS = "wav,w64,mp3,flac,ogg"
_MOST_CHANNELS = 2
_EXPECTED = "expected WAV, MP3, FLAC or Ogg Vorbis audio"


class AudioFileError(Exception):
    """A file that can't be read as a clip; the message says what was expected and what came."""


@attrs.frozen(eq=False)
class Clip:
    """Mono `samples` (float32, full scale is 1.0) at `rate_hz`."""

    samples: npt.NDArray[np.float32] = attrs.field(repr=False)
    rate_hz: int

    @property
    def duration_s(self) -> float:
        """Seconds from the first sample to the end of the last."""
        return len(self.samples) / self.rate_hz


def read_audio(source: Path | str | bytes, name: str | None = None) -> Clip:
    """Decode a file, given by its path or by its bytes; channels are averaged, the rate is kept.

    `name` is what errors call it (the path by default). Raises `AudioFileError` for a file that can't be
    opened, isn't audio of a known kind, holds no sound data or lasts longer than 10 minutes. FFmpeg is
    loaded on the first call.
    """
    if isinstance(source, bytes):
        data, name = source, name or "audio"
    else:
        name = name or str(source)
        try:
            data = Path(source).read_bytes()
        except OSError as error:
            raise AudioFileError(f"{name}: expected a readable audio file; {error.strerror}") from error
    return _decoded(data, name)


def _decoded(data: bytes, name: str) -> Clip:
    import av

    options = {"format_whitelist": _CONTAINERS}
    try:
        # Titles and the like come in any encoding; they don't matter here.
        with av.open(io.BytesIO(data), "r", options=options, metadata_errors="replace") as container:
            pieces, rate_hz = _pieces(container, name)
    except av.error.FFmpegError as error:
        raise AudioFileError(f"{name}: {_EXPECTED}; FFmpeg says: {error.strerror}") from error
    except ValueError as error:
        raise AudioFileError(f"{name}: {_EXPECTED} that keeps its form throughout; {error}") from error
    if not pieces:
        raise AudioFileError(f"{name}: expected an audio file; it holds no sound")
    return Clip(np.concatenate(pieces), rate_hz)


def _pieces(container: "InputContainer", name: str) -> tuple[list[npt.NDArray[np.float32]], int]:
    if not container.streams.audio:
        raise AudioFileError(f"{name}: {_EXPECTED}; it has no audio stream")
    stream = container.streams.audio[0]
    rate_hz = stream.codec_context.sample_rate if stream.codec_context else 0
    if not rate_hz:
        raise AudioFileError(f"{name}: {_EXPECTED}; its audio is of an unknown kind")
    most = int(LONGEST_S * rate_hz)
    pieces = []
    for frame in _floats(container, stream, name):
        most -= frame.samples
        if most < 0:
            raise AudioFileError(f"{name}: expected at most {LONGEST_S / 60:g} minutes of audio; it is longer")
        # Averaged here: FFmpeg's own downmix of floats adds 3 dB where the channels agree.
        channels = frame.to_ndarray().reshape(-1, frame.layout.nb_channels)
        # A file of floats may hold anything, infinity included.
        mono: npt.NDArray[np.float32] = np.clip(np.nan_to_num(channels), -1, 1).mean(axis=1, dtype=np.float32)
        pieces.append(mono)
    return pieces, rate_hz


def _floats(container: "InputContainer", stream: "av.AudioStream", name: str) -> Iterator["av.AudioFrame"]:
    import av

    resampler = av.AudioResampler("flt")
    for frame in container.decode(stream):
        channels = frame.layout.nb_channels
        if channels > _MOST_CHANNELS:
            raise AudioFileError(f"{name}: expected one channel or two; it has {channels}")
        yield from resampler.resample(frame)
    yield from resampler.resample(None)
