"""Memory for each voice simulation, beside that of a bare connection which carries the same frames.

    python benchmarks/session_memory.py [--connections 200,500] [--seconds 4] [--repeats 3] [--talk 60]

Resident memory (`/proc/self/statm`, after a full collection, nothing trimmed) of a process that has one core, against
an echo agent on another; the median of processes of their own. `bare` is Python's socket, non-blocking, one selector,
a WebSocket frame out and back each 20 ms, TLS as `plans.launch` sets it up. `engine` is whole voice simulations, as
in `frames.py`. What each adds has what the process takes once in it, divided by their number; between two numbers that
falls out. `--talk` is the seconds after which simulations are looked at again: their memory must not grow.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path

import click
from frames import GENERATOR_CORE, HERE, start_echo

MOST_KIB = 40.0
"""For a voice simulation over TLS, beyond a bare connection."""

WAYS = ("bare", "engine")


@click.command()
@click.option("--connections", default="200,500", show_default=True)
@click.option("--seconds", default=4.0, show_default=True)
@click.option("--repeats", default=3, show_default=True)
@click.option("--talk", default=60.0, show_default=True, help="Seconds of talk of the last table; 0 leaves it out.")
@click.option("--talkers", default=200, show_default=True)
def main(connections: str, seconds: float, repeats: int, talk: float, talkers: int) -> None:
    """Print the tables."""
    counts = [int(count) for count in connections.split(",")]
    print(f"{'KiB':8}{'n':>10}{'bare':>8}{'engine':>8}{'beyond':>8}{'most':>6}")
    for use_tls in (False, True):
        taken = {way: [take(way, use_tls, count, seconds, repeats)[0] for count in counts] for way in WAYS}
        for at, count in enumerate(counts):
            show(use_tls, str(count), *(taken[way][at] / count for way in WAYS))
        for (before, less), (after, more) in pairwise(enumerate(counts)):
            each = [(taken[way][after] - taken[way][before]) / (more - less) for way in WAYS]
            show(use_tls, f"{less}-{more}", *each)
    if talk:
        early, late = take("engine", True, talkers, seconds, 1, talk)
        print(f"\n{talkers} simulations over TLS: {early / talkers:.1f} KiB each after {seconds:g} s, ", end="")
        print(f"{late / talkers:.1f} KiB after {talk:g} s more")


def show(use_tls: bool, count: str, bare: float, engine: float) -> None:
    """One row, in KiB for each connection."""
    most = f"{MOST_KIB:.0f}" if use_tls else ""
    name = "TLS" if use_tls else "plain"
    print(f"{name:8}{count:>10}{bare:8.1f}{engine:8.1f}{engine - bare:8.1f}{most:>6}", flush=True)


def take(way: str, use_tls: bool, count: int, seconds: float, repeats: int, talk: float = 0.0) -> tuple[float, float]:
    """Medians of the KiB that `count` took, after `seconds` and after `talk` seconds more."""
    taken = [take_once(way, use_tls, count, seconds, talk) for _ in range(repeats)]
    return statistics.median(early for early, _ in taken), statistics.median(late for _, late in taken)


def take_once(way: str, use_tls: bool, count: int, seconds: float, talk: float) -> tuple[float, float]:
    """What one process took."""
    with tempfile.TemporaryDirectory() as folder:
        agent, endpoint, ca_file = start_echo(Path(folder), use_tls)
        try:
            command = [sys.executable, str(HERE / f"session_memory_{way}.py"), endpoint, ca_file]
            command += [str(count), str(seconds), str(talk)]
            done = subprocess.run(
                ["taskset", "-c", GENERATOR_CORE, *command], capture_output=True, text=True, timeout=300, check=False
            )
        finally:
            agent.terminate()
            agent.wait()
    if done.returncode:
        raise SystemExit(f"{way} failed:\n{done.stderr[-3000:]}")
    figures = json.loads(done.stdout.splitlines()[-1])
    return figures["kib"], figures["kib_after_talk"]


if __name__ == "__main__":
    main()
