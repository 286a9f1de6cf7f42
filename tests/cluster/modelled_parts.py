"""What simulated workers play: the same conversations whoever runs them, and how it all truly was."""

from collections import Counter, defaultdict
from pathlib import Path
from random import Random

import attrs

from coval_load.actors.simulation import Identity
from coval_load.cluster.parcel import unpack
from coval_load.engine import metrics
from coval_load.engine.outcome import ErrorKind, Failure, Stage
from coval_load.engine.results import Results
from coval_load.engine.shapes.interface import OpenShape
from coval_load.engine.thresholds import prepare
from coval_load.plans.casting import identify
from coval_load.plans.rehearsal import Ensemble


@attrs.frozen
class Part:
    """One conversation: how long it takes, how long the agent took for each reply, how it fails if it does."""

    identity: Identity
    length_s: float
    connect_s: float
    latencies_s: tuple[float, ...]
    failure: Failure | None = None

    def transcript(self, began_at):
        turn_s = self.length_s / len(self.latencies_s)
        for number, latency_s in enumerate(self.latencies_s):
            at = began_at + number * turn_s
            yield {"role": "user", "content": "I'd like a pizza", "start": at, "end": at}
            told = {"start": at + latency_s, "end": at + turn_s, "messages": 1}
            yield {"role": "assistant", "content": "Which?", **told, "metrics": {metrics.RESPONSE_LATENCY: latency_s}}


@attrs.frozen
class Model:
    """How conversations are drawn: from the seed, the scenario and the number alone."""

    seed: int = 0
    length_s: tuple[float, float] = (5.0, 15.0)
    connect_s: tuple[float, float] = (0.001, 0.02)
    replies: int = 3
    failing: float = 0.0

    def part(self, identity):
        random = Random(f"{self.seed}/{identity.scenario}/{identity.number}")
        length_s = random.uniform(*self.length_s)
        latencies_s = tuple(random.uniform(0.05, 0.95) * length_s / self.replies for _ in range(self.replies))
        failure = None
        if random.random() < self.failing:
            failure = Failure(ErrorKind.NO_RESPONSE, Stage.CONVERSATION, "No response received within 30 s", 1)
        return Part(identity, length_s, random.uniform(*self.connect_s), latencies_s, failure)


@attrs.frozen(eq=False)
class Book:
    """A plan as a worker has it; see `cluster.parcel`."""

    ensemble: Ensemble
    run_id: str
    model: Model
    _open: tuple[bool, ...]

    @classmethod
    def read(cls, setting, model):
        ensemble = unpack(setting.plan, Path())
        are_open = tuple(isinstance(troupe.scenario.shape, OpenShape) for troupe in ensemble.troupes)
        return cls(ensemble, setting.run_id, model, are_open)

    def part(self, scenario, number):
        return self.model.part(identify(self.run_id, self.ensemble.troupes[scenario], number))

    def is_open(self, scenario):
        return self._open[scenario]

    def make_results(self):
        results = Results()
        prepare(self.ensemble.plan.thresholds, results)
        return results


@attrs.frozen
class Begun:
    """A simulation began: where, and when by the true clock."""

    worker: str
    at: float


@attrs.define
class Truth:
    """How it truly was, over all workers: what no coordinator can see."""

    open_now: Counter = attrs.field(factory=Counter, init=False)
    """Conversations that are open, by (`agent`, name) and (`scenario`, name), and all under None."""
    most_open: Counter = attrs.field(factory=Counter, init=False)
    begun: defaultdict = attrs.field(factory=lambda: defaultdict(list), init=False)
    """Each time that a simulation began, by scenario's name and number."""
    settled: defaultdict = attrs.field(factory=lambda: defaultdict(list), init=False)
    """Outcomes that workers came to, by the same."""
    recorded: defaultdict = attrs.field(factory=lambda: defaultdict(list), init=False)
    """All values that were measured, by metric."""
    reported: defaultdict = attrs.field(factory=lambda: defaultdict(list), init=False)
    """Those in reports that reached the coordinator."""
    reports: list = attrs.field(factory=list, init=False)
    """The same as they came: the worker, when by the true clock, and the values by metric."""
    lost_with: dict = attrs.field(factory=dict, init=False)
    """What was open, by scenario's name and number, where a worker ended before its simulations did."""

    def began(self, identity, worker, at):
        self.begun[identity.scenario, identity.number].append(Begun(worker, at))
        for key in _keys(identity):
            self.open_now[key] += 1
            self.most_open[key] = max(self.most_open[key], self.open_now[key])

    def reported_by(self, worker, at, values):
        self.reports.append((worker, at, values))
        for metric, reported in values.items():
            self.reported[metric] += reported

    def closed(self, identity):
        for key in _keys(identity):
            self.open_now[key] -= 1

    def most_of_agent(self, name):
        return self.most_open["agent", name]

    def most_of_scenario(self, name):
        return self.most_open["scenario", name]


def _keys(identity):
    return None, ("agent", identity.agent), ("scenario", identity.scenario)
