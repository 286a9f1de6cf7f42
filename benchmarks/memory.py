"""Memory over a million turns: the engine in virtual time, on connections that only exist in memory.

    python benchmarks/memory.py [--turns 1000000] [--callers 100]

Real runner, chat conversations, WebSocket protocol, results, timeline and recorder (to a file that is deleted); only
the socket and the clock are ours. Prints the resident memory at 10,000, 100,000 and 1,000,000 turns and exits with 1
where it grew by more than 2 MB from the first to the last.
"""

import gc
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import attrs
import click
import psutil
import trio
from websockets.client import ClientProtocol
from websockets.frames import Opcode
from websockets.protocol import SERVER, Protocol, State
from websockets.uri import parse_uri

from coval_load.actors.connector import Connector
from coval_load.actors.protocols import known_protocols
from coval_load.actors.services import Services
from coval_load.engine import metrics
from coval_load.engine.fault_log import FaultLog
from coval_load.engine.keepalive import Keepalive
from coval_load.engine.metronome import Metronome
from coval_load.engine.recorder import open_recorder
from coval_load.engine.results import Results
from coval_load.engine.runner import Runner
from coval_load.engine.scenario import Scenario
from coval_load.engine.shapes.simulations import Simulations
from coval_load.engine.timeline import keep_timeline
from coval_load.engine.trend_series import Series
from coval_load.engine.virtual_time import VirtualClock
from coval_load.plans.casting import Casting
from coval_load.plans.loading import load_plan
from coval_load.plans.rehearsal import Ensemble

MARKS = (10_000, 100_000, 1_000_000)
MOST_GROWTH_BYTES = 2 * 1024 * 1024
TURNS_EACH = 20
DELAY_S = 0.6


@attrs.define(eq=False)
class MemorySocket:
    """A connection: what the caller sends is answered after a virtual delay; see `engine.wire.Socket`."""

    nursery: trio.Nursery
    agent: Protocol = attrs.field(factory=lambda: Protocol(SERVER, state=State.OPEN))
    arrived: bytearray = attrs.field(factory=bytearray)
    link: object = None

    def fileno(self) -> int:
        return -1

    def send(self, data: bytes) -> int:
        self.agent.receive_data(bytes(data))
        for frame in self.agent.events_received():
            if frame.opcode is Opcode.TEXT:
                self.nursery.start_soon(self._answer, bytes(frame.data))
        self._hand_over()
        return len(data)

    def recv(self, most: int) -> bytes:
        data = bytes(self.arrived[:most])
        del self.arrived[:most]
        return data

    def close(self) -> None:
        self.link = None
        self.agent.parser.close()

    async def _answer(self, text: bytes) -> None:
        await trio.sleep(DELAY_S)
        if self.link is not None:
            self.agent.send_text(text)
            self._hand_over()

    def _hand_over(self) -> None:
        for chunk in self.agent.data_to_send():
            self.arrived += chunk
        if self.arrived and self.link is not None:
            self.nursery.start_soon(self._readable)

    async def _readable(self) -> None:
        while self.arrived and self.link is not None:
            self.link.readable(trio.current_time())


class MemoryReactor:
    """Tells each socket which link reads it; see `engine.reactor.Reactor`."""

    def watch(self, link: object) -> None:
        link._socket.link = link

    def wants_to_write(self, link: object, wanted: bool) -> None:
        raise AssertionError("a socket in memory is never full")

    def forget(self, link: object) -> None:
        link._socket.link = None


@attrs.define
class MemoryDialler:
    """See `engine.dialling.Dialler`."""

    nursery: trio.Nursery

    async def dial(self, url: str, headers: object) -> tuple[MemorySocket, ClientProtocol]:
        await trio.lowlevel.checkpoint()
        return MemorySocket(self.nursery), ClientProtocol(parse_uri(url), state=State.OPEN)


def rehearse(callers: int, simulations: int) -> Ensemble:
    protocols = known_protocols()
    agent = {
        "display_name": "memory",
        "model_type": "MODEL_TYPE_CHAT_WEBSOCKET",
        "metadata": {"endpoint": "wss://agent.example/chat", "coalesce_timeout_seconds": 0.5},
    }
    turns = [{"type": "text", "text": f"This is what the caller says in turn {k}."} for k in range(TURNS_EACH)]
    plan = {
        "agents": [agent],
        "test_set": [{"id": "talk", "turns": turns}],
        "load": {"concurrency": callers, "simulations": simulations},
        "limits": {"per_agent": callers},
    }
    options = {name: protocol.options for name, protocol in protocols.items()}
    return Ensemble.rehearse(load_plan(plan, environ={}, options=options), protocols)


def resident_bytes() -> int:
    gc.collect()
    return psutil.Process().memory_info().rss


async def look(results: Results, marks: list[int], seen: dict[int, int]) -> None:
    """Count what has gathered, each second, and look at the memory at each mark."""
    while True:
        await trio.sleep(1)
        results.roll()
        if marks and results.counted(metrics.TURNS) >= marks[0]:
            mark = marks.pop(0)
            seen[mark] = resident_bytes()
            print(f"{mark:>10,} turns: {seen[mark] / 2**20:8.2f} MB", flush=True)


async def simulate(folder: Path, callers: int, turns: int) -> dict[int, int]:
    # As many more as are still going on when the last mark is reached.
    ensemble = rehearse(callers, turns // TURNS_EACH + callers)
    plan, seen, results, series = ensemble.plan, {}, Results(), Series(())
    async with (
        open_recorder(folder / "simulations.jsonl", lambda row: row, partial(results.count, metrics.ROWS_LOST)) as rows,
        open_recorder(folder / "timeline.jsonl", lambda row: row, partial(results.count, metrics.ROWS_LOST)) as lines,
        trio.open_nursery() as background,
    ):
        reactor = MemoryReactor()
        services = Services(
            reactor=reactor,
            metronome=Metronome(results.frame_lateness, reactor),
            keepalive=Keepalive(),
            results=results,
            timeouts=plan.timeouts,
            origin=trio.current_time(),
            faults=FaultLog(folder / "faults.txt", str),
        )
        way = Connector(ensemble.roles[0].agent.options, MemoryDialler(background), None, lambda url: None)
        (troupe,) = ensemble.troupes
        casting = Casting(plan, troupe, services, {"memory": way}, "run")
        scenario = Scenario("memory", Simulations(callers, turns // TURNS_EACH + callers), casting)
        runner = Runner([scenario], plan.timeouts, plan.limits.per_agent, results, rows.write)

        def keep(row: dict) -> None:
            series.add(row)
            lines.write(row)

        background.start_soon(services.keepalive.run)
        background.start_soon(look, results, [mark for mark in MARKS if mark <= turns], seen)
        gauge = lambda: (runner.running, runner.queued)  # noqa: E731
        await background.start(partial(keep_timeline, results, keep, gauge, origin=services.origin))
        await runner.run()
        background.cancel_scope.cancel()
    counts = results.whole.counts
    for kind, message in results.summary()["error_examples"].items():
        print(kind, message)
    took = f"{counts[metrics.COMPLETED]:,} completed, {counts[metrics.FAILED]} failed, {counts[metrics.ROWS_LOST]} lost"
    print(f"{counts[metrics.TURNS]:,} turns in {trio.current_time():,.0f} virtual s: {took}")
    return seen


@click.command()
@click.option("--turns", default=MARKS[-1], show_default=True)
@click.option("--callers", default=100, show_default=True)
def main(turns: int, callers: int) -> None:
    """Print one line for each mark, and the growth."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        seen = trio.run(simulate, Path(folder), callers, turns, clock=VirtualClock(waits_for_threads=True))
    wall_s = time.perf_counter() - began
    first, *_, last = seen.values()
    print(f"grew by {(last - first) / 2**20:.2f} MB; {wall_s:.0f} s, {wall_s / turns * 1e6:.0f} us a turn")
    sys.exit(last - first > MOST_GROWTH_BYTES)


if __name__ == "__main__":
    main()
