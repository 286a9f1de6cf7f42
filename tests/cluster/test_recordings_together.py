"""Workers, the coordinator and what lies between: the files are those that one process would have made, bit for bit."""

from types import SimpleNamespace

import numpy as np
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from coval_load.cluster.messages import (
    decode_from_worker,
    decode_to_worker,
    encode_from_worker,
    encode_to_worker,
)
from coval_load.cluster.recordings_here import RecordingsHere
from coval_load.cluster.recordings_there import RecordingsThere
from coval_load.engine.plan import Recording, Selection
from coval_load.engine.results import Results
from coval_load.engine.run_folder import RunFolder
from coval_load.engine.shapes.constant import Constant
from coval_load.plans.keeping import open_keeping, weighed_audio
from coval_load.plans.samples import recorded


def identity(number):
    return SimpleNamespace(simulation_output_id=f"id-{number}", scenario="s", number=number)


def row(number, latency_s, is_recorded):
    return {
        "simulation_output_id": f"id-{number}",
        "scenario": "s",
        "number": number,
        "ended_at": 1.0,
        "outcome": "completed",
        "error": None,
        "recording": {"file": f"recordings/id-{number}.wav", "start": 0.0} if is_recorded else None,
        "transcript": [
            {"role": "user", "content": "yes", "start": 0.0, "end": 1.0, "metrics": {"response_latency": latency_s}}
        ],
        "events": [],
    }


def talk(recording, number, samples):
    pcm = np.random.default_rng(number).integers(-9000, 9000, samples).astype("<i2").tobytes()
    if samples:
        recording.agent(pcm, 0.1, 16_000)
    recording.close(0.1 + samples / 16_000)


def kept_in(folder):
    return {path.name: path.read_bytes() for path in (folder.path / "recordings").glob("*")}


def alone(plan, folder, simulations):
    """The rows of a run in one process, and its files."""
    rows = []
    with open_keeping(plan, folder, Results(), lambda value: value) as keeping:
        for number, (latency_s, samples, _) in enumerate(simulations):
            recording = keeping.open_recording(identity(number), 0.0)
            if recording is not None:
                talk(recording, number, samples)
            keeping.before(rows.append)(row(number, latency_s, recording is not None))
    return rows, kept_in(folder)


class Worker:
    """One with its `RecordingsThere`, and a pipe that carries bytes."""

    def __init__(self, plan, path):
        self.arrived, self.came = trio.open_memory_channel(0)
        self.queued = []
        is_weighed = weighed_audio(plan) is not None
        self.there = RecordingsThere(self.queued.append, self.drained, is_weighed, path)

    async def drained(self):
        queued, self.queued[:] = list(self.queued), []
        await self.arrived.send(encode_from_worker(queued))

    def hear(self, decision):
        for one in decode_to_worker(encode_to_worker([decision])):
            self.there.decide(one)

    async def carry(self, here):
        async for data in self.came:
            for piece in decode_from_worker(data):
                here.take(piece)


async def together(plan, folder, path, simulations):
    rows = []
    with open_keeping(plan, folder, Results(), lambda value: value) as keeping:
        workers = [Worker(plan, path) for _ in range(2)]
        with (
            RecordingsHere(
                keeping.recordings, recorded(plan), lambda name, told: workers[int(name)].hear(told)
            ) as here,
            workers[0].there,
            workers[1].there,
        ):
            async with trio.open_nursery() as nursery:
                for worker in workers:
                    nursery.start_soon(worker.there.run)
                    nursery.start_soon(worker.carry, here)
                for number, (latency_s, samples, on) in enumerate(simulations):
                    there, is_recorded = workers[on].there, here.dealt(identity(number), str(on))
                    if is_recorded:
                        talk(there.open(identity(number), 0.0), number, samples)
                    there.before(keeping.before(rows.append))(row(number, latency_s, is_recorded))
                    await trio.lowlevel.checkpoint()
                await here.all_here()
                for worker in workers:
                    await worker.there.all_sent()
                nursery.cancel_scope.cancel()
    return rows, kept_in(folder)


SIMULATIONS = st.lists(
    st.tuples(st.floats(0, 60), st.sampled_from([0, 0, 1, 800, 150_000]), st.integers(0, 1)), max_size=12
)
SELECTIONS = st.just("all") | st.builds(Selection, slowest=st.integers(0, 2), sample=st.integers(0, 2))


@settings(max_examples=15)
@given(SELECTIONS, SIMULATIONS)
def test_workers_and_their_coordinator_keep_what_one_process_keeps(tmp_path_factory, audio, simulations):
    path = tmp_path_factory.mktemp("runs")
    (path / "workers").mkdir()
    plan = SimpleNamespace(
        recording=Recording(audio=audio), seed=0, scenarios=[SimpleNamespace(name="s", shape=Constant(1, 60.0))]
    )
    folders = [RunFolder(path / name, name, None) for name in ("alone", "together")]
    for folder in folders:
        folder.path.mkdir()
    expected = alone(plan, folders[0], simulations)
    assert trio.run(together, plan, folders[1], path / "workers", simulations) == expected
    assert list((path / "workers").iterdir()) == []
