"""Mu-law and A-law: against the standard library's implementation while there is one, and by its properties."""

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
    assert g711.encode_alaw(EVERY_SAMPLE) == audioop.lin2alaw(EVERY_SAMPLE, 2)
    assert g711.decode_alaw(EVERY_BYTE) == audioop.alaw2lin(EVERY_BYTE, 2)


@pytest.mark.parametrize(
    ("code", "sample"),
    # The ends of table 2a and 2b of G.711, times four: 14 bits as the upper ones of sixteen.
    [(0xFF, 0), (0x7F, 0), (0x80, 32124), (0x00, -32124), (0x8F, 16764), (0xFE, 8), (0x7E, -8)],
)
def test_decision_values_of_the_recommendation(code, sample):
    assert np.frombuffer(g711.decode(bytes([code])), "<i2").tolist() == [sample]


@pytest.mark.parametrize(
    ("code", "sample"),
    # The ends of table 1a and 1b, times eight: 13 bits as the upper ones of sixteen.
    [(0xD5, 8), (0x55, -8), (0xAA, 32256), (0x2A, -32256), (0xBA, 16128), (0xD4, 24)],
)
def test_decision_values_of_a_law(code, sample):
    assert np.frombuffer(g711.decode_alaw(bytes([code])), "<i2").tolist() == [sample]


def test_a_law_has_no_negative_zero_so_every_byte_comes_back():
    assert g711.encode_alaw(g711.decode_alaw(EVERY_BYTE)) == EVERY_BYTE


def test_a_law_is_as_near_as_its_segments_allow():
    samples = np.arange(-32768, 32768)
    came = np.frombuffer(g711.decode_alaw(g711.encode_alaw(EVERY_SAMPLE)), "<i2").astype(int)
    assert np.all(np.diff(came) >= 0)
    assert np.all(np.abs(came - samples) <= np.maximum(8, np.abs(samples) / 16))


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
    assert g711.encode_alaw(b"\0\0\1") == b"\xd5"
    assert g711.encode_alaw(b"\1") == g711.encode_alaw(b"") == g711.decode_alaw(b"") == b""
