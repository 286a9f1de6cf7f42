"""What callers say, made ready once: decoded, resampled, cut into frames, encoded, and shared by all of them."""

from pathlib import Path

import attrs

from coval_load.codecs.audio.files import Clip, read_audio
from coval_load.codecs.audio.onset import THRESHOLD_DBFS, audible_span
from coval_load.codecs.audio.packaged import read_clip
from coval_load.codecs.audio.pcm import from_float
from coval_load.codecs.audio.resampling import resample_best
from coval_load.codecs.dialects.interface import VoiceFormat
from coval_load.engine.metronome import FRAME_S

RECORDING_RATE_HZ = 16_000
_PACKAGED = "clip:"


@attrs.frozen(eq=False)
class PreparedClip:
    """One clip for one audio format.

    `bodies` are its frames of 20 ms, as `VoiceFormat.audio_body` gives them, or whole messages where
    `are_messages`. Times are seconds from the clip's start; without an audible sample both are its end.
    """

    bodies: tuple[bytes, ...]
    are_messages: bool
    first_audible_s: float
    last_audible_s: float
    duration_s: float
    pcm16k: bytes
    """Mono 16-bit PCM at 16 kHz, for the recording."""


@attrs.define
class ClipShelf:
    """Every clip that a plan's callers say, made once for each (source, format)."""

    _raw: dict[str | Path, Clip] = attrs.field(factory=dict, init=False)
    _prepared: dict[tuple[str | Path, int], PreparedClip] = attrs.field(factory=dict, init=False)
    _formats: list[VoiceFormat] = attrs.field(factory=list, init=False)

    def clip(self, source: str | Path, form: VoiceFormat) -> PreparedClip:
        """`source` is a file's path or `clip:NAME`. Raises AudioFileError where it can't be read."""
        key = (source, id(form))
        if key not in self._prepared:
            if source not in self._raw:
                self._raw[source] = read_source(source)
            self._formats.append(form)  # keeps `id(form)` from being given to another
            self._prepared[key] = prepare(self._raw[source], form)
        return self._prepared[key]


def read_source(source: str | Path) -> Clip:
    """The sound of a file, or of a clip that comes with the package. Raises AudioFileError, KeyError."""
    text = str(source)
    if text.startswith(_PACKAGED):
        return read_audio(read_clip(text.removeprefix(_PACKAGED)), text)
    return read_audio(Path(source))


def prepare(clip: Clip, form: VoiceFormat) -> PreparedClip:
    """Resample with libsamplerate's best converter, cut into frames of 20 ms and encode them for `form`."""
    rate_hz = form.send_rate_hz
    spoken = from_float(resample_best(clip.samples, clip.rate_hz, rate_hz))
    frame_bytes = 2 * round(rate_hz * FRAME_S)
    pcm = spoken + bytes(-len(spoken) % frame_bytes)
    bodies = tuple(form.audio_body(pcm[at : at + frame_bytes]) for at in range(0, len(pcm), frame_bytes))
    if form.frames_are_shared:
        bodies = tuple(form.shared_frame(body) for body in bodies)
    duration_s = len(bodies) * FRAME_S
    span = audible_span(pcm, rate_hz, THRESHOLD_DBFS)
    first, last = (duration_s, duration_s) if span is None else (span[0] / rate_hz, span[1] / rate_hz)
    is_as_recorded = rate_hz == RECORDING_RATE_HZ
    pcm16k = spoken if is_as_recorded else from_float(resample_best(clip.samples, clip.rate_hz, RECORDING_RATE_HZ))
    return PreparedClip(bodies, form.frames_are_shared, first, last, duration_s, pcm16k)


def silence(form: VoiceFormat) -> bytes:
    """The body of one frame of silence."""
    return form.audio_body(bytes(2 * round(form.send_rate_hz * FRAME_S)))
