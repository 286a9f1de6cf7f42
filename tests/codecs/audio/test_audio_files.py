"""Clips from files of every kind that is read, made here with FFmpeg's own encoders."""

import functools
import io
import wave

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.codecs.audio import files
from coval_load.codecs.audio.files import AudioFileError, read_audio

RATE_HZ = 24000
KINDS = [
    ("wav", "pcm_u8", 0.01),
    ("wav", "pcm_s16le", 0.0001),
    ("wav", "pcm_s24le", 0.00001),
    ("wav", "pcm_s32le", 0.00001),
    ("wav", "pcm_f32le", 0.00001),
    ("wav", "pcm_f64le", 0.00001),
    ("wav", "pcm_mulaw", 0.02),
    ("flac", "flac", 0.0001),
    ("mp3", "libmp3lame", None),
    ("ogg", "vorbis", None),
]


@functools.cache
def make_file(container, codec, amplitudes=(0.5,), seconds=0.5):
    if codec == "vorbis":
        amplitudes = (amplitudes * 2)[:2]  # FFmpeg's own encoder makes nothing but stereo
    layout = "stereo" if len(amplitudes) == 2 else "mono"
    at = np.arange(int(RATE_HZ * seconds))
    planes = np.stack([np.sin(at * 2 * np.pi * 440 / RATE_HZ) * amplitude for amplitude in amplitudes])
    frame = av.AudioFrame.from_ndarray(planes.astype(np.float32), "fltp", layout)
    frame.rate = RATE_HZ
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(codec, rate=RATE_HZ)
        stream.layout = layout
        stream.codec_context.options = {"strict": "experimental"}
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return file.getvalue()


def tone(amplitude, seconds=0.5):
    return np.sin(np.arange(int(RATE_HZ * seconds)) * 2 * np.pi * 440 / RATE_HZ) * amplitude


@pytest.mark.parametrize(("container", "codec", "tolerance"), KINDS)
@pytest.mark.parametrize(("amplitudes", "average"), [((0.5,), 0.5), ((0.6, 0.6), 0.6), ((0.6, 0.2), 0.4)])
def test_every_kind_of_file_gives_the_tone_that_was_put_in(container, codec, tolerance, amplitudes, average):
    clip = read_audio(make_file(container, codec, amplitudes))
    assert clip.rate_hz == RATE_HZ
    assert clip.samples.dtype == np.float32
    assert clip.samples.ndim == 1
    if tolerance is None:
        assert clip.duration_s == pytest.approx(0.5, abs=0.06)
        middle = clip.samples[RATE_HZ // 8 : -RATE_HZ // 8]
        assert np.sqrt(np.mean(middle**2)) == pytest.approx(average / np.sqrt(2), rel=0.05)
    else:
        assert len(clip.samples) == RATE_HZ // 2
        assert np.abs(clip.samples - tone(average)).max() <= tolerance


def test_a_wave_file_of_the_standard_library_is_read_from_disk(tmp_path):
    path = tmp_path / "clip.wav"
    samples = np.array([0, 1, -1, 32767, -32768], "<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(samples.tobytes())
    clip = read_audio(path)
    assert clip.rate_hz == 8000
    assert (clip.samples * 32768).tolist() == samples.tolist()
    assert read_audio(str(path)).samples.tolist() == clip.samples.tolist()


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(AudioFileError, match=r"gone\.wav: expected a readable audio file; No such file"):
        read_audio(tmp_path / "gone.wav")
    with pytest.raises(AudioFileError, match="expected a readable audio file"):
        read_audio(tmp_path)


@pytest.mark.parametrize(
    "data",
    [b"", b"hello", bytes(5000), b"RIFF", b"ffconcat version 1.0\nfile /etc/hostname\n", b"#EXTM3U\n/etc/hostname\n"],
)
def test_what_is_no_audio_is_refused_by_name(data):
    with pytest.raises(AudioFileError, match="greeting: expected"):
        read_audio(data, "greeting")


def test_a_file_of_another_kind_is_refused():
    with pytest.raises(AudioFileError, match="expected WAV, MP3, FLAC or Ogg Vorbis"):
        read_audio(make_file("aiff", "pcm_s16be"))


def test_a_file_without_samples_is_refused():
    with pytest.raises(AudioFileError, match="holds no sound"):
        read_audio(make_file("wav", "pcm_s16le")[:78])


def test_a_clip_that_is_too_long_is_refused(monkeypatch):
    monkeypatch.setattr(files, "LONGEST_S", 0.4)
    with pytest.raises(AudioFileError, match=r"expected at most .* minutes"):
        read_audio(make_file("wav", "pcm_s16le"))


@given(st.sampled_from(KINDS), st.integers(0, 3000), st.binary(max_size=30))
def test_a_damaged_file_is_read_or_refused_but_nothing_else(kind, at, dirt):
    container, codec, _ = kind
    data = make_file(container, codec)
    try:
        clip = read_audio(data[:at] + dirt + data[at + len(dirt) :])
    except AudioFileError:
        return
    assert clip.rate_hz > 0


def test_more_channels_than_two_are_refused():
    data = bytearray(make_file("wav", "pcm_s16le"))
    data[22:24] = (41).to_bytes(2, "little")
    with pytest.raises(AudioFileError, match="expected one channel or two; it has 41"):
        read_audio(bytes(data))


def test_titles_in_an_old_encoding_do_not_matter():
    data = make_file("wav", "pcm_s16le")
    assert data[36:40] == b"LIST"
    assert len(read_audio(data.replace(b"Lavf", b"L\xe4vf")).samples) == RATE_HZ // 2


def test_floats_that_are_no_numbers_become_silence_or_full_scale():
    data = make_file("wav", "pcm_f32le")
    hostile = np.array([np.nan, np.inf, -np.inf, 1e38], "<f4").tobytes()
    assert read_audio(data[:-16] + hostile).samples[-4:].tolist() == [0, 1, -1, 1]
