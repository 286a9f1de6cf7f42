"""Inbound audio of one encoding, message by message, as mono 16-bit little-endian PCM."""

from typing import Literal, Protocol, TypeAlias

from coval_load.codecs.audio import g711
from coval_load.codecs.audio.mp3 import Mp3Stream
from coval_load.codecs.audio.pcm import WholeSamples, stereo_to_mono

Encoding: TypeAlias = Literal["pcm", "ulaw", "mp3"]
ENCODINGS: tuple[Encoding, ...] = ("pcm", "ulaw", "mp3")


class AudioStream(Protocol):
    """A decoder for the audio of one connection."""

    def push(self, data: bytes) -> tuple[bytes, str | None]:
        """The PCM that is complete now, and what is wrong with `data`, if anything. Never raises."""
        ...


class MonoPcm:
    """Mono PCM, which may be cut within a sample."""

    def __init__(self) -> None:
        self._samples = WholeSamples(2)

    def push(self, data: bytes) -> tuple[bytes, None]:
        """The whole samples that are complete now."""
        return self._samples.push(data), None


class StereoPcm:
    """Interleaved stereo PCM, averaged; may be cut within a sample or between two channels."""

    def __init__(self) -> None:
        self._samples = WholeSamples(4)

    def push(self, data: bytes) -> tuple[bytes, None]:
        """The averages of the pairs of samples that are complete now."""
        return stereo_to_mono(self._samples.push(data)), None


class Ulaw:
    """Mono G.711 mu-law."""

    def push(self, data: bytes) -> tuple[bytes, None]:
        """One sample for each byte."""
        return g711.decode(data), None


def open_stream(encoding: Encoding, channels: int, rate_hz: int) -> AudioStream:
    """A decoder whose PCM has `rate_hz`.

    `channels` (1 or 2) matters to PCM alone: mu-law is mono, and MP3 says itself how many it has.
    """
    match encoding:
        case "pcm":
            return StereoPcm() if channels == 2 else MonoPcm()
        case "ulaw":
            return Ulaw()
        case "mp3":
            return Mp3Stream(rate_hz)
