"""A cast that does what it is told, and a runner that plays it in virtual time."""

import math
from collections import Counter
from functools import partial

import attrs
import trio
from trio.testing import MockClock

from coval_load.engine import metrics
from coval_load.engine.labels import Labels
from coval_load.engine.outcome import ErrorKind, Failure, SimulationFailed, Stage
from coval_load.engine.plan import Timeouts
from coval_load.engine.results import Results
from coval_load.engine.runner import Runner
from coval_load.engine.scenario import Scenario
from coval_load.engine.shapes.constant import Constant
from coval_load.engine.shapes.simulations import Simulations


def failed(kind=ErrorKind.NO_RESPONSE, message="silent"):
    return SimulationFailed(kind, message)


async def fail(error):
    raise error


def closed(concurrency, simulations=None, duration_s=math.inf):
    if simulations is not None and duration_s == math.inf:
        return Simulations(concurrency, simulations)
    return Constant(concurrency, duration_s, simulations)


@attrs.define
class Actor:
    """Does what it is told, and keeps what became of it."""

    number: int
    script: object
    account: object = None
    agent: str = "a"
    stage: Stage = Stage.CONVERSATION
    due: float = math.nan
    outcomes: list = attrs.field(factory=list)
    clean_up: object = None

    async def run(self, due):
        self.due = due
        await self.script()

    def failure_of(self, error):
        if isinstance(error, SimulationFailed):
            return Failure(error.kind, self.stage, error.message)
        return Failure(ErrorKind.INTERNAL, self.stage, f"{type(error).__name__}: {error}")

    def finished(self, outcome):
        self.outcomes.append(outcome)
        if self.clean_up is not None:
            raise self.clean_up

    def row(self):
        return {"number": self.number, "metrics": {}}


@attrs.define
class Played:
    """A runner with a cast, and all that came of it."""

    runner: Runner
    actors: list
    rows: list
    ended_at: float

    def row(self, number):
        (row,) = [row for row in self.rows if row["number"] == number]
        return row

    @property
    def outcomes(self):
        return Counter(row["outcome"] for row in self.rows)


def perform(script_of, load, *, limits=None, agents=("a",), beside=None, clean_up=None, **timeouts):
    """Run a load in virtual time. `script_of(number)` is what each actor does, `beside(runner)` goes on beside."""
    actors, rows = [], []

    class Cast:
        def labels(self, number):
            return Labels(agent=agents[number % len(agents)])

        def __call__(self, number):
            labels = self.labels(number)
            actor = Actor(number, script_of(number), results.account(labels), labels.agent)
            actor.clean_up = clean_up(number) if clean_up else None
            actors.append(actor)
            return actor

    async def main():
        async with trio.open_nursery() as nursery:
            if beside is not None:
                nursery.start_soon(beside, runner)
            await runner.run()
            ended_at.append(trio.current_time())
            nursery.cancel_scope.cancel()

    ended_at = []
    results = Results()
    runner = Runner([Scenario("", load, Cast())], Timeouts(**timeouts), limits or {}, results, rows.append)
    trio.run(main, clock=MockClock(autojump_threshold=0))
    played = Played(runner, actors, rows, ended_at[0])
    assert sorted(row["number"] for row in rows) == list(range(len(actors)))
    assert all(len(actor.outcomes) == 1 for actor in actors)
    assert [runner.running, runner.queued] == [0, 0]
    counted = runner.results.counted
    assert counted(metrics.OFFERED) == len(rows) + counted(metrics.DROPPED)
    assert counted(metrics.OFFERED) == sum(map(counted, ("started", "dropped", "never_started")))
    assert {name: counted(name) for name in ("completed", "failed", "cancelled")} == {
        name: played.outcomes[name] for name in ("completed", "failed", "cancelled")
    }
    return played


def lasting(seconds):
    return lambda number: partial(trio.sleep, seconds)


async def stop_after(seconds, runner):
    await trio.sleep(seconds)
    runner.stop()


async def cut_after(seconds, runner):
    await trio.sleep(seconds)
    runner.cut()
