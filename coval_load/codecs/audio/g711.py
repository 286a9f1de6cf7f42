"""G.711 mu-law (ITU-T G.711, table 2): 16-bit linear PCM <-> one byte a sample, by look-up."""

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


_ENCODED = _encoding_table()
_DECODED = _decoding_table()
