"""How true an open load is to its due times: 200 a second on one core, evenly and by chance.

Two runs of a minute each: the runner with simulations that only wait, and real chats over TLS against a reference agent
on another core. Prints the rate offered, and how late simulations were started (`start_lateness` of the run itself).

    python benchmarks/arrivals.py --rate 200 --seconds 60
"""

import argparse
import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import attrs
import trio

from coval_load.actors.protocols import known_protocols, template_faults
from coval_load.engine import metrics
from coval_load.engine.health import watch_generator
from coval_load.engine.labels import Labels
from coval_load.engine.outcome import Stage
from coval_load.engine.plan import Timeouts
from coval_load.engine.results import Results
from coval_load.engine.run_folder import create
from coval_load.engine.runner import Runner
from coval_load.engine.scenario import Scenario
from coval_load.engine.shapes.arrival_rate import ArrivalRate
from coval_load.plans.launch import run_plan
from coval_load.plans.loading import load_plan
from coval_load.plans.rehearsal import Ensemble
from coval_load.reference.process import start_reference_agent

LABELS = Labels("arrivals", "nobody")


@attrs.define
class Waiting:
    """A simulation that waits for 400 ms and does nothing else."""

    account: object
    stage: Stage = Stage.CONVERSATION

    async def run(self, due):
        await trio.sleep(0.4)

    def failure_of(self, error):
        raise error

    def finished(self, outcome):
        pass

    def row(self):
        return {"metrics": {}}


@attrs.frozen
class Cast:
    results: Results

    def labels(self, number):
        return LABELS

    def __call__(self, number):
        return Waiting(self.results.account(LABELS))


async def wait_only(shape):
    results = Results()
    runner = Runner([Scenario("arrivals", shape, Cast(results), seed=7)], Timeouts(), {}, results, lambda row: None)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch_generator, results)
        await runner.run()
        nursery.cancel_scope.cancel()
    return results.summary()


async def talk(shape, agent_core):
    arguments = ["--model-type", "chat", "--delay", "200ms"]
    async with start_reference_agent(arguments) as agent:
        if agent_core is not None:
            os.sched_setaffinity(agent.pid, {agent_core})
        plan = {
            "agents": [str(agent.agent_file)],
            "test_set": [{"id": "one", "turns": [{"type": "text", "text": "Hello"}]}],
            "load": {"rate": shape.rate_per_s, "duration": shape.duration_s, "spacing": shape.spacing},
            "tls": {"ca_file": str(agent.ca_file)},
            "targets": {"allow_private": True},
            "seed": 7,
        }
        protocols = known_protocols()
        options = {name: protocol.options for name, protocol in protocols.items()}
        loaded = load_plan(plan, environ={}, options=options, checks=lambda agent: template_faults(agent, protocols))
        with tempfile.TemporaryDirectory() as folder:
            out = create(Path(folder) / "run", "arrivals", datetime.now(UTC))
            finished = await run_plan(Ensemble.rehearse(loaded, protocols), out)
    return finished.summary


def show(name, shape, summary):
    due = list(shape.due_times(Random(7)))
    late = summary["metrics"][metrics.START_LATENESS]
    offered = summary["counts"][metrics.OFFERED]
    off = offered / shape.duration_s / shape.rate_per_s - 1
    print(
        f"{name:28} {offered:7,} due ({offered / shape.duration_s:.3f} a second, {off:+.3%}; {len(due):,} planned), "
        f"started late p50 {late['p50'] * 1e3:.1f} ms, p99 {late['p99'] * 1e3:.1f} ms, max {late['max'] * 1e3:.1f} ms, "
        f"CPU {summary['generator']['cpu_share']:.0%} of a core, {summary['counts'][metrics.FAILED]} failed",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rate", type=float, default=200.0)
    parser.add_argument("--seconds", type=float, default=60.0)
    given = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    agent_core = cores[-1] if len(cores) > 1 else None
    os.sched_setaffinity(0, {cores[0]})
    for spacing in ("even", "poisson"):
        shape = ArrivalRate(given.rate, given.seconds, spacing=spacing)
        show(f"only waiting, {spacing}", shape, trio.run(wait_only, shape))
        show(f"chats over TLS, {spacing}", shape, trio.run(talk, shape, agent_core))


if __name__ == "__main__":
    main()
