"""Mu-law: against the standard library's implementation while there is one, and by its properties."""

import sys
import warnings

import numpy as np
import pytest

from coval_load.codecs.audio import g711

EVERY_SAMPLE = np.arange(-32768, 32768).astype("<i2").tobytes()
EVERY_BYTE = bytes(range(256))


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="audioop left the standard library")
def test_every_sample_and_every_byte_agree_with_audioop():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import audioop
    assert g711.encode(EVERY_SAMPLE) == audioop.lin2ulaw(EVERY_SAMPLE, 2)
    assert g711.decode(EVERY_BYTE) == audioop.ulaw2lin(EVERY_BYTE, 2)


@pytest.mark.parametrize(
    ("code", "sample"),
    # The ends of table 2a and 2b of G.711, times four: 14 bits as the upper ones of sixteen.
    [(0xFF, 0), (0x7F, 0), (0x80, 32124), (0x00, -32124), (0x8F, 16764), (0xFE, 8), (0x7E, -8)],
)
def test_decision_values_of_the_recommendation(code, sample):
    assert np.frombuffer(g711.decode(bytes([code])), "<i2").tolist() == [sample]


def test_decoding_then_encoding_gives_the_byte_back():
    # 0x7F is negative zero, which comes back as zero.
    assert g711.encode(g711.decode(EVERY_BYTE)) == EVERY_BYTE.replace(b"\x7f", b"\xff")


def test_encoding_then_decoding_is_as_near_as_the_segments_allow():
    samples = np.arange(-32768, 32768)
    came = np.frombuffer(g711.decode(g711.encode(EVERY_SAMPLE)), "<i2").astype(int)
    clipped = np.clip(samples, -32635, 32635)
    assert np.all(np.diff(came) >= 0)
    assert np.all(np.abs(came - clipped) <= np.maximum(8, np.abs(clipped) / 16 + 8))


def test_an_odd_last_byte_is_left_out():
    assert g711.encode(b"\0\0\1") == b"\xff"
    assert g711.encode(b"\1") == g711.encode(b"") == g711.decode(b"") == b""
