import wave
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.actors.placing import AS_ONE_S, PlayoutClock
from coval_load.actors.stereo_recording import AHEAD_AT_MOST_S, BEHIND_AT_MOST, StereoRecording
from coval_load.codecs.audio.resampling import StreamingResampler

RATE = 16_000


class AtOnce(Executor):
    """Does what it is given within `submit`."""

    def submit(self, fn, /, *args, **kwargs):
        future = Future()
        future.set_result(fn(*args, **kwargs))
        return future


class Never(Executor):
    """A disk that stands still."""

    def submit(self, fn, /, *args, **kwargs):
        return Future()


def tone(samples, value=1):
    return np.full(samples, value, dtype="<i2").tobytes()


def read(path):
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, RATE)
        both = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").reshape(-1, 2)
    return both[:, 0].tolist(), both[:, 1].tolist()


@pytest.fixture
def path(tmp_path: Path):
    return tmp_path / "one.wav"


def test_each_side_lies_where_it_was_heard_to_the_sample(path):
    recording = StereoRecording(path, 100.0, AtOnce())
    recording.caller(tone(3, 7), 100.0 + 2 / RATE)
    recording.agent(tone(2, 9), 100.0 + 6 / RATE)
    recording.close(100.0 + 10 / RATE)
    assert read(path) == ([0, 0, 7, 7, 7, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 9, 9, 0, 0])


def test_of_what_overlaps_the_louder_is_kept_and_a_gap_is_silence(path):
    recording = StereoRecording(path, 0.0, AtOnce())
    for value, at in ((1, 0), (-2, 1), (3, 7), (1, 8), (-3, 5)):
        recording.caller(tone(3, value), at / RATE)
    recording.close(11 / RATE)
    assert read(path)[0] == [1, -2, -2, -2, 0, -3, -3, 3, 3, 3, 1]


def test_what_follows_within_milliseconds_is_one_and_what_does_not_lies_where_it_is_heard(path):
    recording = StereoRecording(path, 0.0, AtOnce())
    for value, at in ((1, 0), (2, 1), (3, 7), (4, 300)):
        recording.agent(tone(3, value), at / RATE)
    recording.close(305 / RATE)
    assert read(path)[1] == [1, 1, 1, 2, 2, 2, 3, 3, 3, *[0] * 291, 4, 4, 4, 0, 0]


def test_what_was_not_heard_by_the_end_is_left_out(path):
    recording = StereoRecording(path, 0.0, AtOnce())
    recording.agent(tone(10), 0.0)
    recording.close(4 / RATE)
    assert read(path) == ([0] * 4, [1] * 4)


def test_what_lies_before_the_start_is_left_out(path):
    recording = StereoRecording(path, 5.0, AtOnce())
    recording.caller(tone(4), 5.0 - 2 / RATE)
    recording.agent(tone(4), 4.0)
    recording.close(5.0 + 3 / RATE)
    assert read(path) == ([1, 1, 0], [0, 0, 0])


def test_a_recording_of_nothing_is_a_whole_file(path):
    recording = StereoRecording(path, 0.0, AtOnce())
    recording.close(0.0)
    assert read(path) == ([], [])


def test_half_a_sample_is_left_out(path):
    recording = StereoRecording(path, 0.0, AtOnce())
    recording.caller(tone(2) + b"\x05", 0.0)
    recording.close(3 / RATE)
    assert read(path)[0] == [1, 1, 0]


@given(
    sounds=st.lists(
        st.tuples(st.booleans(), st.integers(0, 30), st.integers(-50, 3_000)),
        max_size=30,
    ),
    flush_every=st.integers(1, 10),
)
def test_flushing_changes_nothing(tmp_path_factory, sounds, flush_every):
    """Placed at most 3,000 samples (0.2 s) ahead of a clock that goes on by a second with each sound."""
    path = tmp_path_factory.getbasetemp() / "flushed.wav"
    recording = StereoRecording(path, 0.0, AtOnce())
    expected = {True: [], False: []}
    now = 0
    for number, (side, samples, ahead) in enumerate(sounds, start=1):
        at = now + max(ahead, 0)
        (recording.caller if side else recording.agent)(tone(samples, number), at / RATE)
        expected[side] += [0] * max(at - len(expected[side]), 0) + [number] * samples
        now += RATE
        if number % flush_every == 0:
            recording.flush(now / RATE)
    recording.close(now / RATE)

    for side, heard in zip((True, False), read(path), strict=True):
        assert heard == (expected[side] + [0] * now)[:now]


def test_sound_is_streamed_to_disk_under_a_name_of_its_own(path):
    recording = StereoRecording(path, 0.0, AtOnce())
    recording.agent(tone(3 * RATE), 0.0)
    recording.flush(1.9)
    part = path.with_name("one.wav.part")
    assert not part.exists()
    recording.flush(2.5)
    assert part.stat().st_size == 44 + 4 * int(2.5 * RATE)
    assert not path.exists()
    recording.close(3.0)
    assert not part.exists()
    assert read(path)[1] == [1] * 3 * RATE


def test_what_lies_before_a_flush_is_left_out_and_the_rest_stays_in_its_place(path):
    recording = StereoRecording(path, 0.0, AtOnce())
    recording.flush(2.0)
    recording.caller(tone(4), 2.0 - 2 / RATE)
    recording.close(2.0 + 3 / RATE)
    assert read(path)[0] == [0] * 2 * RATE + [1, 1, 0]


def test_what_the_resampler_keeps_back_is_waited_for_by_a_flush_and_there_at_the_end(path):
    recording = StereoRecording(path, 0.0, AtOnce())
    for frame in range(100):
        recording.agent(tone(480, 1000), frame / 50, 24_000)
        recording.flush((frame + 1) / 50)
    recording.flush(2.5)
    recording.agent(tone(480, 1000), 3.0, 24_000)
    recording.close(4.0)
    heard = np.array(read(path)[1])
    (edges,) = np.nonzero(np.diff(heard > 500, prepend=False, append=False))
    assert edges == pytest.approx([0, 2 * RATE, 3 * RATE, 3.02 * RATE], abs=1)
    assert heard[100:-100].max() < 1200


@given(
    rate_hz=st.sampled_from([8000, 16_000, 24_000, 48_000]),
    pieces=st.lists(st.sampled_from([20, 20, 60, 333]), min_size=1, max_size=8),
    cut=st.integers(0, 3_000),
    later=st.integers(0, 300),
    flushed=st.booleans(),
)
def test_what_was_thrown_away_is_not_in_it_and_what_comes_later_lies_where_it_is_heard(
    tmp_path_factory, rate_hz, pieces, cut, later, flushed
):
    path = tmp_path_factory.getbasetemp() / "cut.wav"
    recording = StereoRecording(path, 0.0, AtOnce())
    clock = PlayoutClock(rate_hz, paced=True)
    for piece in pieces:
        pcm = tone(piece * rate_hz // 1000, 1000)
        recording.agent(pcm, clock.heard_at(pcm, 0.0), rate_hz)
    end = sum(pieces)
    if flushed:
        recording.flush(cut / 1000)
    recording.clear(cut / 1000)
    clock.clear(cut / 1000)
    begin = (cut if flushed else min(cut, end)) + later  # nothing can come to lie before a flush
    pcm = tone(rate_hz // 10, 2000)
    recording.agent(pcm, clock.heard_at(pcm, begin / 1000), rate_hz)
    recording.close(5.0)
    heard = np.array(read(path)[1])
    as_one = round(AS_ONE_S * RATE)
    first, last = min(cut, end) * 16, begin * 16
    assert (heard[: max(first - 2, 0)] > 500).all()
    if last - first > as_one:
        assert not heard[first + as_one : last].any()
    ringing = RATE // 1000  # where the sound ends
    assert heard[last + as_one : last + 1600 - as_one - ringing] == pytest.approx(2000, abs=100)
    assert not heard[last + 1600 + as_one :].any()


def test_a_cut_is_exact_to_the_sample_at_the_recordings_own_rate(path):
    recording = StereoRecording(path, 0.0, AtOnce())
    for number in range(5):
        recording.agent(tone(10, number + 1), 10 * number / RATE)
    recording.caller(tone(50, 7), 0.0)
    recording.clear(23 / RATE)
    recording.agent(tone(5, 9), 200 / RATE)
    recording.close(210 / RATE)
    caller, agent = read(path)
    assert agent == [1] * 10 + [2] * 10 + [3] * 3 + [0] * 177 + [9] * 5 + [0] * 5
    assert caller == [7] * 50 + [0] * 160


def test_where_nothing_is_to_be_thrown_away_the_stream_goes_on_without_a_seam(path):
    recording = StereoRecording(path, 0.0, AtOnce())
    sound = np.random.default_rng(1).integers(-8000, 8000, 960).astype("<i2").tobytes()
    for half, at in ((sound[:960], 0.0), (sound[960:], 0.02)):
        recording.agent(half, at, 24_000)
        recording.clear(at + 0.02)
    recording.close(0.04)
    whole = StreamingResampler(24_000, RATE)
    expected = np.frombuffer(whole.push(sound) + whole.flush(), "<i2")
    assert read(path)[1] == pytest.approx(expected, abs=1)


def test_memory_ahead_of_the_clock_is_bounded(path):
    recording = StereoRecording(path, 0.0, AtOnce())
    minute = tone(60 * RATE)
    for _ in range(12):
        recording.agent(minute, 0.0)
    recording.caller(tone(1), 1e9)
    bound = AHEAD_AT_MOST_S * RATE
    for side in (recording._agent, recording._caller):
        assert sum(chunk.size for chunk in side._chunks) <= bound
    recording.close(1 / RATE)
    assert read(path) == ([0], [1])


def test_a_disk_that_stands_still_holds_a_bounded_number_of_batches(path):
    recording = StereoRecording(path, 0.0, Never())
    for seconds in range(2, 200, 2):
        recording.flush(float(seconds))
    assert len(recording._waiting) == BEHIND_AT_MOST
    assert "does not keep up" in str(recording.fault)


def test_a_batch_that_was_left_out_is_a_hole_of_silence(path):
    class Slow(AtOnce):
        stuck = False

        def submit(self, fn, /, *args, **kwargs):
            return Future() if self.stuck else super().submit(fn, *args, **kwargs)

    writer = Slow()
    recording = StereoRecording(path, 0.0, writer)
    recording.caller(tone(6 * RATE), 0.0)
    recording.flush(2.0)
    writer.stuck = True
    recording.flush(4.0)
    writer.stuck = False
    recording.close(6.0)
    assert read(path)[0] == [1] * 2 * RATE + [0] * 2 * RATE + [1] * 2 * RATE


def test_a_disk_error_is_kept_not_raised(tmp_path: Path):
    recording = StereoRecording(tmp_path / "no such folder" / "one.wav", 0.0, AtOnce())
    recording.caller(tone(1), 0.0)
    recording.close(1.0)
    assert isinstance(recording.fault, FileNotFoundError)


def test_after_the_end_nothing_changes(path):
    recording = StereoRecording(path, 0.0, AtOnce())
    recording.close(2 / RATE)
    recording.caller(tone(5), 0.0)
    recording.flush(9.0)
    recording.close(9.0)
    assert read(path) == ([0, 0], [0, 0])


def test_many_recordings_share_one_thread(tmp_path: Path):
    with ThreadPoolExecutor(1) as writer:
        recordings = [StereoRecording(tmp_path / f"{number}.wav", 0.0, writer) for number in range(5)]
        for second in range(6):
            for number, recording in enumerate(recordings):
                recording.caller(tone(RATE, number), float(second))
                recording.flush(second + 1.0)
        for recording in recordings:
            recording.close(6.0)
    for number, recording in enumerate(recordings):
        assert recording.fault is None
        assert read(recording.path)[0] == [number] * 6 * RATE
