"""What an agent says, in pieces of any size, comes to lie in a recording as if it had been resampled whole."""

import numpy as np
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from listening import loud, quiet
from trio.testing import MockClock

from coval_load.actors.listener import Listener
from coval_load.actors.placing import AS_ONE_S, SAMPLE_RATE_HZ, PlayoutClock, Strand
from coval_load.codecs.audio.onset import LoudnessMeter
from coval_load.codecs.audio.resampling import StreamingResampler
from coval_load.engine.doorbell import Doorbell

RATES_HZ = st.sampled_from([8000, 16_000, 24_000, 48_000])


def noise(samples, seed=1):
    return np.random.default_rng(seed).integers(-8000, 8000, samples).astype("<i2").tobytes()


def laid_out(placed, samples):
    """The recording's samples, and how often each was placed."""
    sound, times = np.zeros(samples, "<i2"), np.zeros(samples, int)
    for at, pcm in placed:
        part = slice(at, at + len(pcm) // 2)
        sound[part], times[part] = np.frombuffer(pcm, "<i2"), times[part] + 1
    return sound, times


@given(rate_hz=RATES_HZ, cuts=st.lists(st.integers(1, 3000), max_size=8), offset=st.floats(-0.9, 0.9))
def test_pieces_that_follow_one_another_are_resampled_as_one(rate_hz, cuts, offset):
    strand = Strand(rate_hz, started_at=100.0)
    pcm = noise(sum(cuts))
    placed, at, jitter = [], 0, offset * AS_ONE_S
    for number, cut in enumerate(cuts):
        piece = pcm[2 * at : 2 * (at + cut)]
        placed += strand.push(piece, 101.0 + at / rate_hz + (jitter if number else 0.0))
        at += cut
    placed += strand.end()
    whole = StreamingResampler(rate_hz, SAMPLE_RATE_HZ)
    expected = np.frombuffer(whole.push(pcm) + whole.flush(), "<i2")
    sound, times = laid_out(placed, SAMPLE_RATE_HZ + len(expected) + 9)
    assert set(times[SAMPLE_RATE_HZ : SAMPLE_RATE_HZ + len(expected)]) <= {1}
    assert times.sum() == len(expected)
    assert sound[SAMPLE_RATE_HZ : SAMPLE_RATE_HZ + len(expected)] == pytest.approx(expected, abs=1)


@given(rate_hz=RATES_HZ, gap_s=st.floats(1.01 * AS_ONE_S, 3) | st.floats(-0.5, -1.01 * AS_ONE_S))
def test_after_a_gap_sound_begins_where_it_is_heard_and_nothing_of_the_earlier_is_kept_back(rate_hz, gap_s):
    strand = Strand(rate_hz, started_at=0.0)
    placed = list(strand.push(noise(rate_hz), 1.0))
    second = list(strand.push(noise(rate_hz), 2.0 + gap_s))
    before = [*placed, *second[:-1]]
    assert sum(len(pcm) // 2 for _, pcm in before) == SAMPLE_RATE_HZ
    assert second[-1][0] == round((2.0 + gap_s) * SAMPLE_RATE_HZ)


@given(rate_hz=RATES_HZ, frames=st.integers(1, 20), later_s=st.floats(0, 0.1))
def test_what_is_certain_stays_as_it_is(rate_hz, frames, later_s):
    strand = Strand(rate_hz, started_at=0.0)
    placed = []
    for number in range(frames):
        placed += strand.push(noise(rate_hz // 50), number / 50)
    now = frames / 50 + later_s
    placed += strand.settle(now)
    certain = strand.certain_until(now)
    later = [*strand.push(noise(rate_hz // 50), now), *strand.end()]
    assert certain <= round(now * SAMPLE_RATE_HZ)
    assert all(at >= certain for at, _ in later)
    if later_s > AS_ONE_S:
        assert sum(len(pcm) // 2 for _, pcm in placed) == frames * SAMPLE_RATE_HZ // 50
        assert certain == round(now * SAMPLE_RATE_HZ)


@given(
    messages=st.lists(
        st.tuples(st.floats(0, 0.3), st.floats(0.01, 0.3), st.sampled_from([None, None, 0.0, 0.1])),
        min_size=1,
        max_size=8,
    ),
    paced=st.booleans(),
)
def test_the_playout_clock_is_the_listeners(messages, paced):
    """Told by the onset of a sound that the last of several messages begins with."""

    async def hear():
        clock, heard = PlayoutClock(8000, paced), []
        ears = Listener(rate_hz=8000, paced=paced, loudness=LoudnessMeter(8000), bell=Doorbell(), explain=str)
        for number, (gap_s, seconds, clear_s) in enumerate(messages, start=1):
            await trio.sleep(gap_s)
            pcm = (loud if number == len(messages) else quiet)(seconds)
            if clear_s is not None:
                clock.clear(trio.current_time() + clear_s)
                ears.clear(trio.current_time() + clear_s)
            heard.append(clock.heard_at(pcm, trio.current_time()))
            ears.audio_received(pcm, trio.current_time())
        await trio.sleep(9)
        (utterance,) = ears.heard()
        assert utterance.onset_at == pytest.approx(heard[-1], abs=1e-9)

    trio.run(hear, clock=MockClock(autojump_threshold=0))
