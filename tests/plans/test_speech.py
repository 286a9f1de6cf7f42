"""Text to speech, with each of the engines that are installed here."""

import importlib.util
import shutil
import wave
from pathlib import Path

import pytest

from coval_load.plans import speech

SILENCE = (bytes(200), 16_000)
SOUND = (b"\x01\x10" * 100, 16_000)


def program():
    if shutil.which("espeak-ng") is None:
        pytest.skip("the program espeak-ng is not installed")
    return speech._find_program()


def library():
    if importlib.util.find_spec("espeakng_loader") is None:
        pytest.skip("the package espeakng-loader is not installed")
    return speech._find_library()


@pytest.fixture(params=[program, library])
def speaker(request, tmp_path):
    synthesise = request.param()
    assert synthesise is not None
    return speech.Speaker(synthesise, tmp_path / "speech")


def seconds(path):
    with wave.open(str(path)) as spoken:
        assert (spoken.getnchannels(), spoken.getsampwidth()) == (1, 2)
        return spoken.getnframes() / spoken.getframerate()


def test_a_longer_text_is_spoken_longer(speaker):
    assert 0.3 < seconds(speaker("Hello.")) < seconds(speaker("Hello, I have a question about my bill.")) < 5


@pytest.mark.parametrize(
    "text",
    [
        "--help",
        "-f /etc/passwd",
        "a\0b",
        "two\nlines",
        "$(ls) `ls` ; ls",
        "[[h@l'oU",
        "Grüße, 你好",
        "\ud800 hello",
    ],
)
def test_any_text_is_only_a_text(speaker, text):
    assert 0.1 < seconds(speaker(text)) < 10


@pytest.mark.parametrize("text", ["", "  \n", "\0"])
def test_a_text_without_words_is_refused(speaker, text):
    with pytest.raises(speech.CannotSpeak, match="expected a text to speak"):
        speaker(text)


def test_what_comes_after_a_nul_is_spoken_too(speaker):
    assert seconds(speaker("one\0two three four five six")) > 1.5 * seconds(speaker("one"))


def test_an_unknown_voice_is_told(tmp_path):
    with pytest.raises(speech.CannotSpeak, match="no-such-voice"):
        speech.Speaker(library(), tmp_path, "no-such-voice")("hello")


def test_an_engine_that_fails_is_told(tmp_path, monkeypatch):
    broken = tmp_path / "espeak-ng"
    broken.write_text("#!/bin/sh\necho out of order >&2\nexit 3\n")
    broken.chmod(0o700)
    monkeypatch.setattr(shutil, "which", lambda name: str(broken))
    with pytest.raises(speech.CannotSpeak, match="out of order"):
        speech.Speaker(speech._find_program(), tmp_path)("hello")


def test_the_same_text_is_spoken_once(tmp_path):
    spoken = []
    speaker = speech.Speaker(lambda text, voice: spoken.append((text, voice)) or SOUND, tmp_path)
    first = speaker("hello")
    assert speaker(" hello\n") == first
    assert spoken == [("hello", "en-us")]
    assert list(tmp_path.iterdir()) == [first]


def test_another_voice_is_another_file(tmp_path):
    paths = {speech.Speaker(lambda text, voice: SOUND, tmp_path, voice)("hello") for voice in ("en-us", "en-gb")}
    assert len(paths) == 2


def test_silence_is_not_kept(tmp_path):
    with pytest.raises(speech.CannotSpeak, match="makes no sound"):
        speech.Speaker(lambda text, voice: SILENCE, tmp_path)("...")
    assert list(tmp_path.iterdir()) == []


def test_nothing_half_written_is_left(tmp_path, monkeypatch):
    def fail(self, target):
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        speech.Speaker(lambda text, voice: SOUND, tmp_path)("hello")
    assert list(tmp_path.iterdir()) == []


def test_the_cache_is_where_the_system_wants_it(tmp_path, monkeypatch):
    monkeypatch.setattr(speech, "_find_program", lambda: lambda text, voice: SOUND)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert speech.find_speaker()("hello").parent == tmp_path / "coval-load" / "speech"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert speech.find_speaker()("hello").parent == tmp_path / "home" / ".cache" / "coval-load" / "speech"


def test_no_engine_is_no_speaker(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(speech.importlib, "import_module", lambda name: (_ for _ in ()).throw(ImportError(name)))
    assert speech.find_speaker() is None
