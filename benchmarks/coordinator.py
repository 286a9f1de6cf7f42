"""What a run over many workers costs the process that decides: 100,000 simulations at once over 200 workers.

The workers are simulated, in virtual time and without sockets (tests/cluster/simulated_cluster.py): they speak the real
messages, report each second what real ones do, and only take time. CPU is told apart by Trio task: what the simulated
workers take is left out, Trio's own share is divided by how often tasks had a turn. What carries messages (Dask, TLS)
is not in it.

Run: `python benchmarks/coordinator.py [--workers 200] [--at-once 100000] [--minutes 3] [--conversation 120]`
"""

import argparse
import json
import resource
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import attrs
import trio

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests" / "cluster"), str(ROOT / "tests")]

from modelled_parts import Model  # noqa: E402
from simulated_cluster import simulated_cluster  # noqa: E402

from coval_load.actors.protocols import known_protocols  # noqa: E402
from coval_load.cluster.launch import run_with  # noqa: E402
from coval_load.codecs.audio.packaged import CLIPS  # noqa: E402
from coval_load.engine.run_folder import create  # noqa: E402
from coval_load.engine.virtual_time import VirtualClock  # noqa: E402
from coval_load.plans.loading import load_plan  # noqa: E402
from coval_load.plans.rehearsal import Ensemble  # noqa: E402

RAMP_SHARE = 0.25
"""Of the run: a hundred thousand calls that all begin in one instant are nobody's plan."""


@attrs.define(eq=False)
class Spent(trio.abc.Instrument):
    """CPU seconds of each kind of task, and of Trio's loop between their turns."""

    seconds: Counter = attrs.field(factory=Counter)
    turns: Counter = attrs.field(factory=Counter)
    began: float = 0.0
    ended: float = 0.0
    ran_s: float = 0.0
    _began_turn: float = 0.0

    def before_task_step(self, task):
        self._began_turn = time.thread_time()

    def after_task_step(self, task):
        kind = kind_of(task.name)
        self.seconds[kind] += time.thread_time() - self._began_turn
        self.turns[kind] += 1

    async def watch(self, live):
        """From the start of the load to its end, when all workers have reported: beside the simulations."""
        trio.lowlevel.add_instrument(self)
        self.began, self.ran_s = time.thread_time(), -trio.current_time()
        try:
            await trio.sleep_forever()
        finally:
            trio.lowlevel.remove_instrument(self)
            self.ended, self.ran_s = time.thread_time(), self.ran_s + trio.current_time()

    def shares(self):
        """CPU of each kind for each second of the run, Trio's share added."""
        between = self.ended - self.began - sum(self.seconds.values())
        total = sum(self.turns.values())
        spent = {kind: seconds + between * self.turns[kind] / total for kind, seconds in self.seconds.items()}
        return {kind: seconds / self.ran_s for kind, seconds in spent.items()}


def kind_of(name):
    if "Calendar" in name:
        return "simulated workers"
    if "Crew._listen" in name:
        return "hearing of workers"
    if "ClosedLoad" in name or "_Part" in name or "OpenLoad" in name:
        return "deciding, dealing, rows"
    return "each second, and the rest"


def planned(at_once, minutes):
    ramp_s = minutes * 60 * RAMP_SHARE
    return {
        "name": "coordinator",
        "agents": [
            {
                "display_name": "agent",
                "model_type": "MODEL_TYPE_WEBSOCKET",
                "metadata": {
                    "endpoint": "wss://127.0.0.1:1/voice",
                    "send_sample_rate_hertz": 16000,
                    "receive_sample_rate_hertz": 24000,
                    "receive_audio_channels": 1,
                    "pace_inbound_binary_audio": True,
                },
            }
        ],
        "test_set": [{"id": "order", "turns": [{"type": "text", "text": "Hi", "audio": "clip:pizza-order"}] * 3}],
        "load": {"shape": "soak", "concurrency": at_once, "duration": f"{minutes}m", "ramp_up": f"{ramp_s}s"},
        "targets": {"allow_private": True},
        "record": {"transcripts": "all"},
        "timeouts": {"grace": "600s"},
    }


def loaded(raw):
    protocols = known_protocols()
    plan = load_plan(
        raw,
        None,
        environ={},
        options={name: protocol.options for name, protocol in protocols.items()},
        protocols=protocols,
        clip_names=CLIPS,
    )
    return Ensemble.rehearse(plan, protocols)


async def measure(clock, arguments, folder, spent):
    length = arguments.conversation
    model = Model(length_s=(0.7 * length, 1.3 * length))
    ensemble = loaded(planned(arguments.at_once, arguments.minutes))
    at_most_s = arguments.minutes * 60 + 2 * length + 7200
    async with simulated_cluster(workers=arguments.workers, model=model, at_most_s=at_most_s) as cluster:
        created = create(folder / "run", "coordinator", datetime.now(UTC))
        return (await run_with(cluster, ensemble, created, watches=[spent.watch])).summary


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=200)
    parser.add_argument("--at-once", type=int, default=100_000)
    parser.add_argument("--minutes", type=float, default=6.0)
    parser.add_argument("--conversation", type=float, default=120.0, help="seconds, on average")
    arguments = parser.parse_args()
    spent = Spent()
    with tempfile.TemporaryDirectory() as name:
        clock = VirtualClock(waits_for_threads=True)
        measuring = partial(measure, arguments=arguments, folder=Path(name), spent=spent)
        summary = trio.run(clock.run, measuring, clock=clock)
        rows = [json.loads(line) for line in (Path(name) / "run" / "timeline.jsonl").read_text().splitlines()]
    seconds = spent.ran_s
    counts = summary["counts"]
    assert counts["completed"] == counts["started"] == counts["offered"], counts
    starts = counts["started"] / seconds
    most = max(row["running"] for row in rows)
    made = f"{counts['started']:,} in {seconds:.0f} s ({starts:.0f}/s)"
    print(f"{arguments.workers} workers, up to {most:,} at once, {made}")
    shares = spent.shares()
    simulated = shares.pop("simulated workers", 0.0)
    for kind, share in sorted(shares.items(), key=lambda pair: -pair[1]):
        print(f"  {kind:<28}{share:>8.1%} of a core")
    in_all = sum(shares.values())
    print(f"  {'coordinator':<28}{in_all:>8.1%}   {in_all / starts * 1e6:.0f} us a simulation")
    print(f"  {'(simulated workers':<28}{simulated:>8.1%})")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"  memory, simulated workers included: {peak:,.0f} MiB")


if __name__ == "__main__":
    main()
