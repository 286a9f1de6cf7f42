"""PCM: averaging, floats, and whole samples out of any bytes."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from coval_load.codecs.audio.pcm import WholeSamples, from_float, stereo_to_mono, to_float

sample = st.integers(-32768, 32767)


def pack(samples):
    return np.array(samples, "<i2").tobytes()


def unpack(pcm):
    return np.frombuffer(pcm, "<i2").tolist()


@given(st.lists(st.tuples(sample, sample)), st.binary(max_size=3))
def test_stereo_becomes_the_average_rounded_down(pairs, rest):
    mono = stereo_to_mono(pack([channel for pair in pairs for channel in pair]) + rest)
    assert unpack(mono) == [(left + right) // 2 for left, right in pairs]


@given(st.lists(sample))
def test_channels_that_agree_are_kept_exactly(samples):
    assert unpack(stereo_to_mono(pack(np.repeat(samples, 2)))) == samples


@given(st.lists(sample))
def test_floats_and_back_is_no_change(samples):
    floats = to_float(pack(samples) + b"\x7f")
    assert floats.dtype == np.float32
    assert unpack(from_float(floats)) == samples


def test_what_does_not_fit_is_clipped():
    floats = np.array([1.0, 2.0, -1.0, -3.0, np.nan, np.inf, 0.00002])
    assert unpack(from_float(floats)) == [32767, 32767, -32768, -32768, 0, 32767, 1]


@given(st.lists(st.binary(max_size=9)), st.sampled_from([2, 4]))
def test_no_byte_is_lost_between_messages(pieces, size):
    whole = WholeSamples(size)
    came = [whole.push(piece) for piece in pieces]
    everything = b"".join(pieces)
    assert all(len(piece) % size == 0 for piece in came)
    assert b"".join(came) == everything[: len(everything) // size * size]
