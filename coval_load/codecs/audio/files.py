"""Clips of audio from files: WAV, MP3, FLAC and Ogg Vorbis, as mono floats."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import av

LONGEST_S = 600.0
# No playlist among them: a clip must not make FFmpeg open other files or addresses.
_CONTAINERS = "wav,w64,mp3,flac,ogg"


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

    try:
        with av.open(io.BytesIO(data), options={"format_whitelist": _CONTAINERS}) as container:
            if not container.streams.audio:
                raise AudioFileError(f"{name}: expected an audio file; it has no audio stream")
            stream = container.streams.audio[0]
            rate_hz = stream.codec_context.sample_rate
            pieces = list(_pieces(container, stream, name))
    except av.error.FFmpegError as error:
        raise AudioFileError(
            f"{name}: expected WAV, MP3, FLAC or Ogg Vorbis audio; FFmpeg says: {error.strerror}"
        ) from error
    if not pieces:
        raise AudioFileError(f"{name}: expected an audio file; it holds no sound")
    return Clip(np.concatenate(pieces), rate_hz)


def _pieces(container: Any, stream: Any, name: str) -> Iterator[npt.NDArray[np.float32]]:
    import av

    # Averaged here: FFmpeg's own downmix of floats adds 3 dB where the channels agree.
    resampler = av.AudioResampler("fltp", stream.codec_context.layout, stream.codec_context.sample_rate)
    most = int(LONGEST_S * stream.codec_context.sample_rate)
    for frame in _frames(container, stream, resampler):
        most -= frame.samples
        if most < 0:
            raise AudioFileError(
                f"{name}: expected at most {LONGEST_S / 60:g} minutes of audio; it is longer"
            )
        mono: npt.NDArray[np.float32] = frame.to_ndarray().mean(axis=0, dtype=np.float32)
        yield mono


def _frames(container: Any, stream: Any, resampler: "av.AudioResampler") -> Iterator["av.AudioFrame"]:
    for frame in container.decode(stream):
        yield from resampler.resample(frame)
    yield from resampler.resample(None)
