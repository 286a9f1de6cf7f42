"""A recording of which nobody knew whether it is kept is, once it is, what it would have been all along."""

import errno
import threading
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coval_load.actors.spooled_recording import BATCH_BYTES, SpooledRecording, remove_recording
from coval_load.actors.stereo_recording import AHEAD_AT_MOST_S, BEHIND_AT_MOST, StereoRecording

STARTED_AT = 5.0


class AtOnce(Executor):
    """Does what it is given within `submit`."""

    def submit(self, fn, /, *args, **kwargs):
        future = Future()
        future.set_result(fn(*args, **kwargs))
        return future


class Never(Executor):
    """A disk that stands still; `called` is what waits for it."""

    def __init__(self):
        self.called = []

    def submit(self, fn, /, *args, **kwargs):
        self.called.append(fn)
        return Future()


def noise(samples, seed=0):
    return np.random.default_rng(seed).integers(-9000, 9000, samples).astype("<i2").tobytes()


SAYINGS = st.lists(
    st.tuples(
        st.sampled_from(["agent", "agent", "agent", "agent", "caller", "flush", "clear"]),
        st.sampled_from([0.0, 0.02, 0.02, 0.5, 3.0]),
        st.sampled_from([-0.2, 0.0, 0.0, 0.1, 4.0]),
        st.integers(0, 3000),
    ),
    max_size=30,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("recordings")


def talk(recording, sayings, rate_hz):
    """Each of `sayings` so long after the one before, heard so much later."""
    now = STARTED_AT
    for number, (who, after_s, later_s, samples) in enumerate(sayings):
        now += after_s
        if who == "agent":
            recording.agent(noise(samples, number), now + later_s, rate_hz)
        elif who == "caller":
            recording.caller(noise(samples, number), now + later_s)
        elif who == "clear":
            recording.clear(now + max(later_s, 0.0))
        recording.flush(now)
    recording.close(now + 0.1)


@settings(max_examples=60)
@given(SAYINGS, st.sampled_from([8000, 16_000, 24_000, 48_000]))
def test_it_is_to_the_last_bit_what_is_written_where_all_are_kept(folder, sayings, rate_hz):
    live, spooled = (folder / name for name in ("live.wav", "spooled.wav"))
    talk(StereoRecording(live, STARTED_AT, AtOnce()), sayings, rate_hz)
    recording = SpooledRecording(spooled, STARTED_AT, AtOnce())
    talk(recording, sayings, rate_hz)
    assert recording.has_sound is any(who == "caller" or (who == "agent" and samples) for who, *_, samples in sayings)
    recording.keep()
    assert spooled.read_bytes()[:44] == live.read_bytes()[:44]
    # Cut into slices, a sample may be rounded the other way.
    sounds = [np.frombuffer(path.read_bytes()[44:], "<i2").astype(int) for path in (spooled, live)]
    assert len(sounds[0]) == len(sounds[1])
    assert np.abs(sounds[0] - sounds[1]).max(initial=0) <= 1
    assert recording.fault is None
    remove_recording(spooled)
    assert sorted(folder.iterdir()) == [live]


def test_nothing_is_seen_of_it_before_it_is_kept_nor_after_it_is_discarded(tmp_path):
    with ThreadPoolExecutor(1) as writer:
        recording = SpooledRecording(tmp_path / "one.wav", 0.0, writer)
        recording.agent(noise(BATCH_BYTES), 0.0, 48_000)
        writer.submit(int).result()
        assert recording._spool._size > 2 * BATCH_BYTES
        assert list(tmp_path.iterdir()) == []
        recording.close(1.0)
        recording.discard()
    assert recording._spool._file is None
    assert list(tmp_path.iterdir()) == []


def test_one_that_is_displaced_before_its_turn_is_never_mixed_and_after_it_is_removed(tmp_path):
    waits, looked = threading.Event(), threading.Event()
    with ThreadPoolExecutor(1) as writer:
        mixed, queued = (SpooledRecording(tmp_path / f"{name}.wav", 0.0, writer) for name in ("mixed", "queued"))
        for recording in (mixed, queued):
            recording.agent(noise(100), 0.0, 16_000)
            recording.close(1.0)
        mixed.keep().result()
        (tmp_path / "mixed.labels.txt").touch()
        assert (tmp_path / "mixed.wav").exists()
        writer.submit(waits.wait)
        its_turn = queued.keep()
        writer.submit(looked.wait)
        for recording in (mixed, queued):
            recording.displace()
        waits.set()
        its_turn.result()
        assert not (tmp_path / "queued.wav").exists()
        looked.set()
    assert list(tmp_path.iterdir()) == []
    assert queued._spool._file is None


def test_memory_is_bounded_where_the_disk_stands_still_and_that_is_told(tmp_path):
    disk = Never()
    recording = SpooledRecording(tmp_path / "one.wav", 0.0, disk)
    for second in range(200):
        recording.agent(noise(48_000), second, 48_000)
        recording.flush(second + 1.0)
    assert len(disk.called) == BEHIND_AT_MOST
    assert recording._batch_bytes < 3 * BATCH_BYTES
    assert "does not keep up" in str(recording.fault)


def test_what_an_agent_may_send_ahead_is_bounded(tmp_path):
    recording = SpooledRecording(tmp_path / "one.wav", 0.0, AtOnce())
    recording.agent(noise(10), AHEAD_AT_MOST_S + 1.0, 8000)
    assert not recording.has_sound
    for _ in range(AHEAD_AT_MOST_S + 100):
        recording.agent(bytes(16_000), 0.0, 8000)
    assert recording._spool._size < 1.01 * AHEAD_AT_MOST_S * 16_000
    recording.discard()


def test_what_was_thrown_away_is_given_back_within_bounds(tmp_path):
    recording = SpooledRecording(tmp_path / "one.wav", 0.0, AtOnce())
    for number in range(10 * AHEAD_AT_MOST_S):
        recording.agent(bytes(2000), number % 500, 1000)
        recording.clear(number % 500 + 0.1)
    assert recording._heard_bytes == 4 * AHEAD_AT_MOST_S * 2000
    recording.discard()


class Full:
    """A file whose disk is full in the middle of the second batch."""

    def __init__(self, file):
        self.file = file
        self.writes = 0

    def write(self, data):
        self.writes += 1
        if self.writes == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        return self.file.write(data[: len(data) // 2] if self.writes == 1 else data)

    def __getattr__(self, name):
        return getattr(self.file, name)


def test_a_batch_that_the_disk_did_not_take_whole_is_a_hole(tmp_path):
    recording = SpooledRecording(tmp_path / "one.wav", 0.0, AtOnce())
    for second in (0, 2, 4):
        recording.agent(b"\x01\x01" * 32_000, second, 16_000)
        recording.flush(second + 2.0)
        if second == 0:
            recording._spool._file = Full(recording._spool._file)
    recording._spool._file = recording._spool._file.file
    recording.close(6.0)
    recording.keep()
    sound = np.frombuffer((tmp_path / "one.wav").read_bytes()[44:], "<i2").reshape(-1, 2)[:, 1]
    assert [bool(part.any()) for part in np.split(sound, 3)] == [True, False, True]
    assert recording.fault.errno == errno.ENOSPC


def test_a_folder_that_is_not_there_raises_nothing(tmp_path: Path):
    recording = SpooledRecording(tmp_path / "none" / "one.wav", 0.0, AtOnce())
    recording.agent(noise(100), 0.0, 16_000)
    recording.close(1.0)
    recording.keep()
    assert isinstance(recording.fault, FileNotFoundError)


def test_after_the_end_nothing_is_added(tmp_path):
    recording = SpooledRecording(tmp_path / "one.wav", 0.0, AtOnce())
    recording.close(0.5)
    recording.caller(noise(10), 0.1)
    recording.agent(noise(10), 0.1, 16_000)
    recording.flush(9.0)
    recording.close(9.0)
    assert not recording.has_sound
    recording.keep()
    assert (tmp_path / "one.wav").stat().st_size == 44 + 4 * 8000
