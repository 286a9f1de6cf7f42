"""G.711 mu-law and A-law (ITU-T G.711, tables 2 and 1): 16-bit linear PCM <-> one byte a sample, by look-up."""

import numpy as np
import numpy.typing as npt

_BIAS = 33
_LARGEST = 0x1FFF


def encode(pcm: bytes) -> bytes:
    """Mono 16-bit little-endian PCM as mu-law, half as many bytes; an odd last byte is left out.

    Linear samples have 14 bits in G.711: the two lowest of sixteen are dropped, towards minus infinity.
    """
    return _ENCODED.take(np.frombuffer(pcm, np.dtype("<u2"), len(pcm) // 2)).tobytes()


def decode(ulaw: bytes) -> bytes:
    """Mu-law as mono 16-bit little-endian PCM, twice as many bytes. Every byte is a sample."""
    return _DECODED.take(np.frombuffer(ulaw, np.uint8)).tobytes()


def encode_alaw(pcm: bytes) -> bytes:
    """Mono 16-bit little-endian PCM as A-law, half as many bytes; an odd last byte is left out.

    Linear samples have 13 bits in A-law: the three lowest of sixteen are dropped, towards minus infinity.
    """
    return _ENCODED_ALAW.take(np.frombuffer(pcm, np.dtype("<u2"), len(pcm) // 2)).tobytes()


def decode_alaw(alaw: bytes) -> bytes:
    """A-law as mono 16-bit little-endian PCM, twice as many bytes. Every byte is a sample."""
    return _DECODED_ALAW.take(np.frombuffer(alaw, np.uint8)).tobytes()


def _encoding_table() -> npt.NDArray[np.uint8]:
    linear = np.arange(65536, dtype=np.uint16).astype(np.int16).astype(np.int32) >> 2
    magnitude = np.minimum(np.abs(linear) + _BIAS, _LARGEST)
    # The segment is the position of the highest bit; the biased magnitude has 6 to 13 of them.
    segment = np.floor(np.log2(magnitude)).astype(np.int32) - 5
    code = (segment << 4) | ((magnitude >> (segment + 1)) & 0x0F)
    table: npt.NDArray[np.uint8] = (code ^ np.where(linear < 0, 0x7F, 0xFF)).astype(np.uint8)
    return table


def _decoding_table() -> npt.NDArray[np.int16]:
    code = ~np.arange(256) & 0xFF
    magnitude = ((((code & 0x0F) << 1) + _BIAS) << ((code >> 4) & 7)) - _BIAS
    return (np.where(code & 0x80, -magnitude, magnitude) * 4).astype(np.dtype("<i2"))


def _alaw_encoding_table() -> npt.NDArray[np.uint8]:
    linear = np.arange(65536, dtype=np.uint16).astype(np.int16).astype(np.int32) >> 3
    magnitude = np.where(linear < 0, ~linear, linear)
    # Segment 0 is as wide as segment 1: both have steps of 2.
    segment = np.maximum(np.floor(np.log2(np.maximum(magnitude, 1))).astype(np.int32) - 4, 0)
    code = (segment << 4) | ((magnitude >> np.maximum(segment, 1)) & 0x0F)
    # Every other bit is inverted on the line (G.711, table 1, note 2).
    table: npt.NDArray[np.uint8] = (code ^ np.where(linear < 0, 0x55, 0xD5)).astype(np.uint8)
    return table


def _alaw_decoding_table() -> npt.NDArray[np.int16]:
    code = np.arange(256) ^ 0x55
    segment = (code >> 4) & 7
    step = ((code & 0x0F) << 4) + 8
    magnitude = np.where(segment == 0, step, (step + 0x100) << np.maximum(segment - 1, 0))
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.dtype("<i2"))


_ENCODED = _encoding_table()
_DECODED = _decoding_table()
_ENCODED_ALAW = _alaw_encoding_table()
_DECODED_ALAW = _alaw_decoding_table()
