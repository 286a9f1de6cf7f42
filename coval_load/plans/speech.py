"""Text to speech for turns without a clip, by the program espeak-ng or the package espeakng-loader.

What was spoken once is kept, so that the same plan sends the same audio and starts at once the next time.
"""

import ctypes
import hashlib
import importlib
import io
import os
import shutil
import subprocess
import tempfile
import threading
import wave
from collections.abc import Callable
from pathlib import Path

import attrs

VOICE = "en-us"
TIMEOUT_S = 60.0
# From espeak-ng's speak_lib.h.
_AUDIO_OUTPUT_SYNCHRONOUS = 2
_INITIALIZE_DONT_EXIT = 0x8000
_CHARS_UTF8 = 1
_EE_OK = 0

Pcm = tuple[bytes, int]
"""Mono 16-bit little-endian audio, and its rate in Hz."""


class CannotSpeak(Exception):
    """A text that can't be spoken, or an engine that failed on it; the message is for people."""


def find_speaker(cache_dir: Path | None = None, voice: str = VOICE) -> "Speaker | None":
    """Something that speaks English text into a WAV file; None where no espeak-ng is installed.

    Files are kept in `cache_dir`, or else in `coval-load/speech` under `XDG_CACHE_HOME` or `~/.cache`.
    """
    synthesise = _find_program() or _find_library()
    return Speaker(synthesise, cache_dir or _cache_dir(), voice) if synthesise else None


@attrs.frozen
class Speaker:
    """Turns a text into the path of a WAV file: mono, 16 bits, at the engine's own rate."""

    _synthesise: Callable[[str, str], Pcm]
    _cache_dir: Path
    _voice: str = VOICE

    def __call__(self, text: str) -> Path:
        """Speaks `text`, or finds what was spoken before. Raises `CannotSpeak`; OSError on a full disk."""
        words = _clean(text)
        key = hashlib.sha256(f"{self._voice}\n{words}".encode()).hexdigest()
        path = self._cache_dir / f"{key}.wav"
        if not path.exists():
            pcm, rate_hz = self._synthesise(words, self._voice)
            if not any(pcm):
                raise CannotSpeak(f"expected a text with words to speak; got {text[:80]!r}, which makes no sound")
            _write_atomically(path, _wav(pcm, rate_hz))
        return path


def _clean(text: str) -> str:
    # A NUL would end the text in C, and [[ would begin phoneme names instead of words.
    words = " ".join(text.replace("\0", " ").replace("[[", "[ [").split())
    if not words:
        raise CannotSpeak("expected a text to speak; got none, so give the turn a text or an audio file")
    return words.encode("utf-8", "replace").decode("utf-8")


def _cache_dir() -> Path:
    caches = os.environ.get("XDG_CACHE_HOME")
    return (Path(caches) if caches else Path.home() / ".cache") / "coval-load" / "speech"


def _wav(pcm: bytes, rate_hz: int) -> bytes:
    sink = io.BytesIO()
    with wave.open(sink, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate_hz)
        out.writeframes(pcm)
    return sink.getvalue()


def _write_atomically(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _find_program() -> Callable[[str, str], Pcm] | None:
    program = shutil.which("espeak-ng")
    if program is None:
        return None

    def synthesise(text: str, voice: str) -> Pcm:
        # The text goes in by standard input, where nothing in it can be taken for an option.
        command = [program, "-v", voice, "--stdin", "--stdout"]
        try:
            done = subprocess.run(command, input=text.encode(), capture_output=True, check=True, timeout=TIMEOUT_S)
            with wave.open(io.BytesIO(done.stdout)) as spoken:
                return spoken.readframes(spoken.getnframes()), spoken.getframerate()
        except subprocess.CalledProcessError as failed:
            said = failed.stderr.decode(errors="replace").strip()
            raise CannotSpeak(f"expected espeak-ng to speak {text[:80]!r}; it failed: {said}") from failed
        except (subprocess.TimeoutExpired, OSError, EOFError, wave.Error) as failed:
            raise CannotSpeak(f"expected espeak-ng to speak {text[:80]!r}; it failed: {failed}") from failed

    return synthesise


def _find_library() -> Callable[[str, str], Pcm] | None:
    try:
        loader = importlib.import_module("espeakng_loader")
        return _Library(loader.get_library_path(), loader.get_data_path()).synthesise
    except (ImportError, OSError, RuntimeError):
        return None


class _Library:
    """libespeak-ng in this process. It has one state for all, so that one text is spoken at a time."""

    _busy = threading.Lock()

    def __init__(self, library: str, data: str) -> None:
        self._espeak = ctypes.CDLL(library)
        self._espeak.espeak_Synth.argtypes = [
            ctypes.c_char_p,
            ctypes.c_size_t,
            ctypes.c_uint,
            ctypes.c_int,
            ctypes.c_uint,
            ctypes.c_uint,
            ctypes.c_void_p,
            ctypes.c_void_p,
        ]
        with self._busy:
            self._rate_hz: int = self._espeak.espeak_Initialize(
                _AUDIO_OUTPUT_SYNCHRONOUS, 0, data.encode(), _INITIALIZE_DONT_EXIT
            )
        if self._rate_hz <= 0:
            raise OSError(f"espeak-ng found no data in {data}")

    def synthesise(self, text: str, voice: str) -> Pcm:
        heard = bytearray()

        def take(samples: "ctypes._Pointer[ctypes.c_short]", count: int, _events: int) -> int:
            if samples and count > 0:
                heard.extend(ctypes.string_at(samples, count * 2))
            return 0

        kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
        callback = kind(take)
        words = text.encode()
        with self._busy:
            if self._espeak.espeak_SetVoiceByName(voice.encode()) != _EE_OK:
                raise CannotSpeak(f"expected a voice of espeak-ng; got {voice!r}")
            self._espeak.espeak_SetSynthCallback(callback)
            done = self._espeak.espeak_Synth(words, len(words) + 1, 0, 0, 0, _CHARS_UTF8, None, None)
        if done != _EE_OK:
            raise CannotSpeak(f"expected espeak-ng to speak {text[:80]!r}; it failed with code {done}")
        return bytes(heard), self._rate_hz
