"""The coordinator asks for what is kept in turn, waits with a bound, and loses nothing unseen."""

import pytest
import trio
from recorded_rows import OF_ALL, Stuck, identity, names, recordings_in, row, settle
from trio.testing import MockClock, wait_all_tasks_blocked

from coval_load.cluster import recordings_here as module
from coval_load.cluster.messages import Recording, Sound
from coval_load.cluster.recordings_here import RecordingsHere
from coval_load.engine.keeping import Keeper
from coval_load.engine.plan import Selection


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
