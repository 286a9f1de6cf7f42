"""What runs in the Dask worker of `shared_interpreter.py`: voice callers in a process of their own, or beside it.

Either way the engine is the one of a run, and it is told and tells as much as a worker of a run does: starts and ends
as of conversations of ten seconds, and a report each second. What differs is the way to it: two threads of the Dask
worker carry the bytes to the pipes of a process, or to the thread that computes the task.
"""

import contextlib
import json
import os
import queue
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import attrs
import psutil
import trio
from frames_engine import plan

from coval_load.actors.protocols import known_protocols
from coval_load.cluster.messages import (
    Ended,
    Ping,
    Report,
    Start,
    decode_to_worker,
    encode_from_worker,
    encode_to_worker,
)
from coval_load.codecs.audio.packaged import CLIPS
from coval_load.engine import metrics
from coval_load.engine.run_folder import create
from coval_load.plans.launch import run_plan
from coval_load.plans.loading import load_plan
from coval_load.plans.rehearsal import Ensemble

CONVERSATION_S = 10.0
UP, DOWN = "from-worker", "to-worker"
LENGTH = struct.Struct("!I")
ROW = b'{"simulation_output_id":"%032d","transcript":"%b"}' % (7, b"x" * 1500)
REPORT = Report({f"metric_{k}": {"buckets": list(range(1000, 1150)), "counts": [3] * 150} for k in range(12)})
"""As much as a second of a run has: some ten metrics, of which each has values in some hundred buckets."""


@attrs.frozen
class Load:
    """Voice callers at once, and against whom; `ca_file` is `-` without TLS. They are measured for `seconds`, which
    begin `settle_s` after the last has connected.
    """

    endpoint: str
    ca_file: str
    simulations: int
    seconds: float
    settle_s: float


def engine(
    load: Load, send: Callable[[bytes], object], is_told_by: Callable[[Callable], object], pids: set[int]
) -> dict:
    """Run the callers in this thread and return what was measured, CPU time being that of all `pids`.

    `send` takes pieces for the coordinator, and `is_told_by` is given what takes the pieces from it.
    """
    found: dict = {}

    async def watch(live) -> None:
        results, token = live.results, trio.lowlevel.current_trio_token()
        heard: list[int] = []

        def take(data: bytes) -> None:
            with contextlib.suppress(trio.RunFinishedError):
                token.run_sync_soon(lambda: heard.append(len(decode_to_worker(data))))

        is_told_by(take)
        while results.samples("connect_time") < load.simulations:  # noqa: ASYNC110 - the engine has no event for it
            await trio.sleep(0.1)
        async with trio.open_nursery() as beside:
            beside.start_soon(tell, send, load.simulations / CONVERSATION_S)
            await trio.sleep(load.settle_s)
            heard.clear()
            found.update(await window(results, load, pids))
            found["heard_a_second"] = sum(heard) / load.seconds
            beside.cancel_scope.cancel()
        live.runner.cut()

    with tempfile.TemporaryDirectory() as temporary:
        folder = create(Path(temporary) / "run", "frames", datetime.now(UTC))
        summary = trio.run(lambda: run_plan(rehearsed(load), folder, watches=[watch])).summary
    return found | {"errors": sum(summary["errors"].values())}


async def window(results, load: Load, pids: set[int]) -> dict:
    """What came within so many seconds."""
    lateness, lag = (results.whole.distribution(name) for name in (metrics.SEND_LATENESS, metrics.LOOP_LAG))
    marks, waited = (lateness.mark(), lag.mark()), results.vitals.cpu_wait_s or 0.0
    cpu, idle, wall = cpu_s(pids), idle_s(), time.perf_counter()
    await trio.sleep(load.seconds)
    cpu, idle, wall = cpu_s(pids) - cpu, idle_s() - idle, time.perf_counter() - wall
    late, lagged = lateness.since(marks[0]), lag.since(marks[1])
    return {
        "pairs": late.count,
        "of_due": late.count / (load.simulations * 50 * wall),
        "us_a_pair": cpu / max(late.count, 1) * 1e6,
        "cpu": cpu / wall,
        "others": max(0.0, (wall - idle - cpu) / wall),
        "waited": ((results.vitals.cpu_wait_s or 0.0) - waited) / wall,
        **{f"late_{name}_s": late.percentile(percent) or 0.0 for name, percent in PERCENTS},
        **{f"lag_{name}_s": lagged.percentile(percent) or 0.0 for name, percent in PERCENTS},
    }


def idle_s() -> float:
    """Seconds for which the core that this process is pinned to computed for no process: idle, or in an interrupt."""
    times = psutil.cpu_times(percpu=True)[min(os.sched_getaffinity(0))]
    return times.idle + times.iowait + times.irq + times.softirq


PERCENTS = (("p50", 50), ("p99", 99), ("max", 100))


def rehearsed(load: Load) -> Ensemble:
    protocols = known_protocols()
    options = {model_type: protocol.options for model_type, protocol in protocols.items()}
    written = plan(load.endpoint, load.ca_file, load.simulations, "websocket")
    return Ensemble.rehearse(load_plan(written, environ={}, options=options, clip_names=CLIPS), protocols)


async def tell(send: Callable[[bytes], object], ends_a_second: float) -> None:
    """Rows at once and a report each second, until cancelled."""
    due, number = trio.current_time(), 0
    reported = due
    while True:
        due += 1 / ends_a_second
        await trio.sleep_until(due)
        number += 1
        send(encode_from_worker([Ended(0, number, ROW, "completed")]))
        if due - reported >= 1:
            reported = due
            send(encode_from_worker([REPORT]))


def tell_worker(put: Callable[[bytes], object], starts_a_second: float, is_over: threading.Event) -> None:
    """The coordinator's part: starts as they come due, and a ping each second."""
    due, number = time.perf_counter(), 0
    while not is_over.wait(max(0.0, due - time.perf_counter())):
        due += 1 / starts_a_second
        number += 1
        more = [Ping(number)] if number % max(1, round(starts_a_second)) == 0 else []
        put(encode_to_worker([Start(0, number, float(number)), *more]))


def cpu_s(pids: set[int]) -> float:
    """Seconds that the threads of these processes computed, as clock_getcpuclockid(3) has it."""
    return sum(time.clock_gettime((~pid << 3) | 2) for pid in pids)


def beside(load: Load) -> dict:
    """A task: the engine's loop in this very thread of the Dask worker."""
    outbox: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    takes: list[Callable[[bytes], object]] = []

    def hand_over(data: bytes) -> None:
        for take in takes:
            take(data)

    with carried(outbox.get, hand_over, stop=lambda: outbox.put(None)), deaf():
        return engine(load, outbox.put, takes.append, {os.getpid()})


def apart(load: Load) -> dict:
    """A task: the engine's loop in a process of its own, this thread waiting for it."""
    arguments = [json.dumps(attrs.asdict(load)), str(os.getpid())]
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "found").open("w+") as found:
        child = subprocess.Popen(
            [sys.executable, __file__, *arguments, str(found.fileno())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[found.fileno()],
        )
        try:
            with carried(lambda: read_piece(child.stdout), lambda data: write_piece(child.stdin, data)):
                child.wait()
        finally:
            child.kill()
            child.wait()
        found.seek(0)
        return json.loads(found.read())


@contextlib.contextmanager
def carried(read: Callable[[], bytes | None], write: Callable[[bytes], object], stop=lambda: None) -> Iterator[None]:
    """Two threads carry pieces between `distributed.Queue`s and the engine: `read` gives None when it has ended."""
    from distributed import Queue, get_client

    up, down = Queue(UP, client=get_client()), Queue(DOWN, client=get_client())

    def carry_up() -> None:
        while (data := read()) is not None:
            up.put(data)

    def carry_down() -> None:
        with contextlib.suppress(BrokenPipeError):
            while data := down.get():
                write(data)

    threads = [threading.Thread(target=carry, daemon=True) for carry in (carry_up, carry_down)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop()
        threads[0].join()


@contextlib.contextmanager
def deaf() -> Iterator[None]:
    """Only a process' main thread may ask for signals; here nobody sends any."""

    @contextlib.contextmanager
    def no_signals(*_signals: int) -> Iterator[object]:
        async def never():
            await trio.sleep_forever()
            yield

        yield never()

    usual, trio.open_signal_receiver = trio.open_signal_receiver, no_signals
    try:
        yield
    finally:
        trio.open_signal_receiver = usual


def write_piece(file, data: bytes) -> None:
    file.write(LENGTH.pack(len(data)) + data)
    file.flush()


def read_piece(file) -> bytes | None:
    head = file.read(LENGTH.size)
    return file.read(*LENGTH.unpack(head)) if len(head) == LENGTH.size else None


def main(load: str, parent: str, found: str) -> None:
    """The process of its own."""
    pieces = sys.stdout.buffer

    def is_told_by(take: Callable[[bytes], object]) -> None:
        def listen() -> None:
            while (data := read_piece(sys.stdin.buffer)) is not None:
                take(data)

        threading.Thread(target=listen, daemon=True).start()

    measured = engine(
        Load(**json.loads(load)), lambda data: write_piece(pieces, data), is_told_by, {os.getpid(), int(parent)}
    )
    os.write(int(found), json.dumps(measured).encode())
    os._exit(0)  # a thread still reads


if __name__ == "__main__":
    main(*sys.argv[1:])
