"""What a connection costs that is opened, upgraded and closed, beside the bare TLS handshake that is a part of it.

    python benchmarks/connections.py [--connections 400] [--at-once 20] [--rounds 7]

All in one process on one core, in turns, against one agent (picows on uvloop) on another core; CPU time of this
process alone, for each connection. `bare` is Python's `ssl` on a blocking socket: TCP, handshake with the
certificate checked, close; no session is ever resumed. `dialled` is what the engine does for a simulation: open,
upgrade, close with the closing handshake. `no turn` and `one turn` are whole simulations, rows and measurements
included, less what a run of none costs. Needs `pip install -r requirements-bench.txt`.
"""

import os
import socket
import ssl
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import click
import trio
from frames import start_echo

from coval_load.actors.protocols import known_protocols
from coval_load.engine.connecting import Opener
from coval_load.engine.dialling import Dialler
from coval_load.engine.link import Link
from coval_load.engine.names import Resolver
from coval_load.engine.reactor import open_reactor
from coval_load.engine.run_folder import create
from coval_load.plans.launch import run_plan
from coval_load.plans.loading import load_plan
from coval_load.plans.rehearsal import Ensemble

HOST = "127.0.0.1"


def context(ca_file: str) -> ssl.SSLContext:
    """As a run makes its own."""
    tls = ssl.create_default_context()
    if ca_file != "-":
        tls.load_verify_locations(ca_file)
    return tls


def bare(port: int, tls: ssl.SSLContext | None, connections: int) -> None:
    for _ in range(connections):
        connection = socket.create_connection((HOST, port))
        if tls is not None:
            connection = tls.wrap_socket(connection, server_hostname=HOST)
        connection.close()


def dialled(endpoint: str, tls: ssl.SSLContext, connections: int, at_once: int) -> None:
    async def one_after_the_other(dialler: Dialler, reactor, share: int) -> None:
        for _ in range(share):
            link = Link(*await dialler.dial(endpoint, ()), reactor, lambda *_: None, lambda _: None, lambda _: None)
            link.start(trio.current_time())
            await link.close()
            link.abort()

    async def all_of_them() -> None:
        dialler = Dialler(Opener(Resolver(), tls))
        async with open_reactor() as reactor, trio.open_nursery() as nursery:
            for _ in range(at_once):
                nursery.start_soon(one_after_the_other, dialler, reactor, connections // at_once)

    trio.run(all_of_them)


def plan(endpoint: str, ca_file: str, simulations: int, at_once: int, turns: list[dict]) -> dict:
    return {
        "name": "connections",
        "agents": [
            {
                "display_name": "echo",
                "model_type": "MODEL_TYPE_CHAT_WEBSOCKET",
                "metadata": {"endpoint": endpoint, "coalesce_timeout_seconds": 0},
            }
        ],
        "persona": {"wait_seconds": 0},
        "test_set": [{"id": "talk", "turns": turns}],
        "load": {"concurrency": at_once, "simulations": simulations},
        "limits": {"per_agent": at_once},
        "targets": {"allow_private": True, "allow_plaintext": True},
        "tls": {} if ca_file == "-" else {"ca_file": ca_file},
    }


TURNS = {"no turn": {"type": "skip", "expects_reply": False}, "one turn": {"type": "text", "text": "hello"}}


def simulated(endpoint: str, ca_file: str, turn: str, simulations: int, at_once: int) -> None:
    protocols = known_protocols()
    options = {name: protocol.options for name, protocol in protocols.items()}
    written = plan(endpoint, ca_file, simulations, at_once, [TURNS[turn]])
    loaded = load_plan(written, environ={}, options=options)
    with tempfile.TemporaryDirectory() as temporary:
        folder = create(Path(temporary) / "run", "connections", datetime.now(UTC))
        finished = trio.run(run_plan, Ensemble.rehearse(loaded, protocols), folder)
    if finished.summary["counts"]["completed"] != simulations:
        raise SystemExit(
            f"expected {simulations} simulations to complete; got {finished.summary['counts']}: "
            f"{finished.summary['error_examples']}"
        )


def cpu_us(work: Callable[[], None]) -> float:
    before = time.process_time()
    work()
    return (time.process_time() - before) * 1e6


def measure(endpoint: str, ca_file: str, connections: int, at_once: int) -> dict[str, float]:
    """One round, in us for each connection."""
    port = int(endpoint.rsplit(":", 1)[1].strip("/"))
    tls = context(ca_file)
    of_one = {turn: cpu_us(lambda turn=turn: simulated(endpoint, ca_file, turn, 1, 1)) for turn in TURNS}
    figures = {"bare": cpu_us(lambda: bare(port, None if ca_file == "-" else tls, connections)) / connections}
    figures["dialled"] = cpu_us(lambda: dialled(endpoint, tls, connections, at_once)) / connections
    for turn, fixed in of_one.items():
        whole = cpu_us(lambda turn=turn: simulated(endpoint, ca_file, turn, connections + 1, at_once))
        figures[turn] = (whole - fixed) / connections
    return figures


@click.command()
@click.option("--connections", default=400, show_default=True)
@click.option("--at-once", default=20, show_default=True)
@click.option("--rounds", default=7, show_default=True)
def main(connections: int, at_once: int, rounds: int) -> None:
    """Print the best and the median of all rounds, and the median ratio to the bare handshake of the same round."""
    os.sched_setaffinity(0, {0})
    for use_tls in (True, False):
        with tempfile.TemporaryDirectory() as folder:
            agent, endpoint, ca_file = start_echo(Path(folder), use_tls)
            try:
                measure(endpoint, ca_file, at_once, at_once)  # what is made once is made now
                found = [measure(endpoint, ca_file, connections, at_once) for _ in range(rounds)]
            finally:
                agent.terminate()
                agent.wait()
        print(f"{'TLS' if use_tls else 'plain'}, {connections} connections a round, {at_once} at once")
        for name in found[0]:
            best, median = (of(figures[name] for figures in found) for of in (min, statistics.median))
            ratio = statistics.median(figures[name] / figures["bare"] for figures in found)
            print(f"  {name:9}{best:8.0f} us best{median:8.0f} us median{ratio:7.2f} times bare", flush=True)


if __name__ == "__main__":
    main()
