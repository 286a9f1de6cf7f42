"""What it costs a voice caller when the engine's loop shares an interpreter with Dask's threads.

    python benchmarks/shared_interpreter.py [--simulations 100,200,300] [--seconds 8] [--rounds 3] [--plain]

A real Dask worker, with TLS to its scheduler, computes one task: to run so many voice callers. In turns, with a new
worker each time:

  apart   the loop has a process of its own, a child of the Dask worker; two threads carry bytes to its pipes
  beside  the loop runs in the thread of the task, beside the worker's own loop and the same two threads
  quiet   as beside, with Dask's profiler off, which by default looks at the task's stack every 10 ms

`others` is how much of the generator's core had anybody else: rounds with more than a tenth of it are not compared.
Dask worker and engine have one core; the agent (picows on uvloop; with --plain `light_agent.py`), the scheduler and the
coordinator have another. Needs `pip install -r requirements-bench.txt`, but for --plain.
"""

import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import click
from shared_interpreter_engine import CONVERSATION_S, DOWN, UP, Load, apart, beside, tell_worker

HERE = Path(__file__).parent
CORES = sorted(os.sched_getaffinity(0))
GENERATOR_CORE, OTHER_CORE = CORES[0], CORES[-1]
WAYS = {"apart": (apart, True), "beside": (beside, True), "quiet": (beside, False)}
"""The task, and whether Dask's profiler is on."""
OTHERS_AT_MOST = 0.1
COMPARED = ("late_p50_s", "late_p99_s", "late_max_s", "lag_p99_s", "us_a_pair")


@contextlib.contextmanager
def agent(folder: Path, is_plain: bool) -> Iterator[tuple[str, str]]:
    """Its endpoint, and its CA file, `-` where there is none."""
    if not is_plain:
        from frames import start_echo

        process, endpoint, ca_file = start_echo(folder, use_tls=True)
    else:
        command = ["taskset", "-c", str(OTHER_CORE), sys.executable, str(HERE / "light_agent.py"), "frames"]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        endpoint, ca_file = process.stdout.readline().strip(), "-"
    try:
        yield endpoint, ca_file
    finally:
        process.terminate()
        process.communicate()


@contextlib.contextmanager
def dask_worker(has_profiler: bool) -> Iterator:
    """A client of a cluster of one worker with one thread, all of whose threads are on the generator's core."""
    import dask
    from distributed import Client, LocalCluster

    dask.config.set({"distributed.worker.profile.enabled": has_profiler})
    settings = {"processes": True, "threads_per_worker": 1, "security": True, "host": "127.0.0.1"}
    with LocalCluster(n_workers=1, dashboard_address=None, **settings) as cluster, Client(cluster) as client:
        ((is_profiled, path),) = client.run(prepare, GENERATOR_CORE).values()
        if is_profiled != has_profiler or not path:
            raise SystemExit(f"expected the worker's profiler to be {has_profiler}; got {is_profiled}")
        yield client


def prepare(core: int) -> tuple[bool, str]:
    """In the worker: move each of its threads; says whether its profiler is on."""
    import dask
    import shared_interpreter_engine  # it takes a second to load

    for thread in Path("/proc/self/task").iterdir():
        os.sched_setaffinity(int(thread.name), {core})
    return bool(dask.config.get("distributed.worker.profile.enabled")), shared_interpreter_engine.__file__


def measure(way: str, load: Load) -> dict:
    """One row."""
    from distributed import Queue

    task, has_profiler = WAYS[way]
    came: list[int] = []
    with dask_worker(has_profiler) as client:
        up, down = Queue(UP, client=client), Queue(DOWN, client=client)
        with coordinating(up, down, came, load.simulations / CONVERSATION_S):
            found = client.submit(task, load, pure=False).result(timeout=120 + load.seconds)
    return found | {"pieces_up": len(came), "bytes_up": sum(came)}


@contextlib.contextmanager
def coordinating(up, down, came: list[int], starts_a_second: float) -> Iterator[None]:
    """Tell the worker what starts, and hear what it says; the lengths of its pieces go into `came`."""
    is_over = threading.Event()

    def hear() -> None:
        while data := up.get():
            came.append(len(data))

    hearing = threading.Thread(target=hear)
    telling = threading.Thread(target=tell_worker, args=(down.put, starts_a_second, is_over))
    hearing.start()
    telling.start()
    try:
        yield
    finally:
        is_over.set()
        telling.join()
        down.put(b"")
        up.put(b"")
        hearing.join()


def show(way: str, load: Load, found: dict) -> None:
    ms = {name: found[name] * 1000 for name in found if name.endswith("_s")}
    print(
        f"{way:8}{load.simulations:5}{ms['late_p50_s']:9.2f}{ms['late_p99_s']:8.2f}{ms['late_max_s']:8.1f}"
        f"{ms['lag_p50_s']:9.2f}{ms['lag_p99_s']:8.2f}{ms['lag_max_s']:8.1f}"
        f"{found['us_a_pair']:9.1f}{found['cpu']:7.0%}{found['waited']:6.1%}{found['others']:8.1%}{found['of_due']:7.1%}"
        f"{found['heard_a_second']:7.1f}{found['pieces_up']:6}{found['errors']:5}",
        flush=True,
    )


@click.command()
@click.option("--simulations", default="100,200,300", show_default=True)
@click.option("--seconds", default=8.0, show_default=True)
@click.option("--settle", "settle_s", default=2.0, show_default=True, help="From the last connection to the window.")
@click.option("--rounds", default=3, show_default=True)
@click.option("--ways", default=",".join(WAYS), show_default=True)
@click.option("--plain", is_flag=True, help="Without TLS to the agent.")
def main(simulations: str, rounds: int, ways: str, plain: bool, **window: float) -> None:
    """Print a row for each, and the ratios of rows of the same round."""
    os.sched_setaffinity(0, {OTHER_CORE})
    print(f"{'':13}{'frames late, ms':>25}{'loop lag, ms':>25}{'CPU':>9}")
    print(
        f"{'':8}{'n':>5}{'p50':>9}{'p99':>8}{'max':>8}{'p50':>9}{'p99':>8}{'max':>8}"
        f"{'us/pair':>9}{'core':>7}{'wait':>6}{'others':>8}{'frames':>7}{'told/s':>7}{'sent':>6}{'err':>5}"
    )
    for count in map(int, simulations.split(",")):
        compare(count, window, rounds, ways.split(","), plain)


def compare(count: int, window: Mapping[str, float], rounds: int, ways: list[str], is_plain: bool) -> None:
    found: dict[str, list[dict]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way in ways:
            with tempfile.TemporaryDirectory() as folder, agent(Path(folder), is_plain) as (endpoint, ca_file):
                load = Load(endpoint, ca_file, count, **window)
                found[way].append(measure(way, load))
                show(way, load, found[way][-1])
    for way in ways[1:]:
        pairs = list(zip(found[ways[0]], found[way], strict=True))
        print(f"{count} callers, {way} to {ways[0]}: {told(pairs)}", flush=True)


def told(pairs: Sequence[tuple[dict, dict]]) -> str:
    """The ratios, medians over rounds in which nobody else had the core."""
    quiet = [pair for pair in pairs if all(found["others"] <= OTHERS_AT_MOST for found in pair)]
    if not quiet:
        return f"nothing can be said: in each of {len(pairs)} rounds others had the generator's core, too"
    ratios = (
        (name, statistics.median(other[name] / max(first[name], 1e-9) for first, other in quiet)) for name in COMPARED
    )
    each = ", ".join(f"{name.removesuffix('_s')} {ratio:.2f}" for name, ratio in ratios)
    return f"{each} times as much (median of {len(quiet)} of {len(pairs)} rounds)"


if __name__ == "__main__":
    main()
