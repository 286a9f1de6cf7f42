"""Sound and silence: against a plain, slow statement of the same rules."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.codecs.audio.onset import FULL_SCALE, LoudnessMeter, audible_span

RATE_HZ = 1000  # windows of 10 samples
WINDOW = 10

levels = st.sampled_from([0, 0, 1, 150, 184, 185, 200, 3000, 32767, -184, -185, -32768])
stretches = st.tuples(levels, st.integers(0, 35)).map(lambda drawn: [drawn[0]] * drawn[1])
streams = st.lists(stretches | st.lists(levels, max_size=12), max_size=8).map(
    lambda parts: [sample for part in parts for sample in part]
)


def pack(samples):
    return np.array(samples, "<i2").tobytes()


def is_loud(window, threshold_dbfs=-45.0):
    energy = sum(sample * sample for sample in window)
    return bool(window) and energy > (FULL_SCALE * 10 ** (threshold_dbfs / 20)) ** 2 * len(window)


def audible(samples, threshold_dbfs=-45.0):
    """Positions of the samples that reach the amplitude, in loud windows only."""
    amplitude = FULL_SCALE * 10 ** (threshold_dbfs / 20)
    return [
        start + index
        for start in range(0, len(samples), WINDOW)
        if is_loud(samples[start : start + WINDOW], threshold_dbfs)
        for index, sample in enumerate(samples[start : start + WINDOW])
        if abs(sample) >= amplitude
    ]


def runs_by_the_rule(samples, gap_windows):
    runs = []
    for at in audible(samples):
        if runs and at // WINDOW - runs[-1][1] // WINDOW - 1 <= gap_windows:
            runs[-1] = (runs[-1][0], at)
        else:
            runs.append((at, at))
    return runs


@given(streams)
def test_the_span_of_a_clip_is_what_the_rule_says(samples):
    found = audible(samples)
    assert audible_span(pack(samples), RATE_HZ) == ((found[0], found[-1]) if found else None)


@given(streams, st.sampled_from([0.0, 0.01, 0.02, 0.05, 0.2]))
def test_one_long_message_is_cut_at_its_pauses(samples, gap_s):
    whole = samples[: len(samples) // WINDOW * WINDOW]
    meter = LoudnessMeter(RATE_HZ, gap_s=gap_s)
    assert list(meter.push(pack(whole))) == runs_by_the_rule(whole, round(gap_s * 100))


@given(streams, st.lists(st.integers(0, 60), max_size=30))
def test_the_same_samples_are_audible_however_the_stream_is_cut(samples, sizes):
    meter = LoudnessMeter(RATE_HZ, gap_s=0.0)
    found, at = [], 0
    for size in [*sizes, len(samples)]:
        piece = samples[at : at + size]
        found.extend((first + at, last + at) for first, last in meter.push(pack(piece)))
        at += len(piece)
    found.extend((first + at, last + at) for first, last in meter.flush())
    expected = audible(samples)
    assert [first for first, _ in found[:1]] == expected[:1]
    assert [last for _, last in found[-1:]] == expected[-1:]
    for first, last in found:
        assert first in expected
        assert last in expected
    covered = {at for first, last in found for at in range(first, last + 1)}
    assert set(expected) <= covered
    assert all(is_loud(samples[at // WINDOW * WINDOW :][:WINDOW]) for at in covered)


@given(st.lists(st.binary(max_size=300)), st.sampled_from([1, 99, 8000, 16000, 22050, 48000]))
def test_any_bytes_are_judged_and_less_than_a_window_is_kept(pieces, rate_hz):
    meter = LoudnessMeter(rate_hz)
    for piece in pieces:
        for first, last in meter.push(piece):
            assert first <= last <= len(piece) // 2
        assert len(meter._carry) < 2 * max(1, round(rate_hz / 100))
    meter.flush()
    assert meter.flush() == ()


@pytest.mark.parametrize("rate_hz", [8000, 16000, 24000, 48000])
def test_comfort_noise_is_not_sound_and_quiet_speech_is(rate_hz):
    noise = np.random.default_rng(1).normal(0, 60, rate_hz)
    speech = np.sin(np.arange(rate_hz) * 2 * np.pi * 120 / rate_hz) * 900
    silence = np.zeros(rate_hz // 2)
    clip = pack(np.concatenate([noise, speech, noise, silence]).round())

    first, last = audible_span(clip, rate_hz)

    assert rate_hz <= first < rate_hz * 1.01
    assert 2 * rate_hz * 0.99 < last < 2 * rate_hz
    assert audible_span(pack(noise.round()), rate_hz) is None


def test_zeros_after_zeros_and_then_sound_is_found():
    meter = LoudnessMeter(16000)
    for _ in range(3):
        assert not meter.push(bytes(640))
    assert list(meter.push(pack([0] * 100 + [5000] * 220))) == [(100, 319)]
    assert not meter.push(bytes(640))


def test_zeros_that_end_within_a_window_still_count_as_part_of_it():
    meter = LoudnessMeter(16000)  # windows of 160 samples
    assert not meter.push(bytes(2 * 200))
    assert not meter.push(pack([1] * 120))
    assert not meter.push(bytes(2 * 200))
    # 40 zeros are waiting, so the window is complete with 120 samples.
    assert list(meter.push(pack([5000] * 120))) == [(0, 119)]


def test_a_window_that_began_in_an_earlier_message_has_negative_offsets():
    meter = LoudnessMeter(16000)
    assert not meter.push(pack([0] * 40 + [5000] * 40))
    assert list(meter.push(pack([0] * 80))) == [(-40, -1)]
    assert not meter.push(pack([5000] * 20))
    assert list(meter.flush()) == [(-20, -1)]


def test_the_threshold_is_what_is_asked_for():
    tone = pack([330] * 1600)
    assert audible_span(tone, 16000, threshold_dbfs=20 * math.log10(329 / FULL_SCALE)) == (0, 1599)
    assert audible_span(tone, 16000, threshold_dbfs=20 * math.log10(331 / FULL_SCALE)) is None


rates = st.sampled_from([100, 1000, 8000, 11025, 16000, 48000])
kinds = st.sampled_from(["zeros", "loud", "faint", "edge", "noise", "ends loud", "begins loud"])


def window_of(kind, size, seed):
    """One window of a kind; `edge` is as loud as the threshold, but for one unit."""
    amplitude = FULL_SCALE * 10 ** (-45 / 20)
    samples = np.zeros(size, np.int64)
    match kind:
        case "loud":
            samples[:] = 3000
        case "faint":
            samples[:] = 100
        case "edge":
            samples[:] = int(amplitude) + seed % 2
        case "noise":
            samples[:] = np.random.default_rng(seed).normal(0, amplitude, size).round()
        case "ends loud":
            samples[-1] = 32767 if seed % 2 else -32768
        case "begins loud":
            samples[0] = -32768
    return samples


@given(rates, st.lists(st.tuples(kinds, st.integers(0, 5)), max_size=12), st.sampled_from([0.0, 0.02, 0.2]))
def test_the_last_sound_is_the_end_of_the_last_stretch(rate_hz, windows, gap_s):
    size = max(1, round(rate_hz / 100))
    pcm = b"".join(pack(window_of(kind, size, seed)) for kind, seed in windows)
    runs = LoudnessMeter(rate_hz, gap_s=gap_s).push(pcm)
    assert LoudnessMeter(rate_hz, gap_s=gap_s).last(pcm) == (runs[-1][1] if runs else None)


@given(st.binary(max_size=2 * WINDOW * 6).map(lambda data: data[: len(data) // (2 * WINDOW) * 2 * WINDOW]))
def test_the_last_sound_in_any_bytes(pcm):
    runs = LoudnessMeter(RATE_HZ).push(pcm)
    assert LoudnessMeter(RATE_HZ).last(pcm) == (runs[-1][1] if runs else None)


@given(st.lists(st.tuples(kinds, st.integers(0, 5)), max_size=6))
def test_to_ask_for_the_last_sound_changes_nothing_for_what_is_judged_next(windows):
    asked, other = LoudnessMeter(RATE_HZ), LoudnessMeter(RATE_HZ)
    for number, (kind, seed) in enumerate(windows):
        pcm = pack(window_of(kind, WINDOW, seed))
        if number % 2:
            asked.last(pcm)
        assert list(asked.push(pcm)) == list(other.push(pcm))
