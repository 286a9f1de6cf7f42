"""Resampling: lengths, the last samples, and that pieces sound like the whole."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.codecs.audio.pcm import from_float
from coval_load.codecs.audio.resampling import StreamingResampler, resample_best

RATES = [8000, 16000, 22050, 24000, 44100, 48000]


def tone(rate_hz, seconds=0.5):
    return (np.sin(np.arange(int(rate_hz * seconds)) * 2 * np.pi * 440 / rate_hz) * 0.5).astype(np.float32)


@pytest.mark.parametrize("from_hz", RATES)
@pytest.mark.parametrize("to_hz", RATES)
def test_a_whole_tone_stays_that_tone_to_its_end(from_hz, to_hz):
    came = resample_best(tone(from_hz), from_hz, to_hz)
    assert came.dtype == np.float32
    assert len(came) == round(len(tone(from_hz)) * to_hz / from_hz)
    edge = to_hz // 100
    assert np.abs(came - tone(to_hz)[: len(came)])[edge:-edge].max() < 0.001
    assert np.abs(came[-edge:]).max() > 0.4


@given(st.integers(0, 300), st.sampled_from(RATES), st.sampled_from(RATES))
def test_a_short_clip_has_the_right_length(length, from_hz, to_hz):
    assert len(resample_best(np.ones(length), from_hz, to_hz)) == round(length * to_hz / from_hz)


@given(st.sampled_from(RATES), st.sampled_from(RATES), st.lists(st.integers(1, 4001), min_size=1, max_size=20))
def test_pieces_sound_like_the_whole(from_hz, to_hz, sizes):
    pcm = from_float(tone(from_hz, 0.1))

    def resampled(pieces):
        resampler = StreamingResampler(from_hz, to_hz)
        return b"".join([*(resampler.push(piece) for piece in pieces), resampler.flush()])

    ends = np.cumsum([0, *sizes]).tolist()
    pieces = [pcm[start:end] for start, end in zip(ends, [*ends[1:], len(pcm)], strict=True)]
    came = resampled(pieces)
    assert came == resampled([pcm])
    assert len(came) // 2 == round(len(pcm) // 2 * to_hz / from_hz)


@given(st.lists(st.binary(max_size=200)))
def test_any_bytes_are_resampled(pieces):
    resampler = StreamingResampler(48000, 16000, "linear")
    for piece in pieces:
        assert len(resampler.push(piece)) % 2 == 0
    resampler.flush()
