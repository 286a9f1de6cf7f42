"""MP3 streams: made here with LAME, cut anywhere, and anything but MP3."""

import functools
import io

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.codecs.audio.mp3 import MOST_BYTES_WITHOUT_FRAME, Mp3Stream

RATE_HZ = 24000


@functools.cache
def make_mp3(rate_hz=RATE_HZ, channels=1, seconds=0.5, amplitudes=(8000, 8000), *, tagged=False):
    layout = "stereo" if channels == 2 else "mono"
    at = np.arange(int(rate_hz * seconds))
    wave = np.sin(at * 2 * np.pi * 440 / rate_hz)
    planes = np.stack([wave * amplitude for amplitude in amplitudes[:channels]]).astype(np.int16)
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(planes), "s16p", layout)
    frame.rate = rate_hz
    tags = "1" if tagged else "0"
    file = io.BytesIO()
    options = {"write_xing": tags, "id3v2_version": "4" if tagged else "0"}
    with av.open(file, "w", format="mp3", options=options) as container:
        stream = container.add_stream("libmp3lame", rate=rate_hz)
        stream.layout = layout
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


def decode(pieces, rate_hz=RATE_HZ):
    stream = Mp3Stream(rate_hz)
    came = [stream.push(piece) for piece in pieces]
    assert [problem for _, problem in came if problem] == []
    return np.frombuffer(b"".join(pcm for pcm, _ in came), "<i2").astype(float)


def rms(samples):
    return float(np.sqrt(np.mean(samples**2)))


def middle(samples):
    return samples[len(samples) // 4 : -len(samples) // 4]


@given(st.lists(st.integers(0, 500), max_size=40))
def test_an_mp3_cut_anywhere_sounds_like_the_whole(sizes):
    data = make_mp3()
    ends = np.cumsum([0, *sizes]).tolist()
    pieces = [data[start:end] for start, end in zip(ends, [*ends[1:], len(data)], strict=True)]
    assert np.array_equal(decode(pieces), decode([data]))


@pytest.mark.parametrize("to_hz", [8000, 16000, 24000, 48000])
@pytest.mark.parametrize(("from_hz", "channels"), [(16000, 1), (24000, 1), (44100, 2), (48000, 2)])
def test_the_tone_comes_out_mono_at_the_stated_rate(from_hz, channels, to_hz):
    samples = decode([make_mp3(from_hz, channels)], to_hz)
    # LAME adds some 50 ms of its own and takes away some loudness.
    assert 0.48 < len(samples) / to_hz < 0.65
    assert rms(middle(samples)) == pytest.approx(8000 / np.sqrt(2), rel=0.1)
    spectrum = np.abs(np.fft.rfft(middle(samples) * np.hanning(len(middle(samples)))))
    assert np.argmax(spectrum) * to_hz / len(middle(samples)) == pytest.approx(440, abs=5)


def test_two_channels_are_averaged():
    samples = decode([make_mp3(44100, 2, amplitudes=(8000, 2000))], 44100)
    assert rms(middle(samples)) == pytest.approx(5000 / np.sqrt(2), rel=0.1)


def test_each_frame_is_heard_when_it_is_complete():
    data = make_mp3()
    size = 96  # 24 ms at 32 kbit/s, which is what LAME was left to choose
    assert data[size : size + 2] == data[:2]
    stream = Mp3Stream(RATE_HZ)
    heard = [len(stream.push(data[at : at + size])[0]) // 2 for at in range(0, 10 * size, size)]
    assert heard == [576] * 10


def test_tags_and_tables_of_contents_between_files_are_no_sound_and_no_problem():
    plain, tagged = make_mp3(), make_mp3(tagged=True)
    assert tagged[:3] == b"ID3"
    assert b"Xing" in tagged or b"Info" in tagged
    assert len(decode([tagged])) == len(decode([plain]))
    assert len(decode([tagged, tagged, plain])) == 3 * len(decode([plain]))


def id3(size, claimed):
    return b"ID3\x04\0\0" + bytes(claimed >> shift & 0x7F for shift in (21, 14, 7, 0)) + b" " * size


def test_no_frame_is_lost_to_the_tag_before_it():
    plain = make_mp3()
    assert np.array_equal(decode([id3(50, 50) + plain]), decode([plain]))


@pytest.mark.parametrize("claimed", [0xFFFFFFF, 10_000, 86])
def test_a_tag_that_claims_to_be_longer_than_it_is_does_not_end_the_stream(claimed):
    # 86 is the tag and not a byte more than the first frame, so that nothing is left of the two.
    heard = decode([id3(0, claimed) + make_mp3()])
    assert len(heard) >= len(decode([make_mp3()])) - 2 * 576


def test_another_rate_in_mid_stream_is_followed():
    samples = decode([make_mp3(44100, 2), make_mp3(24000, 1), make_mp3(44100, 2)], 16000)
    assert 3 * 0.48 < len(samples) / 16000 < 3 * 0.65


@given(st.lists(st.binary(max_size=400), max_size=20))
def test_nothing_raises_and_pcm_is_whole(pieces):
    stream = Mp3Stream(RATE_HZ)
    for piece in pieces:
        pcm, problem = stream.push(piece)
        assert len(pcm) % 2 == 0
        assert problem is None or "MP3" in problem


@given(st.binary(max_size=200), st.integers(0, 4000), st.integers(0, 200))
def test_after_a_hole_or_dirt_the_tone_is_heard_again(dirt, at, length):
    # FFmpeg takes a kilobyte or so of frames to trust them again, so there have to be some after the damage.
    data = make_mp3(seconds=2.0)
    assert len(data) > 4200 + 3500
    samples = decode([data[:at] + dirt + data[at + length :]])
    assert rms(samples[-RATE_HZ // 4 : -RATE_HZ // 10]) == pytest.approx(8000 / np.sqrt(2), rel=0.1)


@pytest.mark.parametrize("garbage", [bytes(1000), b"not an mp3 " * 100, bytes(range(256)) * 4])
def test_garbage_becomes_a_problem_before_it_fills_memory(garbage):
    stream = Mp3Stream(RATE_HZ)
    problems = [stream.push(garbage)[1] for _ in range(4 * MOST_BYTES_WITHOUT_FRAME // len(garbage))]
    found = [problem for problem in problems if problem]
    assert len(found) >= 2
    assert all("expected MP3 audio" in problem for problem in found)


def test_noise_becomes_a_problem():
    noise = np.random.default_rng(1)
    stream = Mp3Stream(RATE_HZ)
    assert any(stream.push(noise.bytes(1000))[1] for _ in range(100))


def test_one_huge_message_of_garbage_is_a_problem():
    assert Mp3Stream(RATE_HZ).push(bytes(1_000_000))[1]


def test_after_garbage_mp3_is_heard_again():
    stream = Mp3Stream(RATE_HZ)
    assert stream.push(bytes(MOST_BYTES_WITHOUT_FRAME + 1))[1]
    pcm, problem = stream.push(make_mp3())
    assert problem is None
    assert len(pcm) // 2 == len(decode([make_mp3()]))
