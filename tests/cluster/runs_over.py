"""Whole runs over a simulated cluster, in virtual time: the plan, what goes wrong when, and all that is left of it."""

import json
import tempfile
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from unittest import mock

import attrs
import trio
from hypothesis import settings
from modelled_parts import Model
from simulated_cluster import simulated_cluster

from coval_load.cli.preparing import prepare
from coval_load.cluster import launch
from coval_load.engine import metrics
from coval_load.engine.distribution import Distribution
from coval_load.engine.run_folder import create
from coval_load.engine.virtual_time import VirtualClock
from coval_load.faults import Faulty

AGENTS = ("alpha", "beta")
FEW = settings(max_examples=settings().max_examples // 8)
"""A whole run takes some tenths of a second."""


def ensemble_of(*loads, agents=AGENTS[:1], per_agent=100_000, **given):
    """A plan with a scenario `s0`, `s1`, ... for each of `loads`, each `(start, load)` or a load."""
    pairs = [load if isinstance(load, tuple) else (0, load) for load in loads]
    plan = {
        "name": "over workers",
        "agents": [_agent(name) for name in agents],
        "test_set": [{"id": "hello", "turns": [{"type": "text", "text": "Hello"}]}],
        "scenarios": [_scenario(f"s{at}", *pair) for at, pair in enumerate(pairs)],
        "limits": {"per_agent": per_agent},
    }
    return prepare(plan | given)


def _scenario(name, start_s, load):
    return {"name": name, "load": load} | ({"start": start_s} if start_s else {})


def _agent(name):
    metadata = {"endpoint": f"wss://{name}.example/chat"}
    return {"display_name": name, "model_type": "MODEL_TYPE_CHAT_WEBSOCKET", "metadata": metadata}


class ThoroughClock(VirtualClock, trio.abc.Instrument):
    """Jumps only when `run_sync_soon` has nothing left either, of which a clock is not told: it looks once more."""

    has_stepped = False

    def after_task_step(self, task):
        self.has_stepped = True

    def deadline_to_sleep_time(self, deadline):
        if self.has_stepped:
            self.has_stepped = False
            return 0.0
        return super().deadline_to_sleep_time(deadline)


@attrs.frozen
class Fault:
    """`at` seconds after the workers were asked for the cluster's `act` is called, of the `worker`-th or of none."""

    at: float
    act: str
    worker: int | None = None
    more: tuple = ()


@attrs.define
class Ran:
    """A run that is over. `refused`: why it did not begin; then there is nothing else."""

    cluster: object = attrs.field(repr=False)
    crew: object = attrs.field(default=None, repr=False)
    live: object = attrs.field(default=None, repr=False)
    finished: object = None
    refused: object = None
    took_s: float = 0.0
    rows: list = attrs.field(factory=list)
    timeline: list = attrs.field(factory=list)

    @property
    def truth(self):
        return self.cluster.truth

    @property
    def summary(self):
        return self.finished.summary

    @property
    def counts(self):
        return self.summary["counts"]

    @property
    def workers(self):
        """Rows of all workers that took part, by name."""
        return {row["name"]: row for row in self.summary["generator"]["workers"][1:]}

    def keys(self):
        """Scenario and number of each row, sorted."""
        return sorted((row["scenario"], row["number"]) for row in self.rows)

    def due(self, scenario):
        """When each simulation of a scenario was due, by number."""
        return {row["number"]: row["scheduled_at"] for row in self.rows if row["scenario"] == scenario}

    def lost(self):
        """Rows of simulations that were lost with a worker, by scenario and number."""
        return {
            (row["scenario"], row["number"]): row
            for row in self.rows
            if row["error"] and row["error"]["kind"] == "worker_lost"
        }

    def late_by(self):
        """By how much each simulation truly began later than it was due, by the true clock."""
        started_at = self.crew.origin + self.crew.lead_s
        due = {(row["scenario"], row["number"]): row["scheduled_at"] for row in self.rows}
        return {key: begun[0].at - started_at - due[key] for key, begun in self.truth.begun.items()}


@attrs.define
class _Run:
    """One run, and those who watch it."""

    ran: Ran
    ensemble: object
    faults: tuple
    looks: tuple

    async def go(self, folder):
        origin = trio.current_time()
        with _crews_kept(self.ran):
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._go_wrong, origin)
                    watches = [self._keep_live, *(partial(look, self.ran) for look in self.looks)]
                    self.ran.finished = await launch.run_with(self.ran.cluster, self.ensemble, folder, watches=watches)
                    nursery.cancel_scope.cancel()
            except* Faulty as refused:
                (self.ran.refused,) = refused.exceptions
        self.ran.took_s = trio.current_time() - origin

    async def _keep_live(self, live):
        self.ran.live = live

    async def _go_wrong(self, origin):
        cluster = self.ran.cluster
        for fault in sorted(self.faults, key=lambda fault: fault.at):
            await trio.sleep_until(origin + fault.at)
            if fault.worker is None:
                getattr(cluster, fault.act)(*fault.more)
            else:
                names = list(cluster.seats)
                getattr(cluster, fault.act)(names[fault.worker % len(names)], *fault.more)


@contextmanager
def _crews_kept(ran):
    def crew(*given, **named):
        ran.crew = _Crew(*given, **named)
        return ran.crew

    with mock.patch.object(launch, "Crew", crew):
        yield


_Crew = launch.Crew


def run_over(ensemble, *, faults=(), looks=(), **given):
    """The whole plan over a cluster with `given`: see `SimulatedCluster`, and `workers` of them at the start.

    `looks` are called with what there is of the run, and `Live`, while it goes on.
    """
    given = {"model": Model()} | given

    async def main(clock, path):
        async with simulated_cluster(**given) as cluster:
            run = _Run(Ran(cluster), ensemble, tuple(faults), tuple(looks))
            await run.go(create(path / "run", "run", datetime.now(UTC)))
        return run.ran

    with tempfile.TemporaryDirectory(dir=_MEMORY) as path, mock.patch.object(trio.to_thread, "run_sync", _at_once):
        clock = ThoroughClock()
        ran = trio.run(clock.run, main, Path(path), clock=clock, instruments=[clock])
        if ran.finished is not None:
            ran.rows = _lines(Path(path) / "run" / "simulations.jsonl")
            ran.timeline = _lines(Path(path) / "run" / "timeline.jsonl")
    return ran


_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None


async def _at_once(function, *given, **_how):
    """In the place of a thread: while one works, hours of virtual time could go by."""
    return function(*given)


def _lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def pooled(values):
    """The metric of these values in seconds, as a summary has it."""
    distribution = Distribution()
    distribution.record_many(values)
    return distribution.summary()


def same_metric(one, other):
    """Whether two metrics of summaries are the same, to the bucket; sums are added up in another order."""
    mean_is_same = abs(one["mean"] - other["mean"]) < 1e-6 + 1e-6 * abs(other["mean"])
    return mean_is_same and {**one, "mean": 0} == {**other, "mean": 0}


def latencies(ran, of=lambda row: True):
    """The response latencies of all conversations that were told of in rows."""
    turns = (turn for row in ran.rows if of(row) for turn in row["transcript"])
    return [turn["metrics"][metrics.RESPONSE_LATENCY] for turn in turns if "metrics" in turn]
