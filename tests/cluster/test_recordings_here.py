"""Whatever comes in which order, the coordinator has the recordings that one process would have kept, whole."""

from concurrent.futures import Executor, Future
from types import SimpleNamespace

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from coval_load.cluster import recordings_here as module
from coval_load.cluster.messages import Recording, Sound
from coval_load.cluster.recordings_here import RecordingsHere
from coval_load.engine.keeping import Keeper
from coval_load.engine.plan import Selection
from coval_load.engine.run_folder import RunFolder
from coval_load.plans.recordings import Recordings

WORKERS = ("a", "b", "c")
OF_ALL = {"s": lambda number: True}


class AtOnce(Executor):
    """Does what it is given within `submit`."""

    def submit(self, fn, /, *args, **kwargs):
        future = Future()
        future.set_result(fn(*args, **kwargs))
        return future


class Stuck(Executor):
    """A disk that stands still, until `go`."""

    def __init__(self):
        self.waiting = []

    def submit(self, fn, /, *args, **kwargs):
        future = Future()
        self.waiting.append(lambda: future.set_result(fn(*args, **kwargs)))
        return future

    def go(self):
        waiting, self.waiting = self.waiting, []
        for one in waiting:
            one()


def identity(number):
    return SimpleNamespace(simulation_output_id=f"id-{number}", scenario="s", number=number)


def row(number, latency_s=None, kind=None, outcome=None, *, is_recorded=True):
    measured = {} if latency_s is None else {"metrics": {"response_latency": latency_s}}
    return {
        "simulation_output_id": f"id-{number}",
        "scenario": "s",
        "number": number,
        "outcome": outcome or ("completed" if kind is None else "failed"),
        "error": None if kind is None else {"kind": kind, "stage": "conversation", "message": "no"},
        "recording": {"file": f"recordings/id-{number}.wav", "start": 0.0} if is_recorded else None,
        "transcript": [{"role": "assistant", "content": "yes", "start": 0.0, "end": 1.0, **measured}],
    }


def recordings_in(path, keeper=None, writer=None):
    path.mkdir(exist_ok=True)
    recordings = Recordings(RunFolder(path, "run", None), keeper)
    recordings.writer = writer or AtOnce()
    return recordings


def names(recordings):
    folder = recordings.folder.path / "recordings"
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


def settle(recordings, ended):
    is_kept = recordings.settle(ended)
    if is_kept:
        recordings.label(ended["simulation_output_id"], f"cues of {ended['simulation_output_id']}")
    return is_kept


class Worker:
    """Does what a worker does, a message at a time."""

    def __init__(self):
        self.heard = []
        self.spooled = {}
        self.going_out = []

    def hear(self):
        if not self.heard:
            return False
        decision = self.heard.pop(0)
        one = decision.simulation_output_id
        if decision.wanted:
            first, rest = self.spooled.pop(one)[:5], one.encode()[5:]
            self.going_out += [Sound(one, b"whole ", False), Sound(one, first, False), Sound(one, rest, True)]
        else:
            self.spooled.pop(one, None)
            self.going_out = [piece for piece in self.going_out if piece.simulation_output_id != one]
        return True


class Cluster:
    """A coordinator and its workers, beside one process that has the same simulations."""

    def __init__(self, path, selection):
        keepers = [None if selection is None else Keeper(selection, 0) for _ in range(2)]
        self.is_weighed = selection is not None
        self.alone = recordings_in(path / "alone", keepers[0])
        self.recordings = recordings_in(path / "cluster", keepers[1])
        self.workers = {name: Worker() for name in WORKERS}
        self.here = RecordingsHere(self.recordings, OF_ALL, lambda name, told: self.workers[name].heard.append(told))
        self.on = {}
        self.running = {}
        self.whole = set()
        self.lost = set()

    def deal(self, name):
        if name in self.lost:
            return
        number = len(self.on)
        alone, is_recorded = self.alone.open(identity(number), 0.0), self.here.dealt(identity(number), name)
        assert is_recorded is (alone is not None)
        self.on[f"id-{number}"] = name
        self.running[number] = alone

    def end(self, which, is_silent, *end):
        if not self.running:
            return
        number = list(self.running)[which % len(self.running)]
        alone, one = self.running.pop(number), f"id-{number}"
        if alone is not None:
            self.workers[self.on[one]].spooled[one] = one.encode()
            if not is_silent:
                alone.caller(b"\x01\x01", 0.0)
            alone.close(1.0)
        settle(self.alone, row(number, *end, is_recorded=alone is not None))
        has_one = alone is not None and not (is_silent and self.is_weighed)
        settle(self.recordings, row(number, *end, is_recorded=has_one))

    def take(self, name):
        worker = self.workers[name]
        if name in self.lost or not worker.going_out:
            return False
        piece = worker.going_out.pop(0)
        if piece.is_last:
            self.whole.add(piece.simulation_output_id)
        self.here.take(piece)
        return True

    def go_through(self, name, *how):
        self.deal(name)
        self.end(-1, *how)

    def flow(self, name):
        while self.hear(name) or self.take(name):
            pass

    def hear(self, name):
        return name not in self.lost and self.workers[name].hear()

    def lose(self, name):
        if name in self.lost:
            return
        self.lost.add(name)
        self.here.lost(name)
        for number in [number for number in self.running if self.on[f"id-{number}"] == name]:
            alone = self.running.pop(number)
            if alone is not None:
                alone.close(1.0)
            failed = row(number, None, "worker_lost", is_recorded=False)
            assert settle(self.recordings, failed) is False
            if self.is_weighed:
                assert settle(self.alone, failed) is False

    async def tick(self):
        await wait_all_tasks_blocked()

    async def drain(self):
        while any(self.hear(name) or self.take(name) for name in WORKERS):
            await self.tick()
        with trio.fail_after(1):
            await self.here.all_here()


HOW = (
    st.sampled_from([False, False, False, True]),
    st.none() | st.floats(0, 60),
    st.sampled_from([None, None, "no_response", "internal"]),
    st.sampled_from([None, None, None, "cancelled"]),
)
OF_WORKERS = st.tuples(st.sampled_from(["deal", "hear", "take", "take", "flow"]), st.sampled_from(WORKERS))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("end"), st.integers(0, 9), *HOW),
        st.tuples(st.just("go_through"), st.sampled_from(WORKERS), *HOW),
        OF_WORKERS,
        st.just(("tick",)),
        st.tuples(st.just("lose"), st.sampled_from(WORKERS[1:])),
    ),
    min_size=10,
    max_size=80,
)
SELECTIONS = st.none() | st.builds(
    Selection, slowest=st.integers(0, 2), failed=st.integers(0, 2), sample=st.integers(0, 2)
)


async def play(cluster, steps, is_drained):
    with cluster.alone, cluster.recordings, cluster.here:
        for step, *how in steps:
            if step == "tick":
                await cluster.tick()
            else:
                getattr(cluster, step)(*how)
        if is_drained:
            await cluster.drain()
    return {f"id-{number}" for number in cluster.running}


@settings(max_examples=100)
@given(SELECTIONS, STEPS, st.booleans())
def test_what_is_left_is_what_one_process_would_have_kept_but_for_what_was_lost(
    tmp_path_factory, selection, steps, is_drained
):
    async def main():
        cluster = Cluster(tmp_path_factory.mktemp("run"), selection)
        running = await play(cluster, steps, is_drained)
        alone = {name.removesuffix(".labels.txt") for name in names(cluster.alone) if name.endswith(".labels.txt")}
        assert not alone & running
        sent = alone if is_drained else cluster.whole
        expected = {
            one for one in alone if one in cluster.whole or (one in sent and cluster.on[one] not in cluster.lost)
        }
        assert names(cluster.recordings) == {f"{one}{end}" for one in expected for end in (".wav", ".labels.txt")}
        folder = cluster.recordings.folder.path / "recordings"
        for one in expected:
            assert (folder / f"{one}.wav").read_bytes() == b"whole " + one.encode()
            assert (folder / f"{one}.labels.txt").read_text() == f"cues of {one}"
        assert len(cluster.recordings.faults) == len(alone - expected)

    trio.run(main)


def asked(told):
    return [(name, one.simulation_output_id) for name, one in told if one.wanted]


@pytest.fixture
def told():
    return []


@pytest.fixture
def make(tmp_path, told):
    """Makes `Recordings` and `RecordingsHere`, within Trio."""

    def made(keeper=None, writer=None):
        recordings = recordings_in(tmp_path / "run", keeper, writer)
        return recordings, RecordingsHere(recordings, OF_ALL, lambda name, one: told.append((name, one)))

    return made


def end_all(recordings, here, numbers, worker="a"):
    for number in numbers:
        assert here.dealt(identity(number), worker)
        assert settle(recordings, row(number))


async def test_so_many_are_asked_for_at_once_of_one_worker_and_of_all(make, told):
    recordings, here = make()
    for worker in range(12):
        end_all(recordings, here, range(10 * worker, 10 * worker + 3), f"w{worker}")
    assert asked(told) == [(f"w{worker}", f"id-{10 * worker + one}") for worker in range(8) for one in range(2)]
    del told[:]
    here.take(Sound("id-10", b"1", True))
    await wait_all_tasks_blocked()
    assert asked(told) == [("w1", "id-12")]
    here.take(Sound("id-0", b"1", False, "full"))
    here.lost("w3")
    assert asked(told)[1:] == [("w0", "id-2"), ("w8", "id-80"), ("w8", "id-81")]


async def test_the_next_is_asked_for_only_when_the_last_is_on_disk(make, told):
    disk = Stuck()
    recordings, here = make(writer=disk)
    end_all(recordings, here, range(3))
    del told[:]
    here.take(Sound("id-0", b"1", True))
    await wait_all_tasks_blocked()
    assert told == []
    disk.go()
    await wait_all_tasks_blocked()
    assert asked(told) == [("a", "id-2")]


async def test_what_has_come_whole_is_there_though_its_worker_is_lost_before_it_is_on_disk(make):
    disk = Stuck()
    recordings, here = make(writer=disk)
    end_all(recordings, here, range(2))
    for is_last in (False, True, True):  # the third can't be, and must do no harm
        here.take(Sound("id-0", b"1", is_last))
    here.lost("a")
    disk.go()
    assert names(recordings) == {"id-0.wav", "id-0.labels.txt"}
    assert (recordings.folder.path / "recordings" / "id-0.wav").read_bytes() == b"11"
    assert len(recordings.faults) == 1


@pytest.mark.parametrize(("is_last", "left"), [(True, {"id-1.wav", "id-1.labels.txt"}), (False, set())])
async def test_a_fault_of_the_worker_is_one_here(make, is_last, left):
    recordings, here = make()
    end_all(recordings, here, [1])
    here.take(Sound("id-1", b"1", False))
    assert names(recordings) == {"id-1.wav.part"}
    here.take(Sound("id-1", b"2", is_last, "no space left"))
    assert names(recordings) == left
    assert list(map(str, recordings.faults)) == ["no space left"]
    await wait_all_tasks_blocked()
    with trio.fail_after(1):
        await here.all_here()


async def test_what_the_disk_does_not_take_raises_nothing(make):
    recordings, here = make()
    (recordings.folder.path / "recordings").touch()
    end_all(recordings, here, [1])
    for is_last in (False, True):
        here.take(Sound("id-1", b"1", is_last))
    assert [fault.strerror for fault in recordings.faults] == ["File exists"]


async def test_a_name_that_is_taken_is_a_fault_and_nothing_is_left_in_part(make):
    recordings, here = make()
    recordings.folder.recording("id-1").mkdir()
    end_all(recordings, here, [1])
    here.take(Sound("id-1", b"1", True))
    assert names(recordings) == {"id-1.wav"}
    assert len(recordings.faults) == 1


async def test_a_disk_that_stands_still_holds_a_bounded_number_of_bytes(make, told, monkeypatch):
    monkeypatch.setattr(module, "UNWRITTEN_BYTES_AT_MOST", 100)
    disk = Stuck()
    recordings, here = make(writer=disk)
    end_all(recordings, here, [1, 2])
    for number in (1, 2):
        here.take(Sound(f"id-{number}", bytes(60), False))
    assert told[-1] == ("a", Recording("id-2", False))
    assert ["does not keep up" in str(fault) for fault in recordings.faults] == [True]
    disk.go()
    here.take(Sound("id-1", bytes(60), True))
    disk.go()
    assert names(recordings) == {"id-1.wav", "id-1.labels.txt"}


async def test_those_that_wait_are_bounded_for_each_worker(make, told, monkeypatch):
    monkeypatch.setattr(module, "WAITING_AT_MOST", 2)
    recordings, here = make()
    for number in range(5):
        assert here.dealt(identity(number), "ab"[number % 2])
    assert [settle(recordings, row(number)) for number in range(5)] == [True] * 4 + [False]
    assert told[-1] == ("a", Recording("id-4", False))
    assert "at once" in str(recordings.faults[0])


async def test_what_is_not_to_be_recorded_is_not_expected(make, told):
    recordings, here = make(Keeper(Selection(sample=1), 0))
    here.is_recorded = {"s": lambda number: number != 3}
    assert [here.dealt(identity(number), "a") for number in range(5)] == [True, True, True, False, True]
    assert settle(recordings, row(0))
    assert {here.dealt(identity(number), "a") for number in range(10, 40)} == {True, False}
    assert recordings.settle(row(3)) is False


async def test_of_a_lost_worker_nothing_is_kept_in_the_place_of_others(make):
    recordings, here = make(Keeper(Selection(slowest=1), 0))
    here.dealt(identity(1), "a")
    assert settle(recordings, row(1, 1.0))
    here.take(Sound("id-1", b"1", True))
    assert here.dealt(identity(2), "b")
    here.lost("b")
    assert recordings.settle(row(2, 9.0)) is False
    assert names(recordings) == {"id-1.wav", "id-1.labels.txt"}
    assert recordings.faults == []


def test_at_the_end_it_waits_for_as_long_as_something_comes(make, told):
    async def send(here, task_status=trio.TASK_STATUS_IGNORED):
        task_status.started()
        for _ in range(5):
            await trio.sleep(29)
            here.take(Sound("id-1", b"1", False))

    async def main():
        recordings, here = make()
        with recordings, here:
            end_all(recordings, here, [1])
            async with trio.open_nursery() as nursery:
                await nursery.start(send, here)
                await here.all_here()
            assert trio.current_time() - began_at == pytest.approx(5 * 29 + 30)
            assert names(recordings) == {"id-1.wav.part"}
        assert names(recordings) == set()
        assert list(map(str, recordings.faults)) == ["the run ended before it had come from its worker"]

    clock = MockClock(autojump_threshold=0)
    began_at = clock.current_time()
    trio.run(main, clock=clock)


def test_a_loss_at_the_end_is_not_waited_out(make):
    async def main():
        recordings, here = make()
        began_at = trio.current_time()
        end_all(recordings, here, [1])
        async with trio.open_nursery() as nursery:
            nursery.start_soon(here.all_here)
            await wait_all_tasks_blocked()
            here.lost("a")
        assert trio.current_time() == began_at

    trio.run(main, clock=MockClock(autojump_threshold=0))
