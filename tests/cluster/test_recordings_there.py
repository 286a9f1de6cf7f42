"""A worker sends what is wanted, whole and no faster than it is taken, and leaves nothing behind."""

import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import trio

from coval_load.actors.spooled_recording import SpooledRecording
from coval_load.cluster.messages import Recording, Sound
from coval_load.cluster.recordings_there import PIECE_BYTES, RecordingsThere

LONG = PIECE_BYTES * 5 // 2


def identity(one):
    return SimpleNamespace(simulation_output_id=one)


def talk(recording, size, seed=0):
    """A conversation whose file has about `size` bytes."""
    samples = size // 4
    pcm = np.random.default_rng(seed).integers(-9000, 9000, samples).astype("<i2").tobytes()
    recording.agent(pcm, 0.1, 16_000)
    recording.caller(pcm[:3200], 0.0)
    recording.close(samples / 16_000)


class Pipe:
    """What was sent; where it is held it takes a piece only when it `may_go`."""

    def __init__(self):
        self.sent = []
        self.taken = 0
        self.most_ahead = 0
        self.came = trio.Event()
        self.is_held = False
        self.may_go = trio.Event()

    def send(self, piece):
        self.sent.append(piece)
        self.most_ahead = max(self.most_ahead, len(self.sent) - self.taken)
        self.came.set()

    async def drained(self):
        if self.is_held:
            await self.may_go.wait()
        await trio.lowlevel.checkpoint()
        self.taken = len(self.sent)

    def let_go(self):
        self.is_held = False
        self.may_go.set()

    def file(self, one):
        assert [piece.is_last for piece in self.sent if piece.simulation_output_id == one][-1] is True
        return b"".join(piece.data for piece in self.sent if piece.simulation_output_id == one)


@pytest.fixture
def pipe():
    return Pipe()


@pytest.fixture
def there(pipe, tmp_path):
    with RecordingsThere(pipe.send, pipe.drained, is_weighed=True, parent=tmp_path) as there:
        yield there
    assert list(tmp_path.iterdir()) == []


def make_folder(path):
    path.mkdir()


def descriptors():
    """How many this process has open, where it is easily told."""
    of_all = Path("/proc/self/fd")
    return len(list(of_all.iterdir())) if of_all.exists() else 0


def folder(tmp_path):
    (made,) = tmp_path.iterdir()
    return made


def mixed_alone(path, size, seed=0):
    """The file that one process would have made."""
    with ThreadPoolExecutor(1) as writer:
        recording = SpooledRecording(path, 0.0, writer)
        talk(recording, size, seed)
        recording.keep().result()
    return path.read_bytes()


async def test_what_is_wanted_is_sent_as_one_process_would_have_it_and_the_rest_is_not(
    there, pipe, nursery, tmp_path_factory
):
    nursery.start_soon(there.run)
    for seed, one in enumerate(("long", "unwanted", "short", "undecided")):
        talk(there.open(identity(one), 0.0), LONG if one == "long" else 999, seed)
    for one, wanted in (("short", True), ("unwanted", False), ("long", True)):
        there.decide(Recording(one, wanted))
    await there.all_sent()
    alone = tmp_path_factory.mktemp("alone") / "alone.wav"
    assert pipe.file("short") == mixed_alone(alone, 999, 2)
    assert pipe.file("long") == mixed_alone(alone, LONG, 0)
    assert [(piece.simulation_output_id, piece.is_last) for piece in pipe.sent] == [
        ("short", True),
        *[("long", False)] * (len(pipe.sent) - 2),
        ("long", True),
    ]
    assert len(pipe.sent) == 4
    assert max(len(piece.data) for piece in pipe.sent) == PIECE_BYTES
    assert all(piece.fault is None for piece in pipe.sent)


async def test_a_piece_is_sent_only_when_the_one_before_was_taken(there, pipe, nursery):
    nursery.start_soon(there.run)
    for one in ("one", "other"):
        talk(there.open(identity(one), 0.0), LONG)
        there.decide(Recording(one, True))
    await there.all_sent()
    assert pipe.taken == len(pipe.sent) == 6
    assert pipe.most_ahead == 1


async def test_one_that_is_not_wanted_any_more_is_sent_no_further(there, pipe, nursery, tmp_path):
    pipe.is_held = True
    nursery.start_soon(there.run)
    for one in ("displaced", "queued", "next"):
        talk(there.open(identity(one), 0.0), LONG if one == "displaced" else 999)
        there.decide(Recording(one, True))
    await pipe.came.wait()
    for one in ("displaced", "queued", "displaced"):
        there.decide(Recording(one, False))
    pipe.let_go()
    await there.all_sent()
    assert [piece.simulation_output_id for piece in pipe.sent] == ["displaced", "next"]
    assert pipe.file("next")


async def test_what_lies_at_the_worker_is_for_nobody_else_and_has_no_name(there, pipe, nursery, tmp_path):
    assert stat.S_IMODE(folder(tmp_path).stat().st_mode) == 0o700
    pipe.is_held = True
    nursery.start_soon(there.run)
    recording = there.open(identity("one"), 0.0)
    talk(recording, LONG)
    assert list(folder(tmp_path).iterdir()) == []
    there.decide(Recording("one", True))
    await pipe.came.wait()
    assert list(folder(tmp_path).iterdir()) == []
    pipe.let_go()
    await there.all_sent()


@pytest.mark.parametrize(("is_weighed", "left"), [(True, None), (False, {"file": "x"})])
async def test_of_silence_the_coordinator_hears_only_where_all_is_kept(pipe, nursery, tmp_path, is_weighed, left):
    rows = []
    with RecordingsThere(pipe.send, pipe.drained, is_weighed, tmp_path) as there:
        nursery.start_soon(there.run)
        write = there.before(rows.append)
        there.open(identity("silent"), 0.0).close(1.0)
        talk(there.open(identity("heard"), 0.0), 999)
        for one in ("silent", "heard", "chat"):
            write({"simulation_output_id": one, "recording": None if one == "chat" else {"file": "x"}})
        assert [row["recording"] for row in rows] == [left, {"file": "x"}, None]
        if not is_weighed:
            there.decide(Recording("silent", True))
        await there.all_sent()
    assert [len(piece.data) for piece in pipe.sent] == [] if is_weighed else [44 + 4 * 16_000]


async def test_nobody_waits_for_what_is_not_there(there, pipe, nursery):
    nursery.start_soon(there.run)
    there.decide(Recording("never", True))
    there.decide(Recording("never", False))
    assert pipe.sent == [Sound("never", b"", False, "its worker has no such recording")]
    await there.all_sent()


async def test_what_the_disk_does_not_take_is_told(there, pipe, nursery, tmp_path):
    nursery.start_soon(there.run)
    for one in ("first", "second"):
        recording = there.open(identity(one), 0.0)
        if one == "first":
            make_folder(recording.path)
        talk(recording, 999)
        there.decide(Recording(one, True))
    await there.all_sent()
    assert [(one.simulation_output_id, one.is_last, one.fault) for one in pipe.sent] == [
        ("first", False, "Is a directory"),
        ("second", True, None),
    ]
    there._writer.submit(int).result()
    assert [path.name for path in folder(tmp_path).iterdir()] == ["first.wav"]


async def test_a_hole_is_told_with_the_file(there, pipe, nursery):
    nursery.start_soon(there.run)
    recording = there.open(identity("one"), 0.0)
    recording._spool.fault = OSError(28, "No space left on device")
    talk(recording, 999)
    there.decide(Recording("one", True))
    await there.all_sent()
    assert [(one.is_last, one.fault) for one in pipe.sent] == [(True, "No space left on device")]


async def test_a_fault_of_our_own_is_told_and_ends_nothing(there, pipe, nursery, monkeypatch):
    nursery.start_soon(there.run)
    for one in ("odd", "even"):
        recording = there.open(identity(one), 0.0)
        talk(recording, 999)
        if one == "odd":
            recording._clips = []
        there.decide(Recording(one, True))
    await there.all_sent()
    assert [(one.simulation_output_id, one.fault) for one in pipe.sent] == [
        ("odd", "list index out of range"),
        ("even", None),
    ]


async def test_nothing_is_left_where_the_worker_breaks_down(pipe, tmp_path):
    open_before = descriptors()
    stuck = threading.Event()
    with pytest.raises(KeyError), RecordingsThere(pipe.send, pipe.drained, True, tmp_path) as there:
        for one in ("going", "wanted"):
            recording = there.open(identity(one), 0.0)
            talk(recording, LONG)
        there._writer.submit(stuck.wait)
        there.decide(Recording("wanted", True))
        stuck.set()
        raise KeyError
    assert list(tmp_path.iterdir()) == []
    assert descriptors() == open_before
