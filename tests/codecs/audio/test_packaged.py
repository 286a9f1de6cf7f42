"""The clips that come with the package."""

import io

import av
import numpy as np
import pytest

from coval_load.codecs.audio.packaged import CLIPS, clip_text, read_clip

RATE_HZ = 24_000


def decode(name):
    with av.open(io.BytesIO(read_clip(name))) as container:
        stream = container.streams.audio[0]
        assert (stream.rate, stream.channels, stream.format.name) == (RATE_HZ, 1, "s16")
        return np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)]) / 32768


@pytest.mark.parametrize("name", CLIPS)
def test_a_clip_is_loud_and_tight(name):
    samples = decode(name)
    assert 20 * np.log10(np.sqrt((samples**2).mean())) == pytest.approx(-20, abs=0.5)
    assert np.abs(samples).max() < 0.99
    windows = samples[: len(samples) // 240 * 240].reshape(-1, 240)
    audible = np.flatnonzero(20 * np.log10(np.sqrt((windows**2).mean(axis=1)) + 1e-9) > -45)
    assert audible[0] <= 3
    assert len(windows) - 1 - audible[-1] <= 3
    # An agent that takes 300 ms of silence for the end of a turn must hear a caller's clip as one.
    if not name.startswith("agent-"):
        assert np.diff(audible).max() <= 25


def test_texts():
    assert clip_text("thanks-bye") == "Thank you, goodbye."
    assert all(text.strip() for text in CLIPS.values())


def test_they_stay_small():
    assert sum(len(read_clip(name)) for name in CLIPS) < 400_000


@pytest.mark.parametrize("name", ["", "no-such-clip", "../packaged", "clips.json"])
def test_only_clips_are_read(name):
    with pytest.raises(KeyError):
        read_clip(name)
