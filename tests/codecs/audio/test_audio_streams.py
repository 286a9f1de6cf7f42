"""Inbound audio of each encoding, message by message."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.codecs.audio import g711
from coval_load.codecs.audio.mp3 import Mp3Stream
from coval_load.codecs.audio.pcm import stereo_to_mono
from coval_load.codecs.audio.streams import ENCODINGS, open_stream


def pushed(stream, pieces):
    came = [stream.push(piece) for piece in pieces]
    assert all(problem is None for _, problem in came)
    return b"".join(pcm for pcm, _ in came)


@given(st.lists(st.binary(max_size=9)))
def test_pcm_cut_anywhere_is_the_same_pcm(pieces):
    everything = b"".join(pieces)
    assert pushed(open_stream("pcm", 1, 16000), pieces) == everything[: len(everything) // 2 * 2]
    assert pushed(open_stream("pcm", 2, 16000), pieces) == stereo_to_mono(everything)


@given(st.lists(st.binary(max_size=9)), st.sampled_from([1, 2]))
def test_mu_law_is_mono_whatever_the_channels(pieces, channels):
    assert pushed(open_stream("ulaw", channels, 8000), pieces) == g711.decode(b"".join(pieces))


def test_mp3_is_decoded_to_the_stated_rate():
    assert isinstance(open_stream("mp3", 2, 48000), Mp3Stream)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("channels", [1, 2])
def test_nothing_in_gives_nothing_out(encoding, channels):
    assert open_stream(encoding, channels, 16000).push(b"") == (b"", None)


def test_stereo_that_ends_within_a_pair_goes_on_with_the_next_message():
    stream = open_stream("pcm", 2, 48000)
    pair = np.array([100, 200], "<i2").tobytes()
    assert stream.push(pair + pair[:3]) == (np.array([150], "<i2").tobytes(), None)
    assert stream.push(pair[3:]) == (np.array([150], "<i2").tobytes(), None)
