"""How long the engine's loop is held by what a dashboard and Prometheus ask once a second.

    python benchmarks/dashboard.py [--agents 1] [--metrics 14]

In seconds of the CPU, so that other processes count little; "there" is the server's own thread. Prints a table.
"""

import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from random import Random
from typing import Any

import click
import orjson
import trio

from coval_load.engine import metrics
from coval_load.engine.labels import Labels
from coval_load.engine.plan import Timeouts
from coval_load.engine.pulse import FELT, Pulses
from coval_load.engine.results import Results
from coval_load.engine.runner import Runner
from coval_load.report.dashboard.snapshot import Snapshots
from coval_load.report.exports.measurements import measurements
from coval_load.report.exports.prometheus import scrape


def _fill(results: Results, agents: int, names: set[str], each: int, random: Random) -> None:
    for number in range(agents):
        account = results.account(Labels("day", f"agent-{number}", "case", "caller"))
        for name in names:
            for _ in range(each):
                account.record(name, random.lognormvariate(-1, 0.8))
    results.record_many(metrics.SEND_LATENESS, (random.expovariate(1000) for _ in range(10_000)))


async def _measure(agents: int, many: int) -> dict[str, list[float]]:
    results, random, took = Results(), Random(1), defaultdict[str, list[float]](list)
    names = {*list(metrics.METRICS)[:many], *FELT}
    _fill(results, agents, names, 200, random)
    runner = Runner([], Timeouts(grace_s=1.0), {}, results, lambda _: None)
    runner.started_at = trio.current_time()
    pulses = Pulses(runner, results, lambda: None)
    snapshots = Snapshots(runner=runner, results=results, thresholds=[], is_stopping=lambda: False)

    def timed(name: str, call: Callable[[], Any]) -> Any:
        began = time.thread_time()
        given = call()
        took[name].append((time.thread_time() - began) * 1e3)
        return given

    for _ in range(40):
        await trio.sleep(0.02)
        _fill(results, agents, names, 5, random)
        pulse = timed("pulse", pulses.take)
        timed("pulse taken in", lambda pulse=pulse: snapshots.feel(pulse))
        snapshot = timed("snapshot", snapshots.take)
        families = timed("measurements", lambda: list(measurements(results, running=1, queued=0)))
        timed("state, there", lambda snapshot=snapshot: orjson.dumps(snapshot.state()))
        timed("scrape, there", lambda families=families: scrape(lambda: families, ""))
    return took


@click.command()
@click.option("--agents", default=1, show_default=True)
@click.option("--metrics", "many", default=14, show_default=True)
def main(agents: int, many: int) -> None:
    """Print the table."""
    for name, took in trio.run(_measure, agents, many).items():
        print(f"{name:16} median {statistics.median(took):6.2f} ms, max {max(took):6.2f} ms")


if __name__ == "__main__":
    main()
