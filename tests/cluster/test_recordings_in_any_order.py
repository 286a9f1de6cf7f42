"""Whatever comes in which order, the coordinator has the recordings that one process would have kept, whole."""

import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from recorded_rows import OF_ALL, identity, names, recordings_in, row, settle
from trio.testing import wait_all_tasks_blocked

from coval_load.cluster.messages import Sound
from coval_load.cluster.recordings_here import RecordingsHere
from coval_load.engine.keeping import Keeper
from coval_load.engine.plan import Selection

WORKERS = ("a", "b", "c")


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
        await self.tick()
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
