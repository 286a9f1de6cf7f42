"""What the tests of recordings that workers make have in common: disks, rows, and what is left in the folder."""

from concurrent.futures import Executor, Future
from types import SimpleNamespace

from coval_load.engine.run_folder import RunFolder
from coval_load.plans.recordings import Recordings

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
