"""CPU time for one turn of chat over HTTP: httpx, httpcore and h11 on Trio, and this engine's own connections.

    python benchmarks/http_clients.py [--connections 1,200] [--seconds 5]

A POST of about 500 bytes of JSON over kept-alive TLS connections, answered with 270 bytes, head and all, by an agent on
another core that computes next to nothing; each caller sends its next request when its answer is there. Ratios are
between runs that follow each other on the same machine; needs `pip install -r requirements-bench.txt`.
"""

import json
import ssl
import subprocess
import sys
import tempfile
import time
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import click
import h11
import httpcore
import httpx
import trio

from coval_load.engine.connecting import Opener
from coval_load.engine.http_pool import HttpPool
from coval_load.engine.names import Resolver
from coval_load.engine.reactor import open_reactor

HERE = Path(__file__).parent
GENERATOR_CORE, AGENT_CORE = "0", "1"
SETTLE_S = 1.5

HISTORY = [
    {"role": "user", "content": "I'd like to order a large pizza, please.", "timestamp": "2026-01-01T00:00:00Z"},
    {"role": "assistant", "content": "Of course! What would you like on it?", "timestamp": "2026-01-01T00:00:02Z"},
    {"role": "user", "content": "Mushrooms, olives and a bit of basil.", "timestamp": "2026-01-01T00:00:05Z"},
    {"role": "assistant", "content": "That would be 14 euros. Anything else?", "timestamp": "2026-01-01T00:00:07Z"},
]
BODY = json.dumps({"messages": HISTORY, "custom_data": {"caller": "0123456789", "tier": "gold"}}).encode()
HEADERS = [("Content-Type", "application/json"), ("Authorization", "Bearer 0123456789abcdef")]


@asynccontextmanager
async def with_httpx(url, tls, connections):
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
    async with httpx.AsyncClient(verify=tls, limits=limits, timeout=None, trust_env=False) as client:

        async def ask(_):
            answer = await client.post(url, headers=HEADERS, content=BODY)
            return answer.status_code, answer.content

        yield ask


@asynccontextmanager
async def with_httpcore(url, tls, connections):
    pool = httpcore.AsyncConnectionPool(tls, max_connections=connections, max_keepalive_connections=connections)
    async with pool:

        async def ask(_):
            answer = await pool.request("POST", url, headers=HEADERS, content=BODY)
            return answer.status, answer.content

        yield ask


@asynccontextmanager
async def with_h11(url, tls, connections):
    """A stream and a state machine for each caller, who has them for good: no pool at all."""
    parts = urlsplit(url)
    kept = {}

    async def ask(number):
        if number not in kept:
            stream = await trio.open_ssl_over_tcp_stream(parts.hostname, parts.port, ssl_context=tls)
            kept[number] = stream, h11.Connection(h11.CLIENT)
        stream, state = kept[number]
        headers = [*HEADERS, ("Host", parts.netloc), ("Content-Length", str(len(BODY)))]
        head = state.send(h11.Request(method="POST", target=parts.path, headers=headers))
        await stream.send_all(head + state.send(h11.Data(BODY)) + state.send(h11.EndOfMessage()))
        status, content = 0, b""
        while True:
            event = state.next_event()
            if event is h11.NEED_DATA:
                state.receive_data(await stream.receive_some(16384))
            elif isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                content += event.data
            else:
                state.start_next_cycle()
                return status, content

    yield ask


@asynccontextmanager
async def with_ours(url, tls, connections):
    async with open_reactor() as reactor:
        pool = HttpPool(reactor, Opener(Resolver(), tls))

        async def ask(_):
            answer = await pool.ask("POST", url, HEADERS, BODY)
            return answer.status, answer.body

        yield ask
        pool.close()


CLIENTS = {"httpx": with_httpx, "httpcore": with_httpcore, "h11": with_h11, "coval-load": with_ours}


async def measure(name: str, url: str, ca_file: str, connections: int, seconds: float) -> dict:
    """Microseconds of CPU for a request, once every caller has its connection."""
    tls = ssl.create_default_context(cafile=ca_file)
    done = 0

    async def call(number):
        nonlocal done
        while True:
            status, content = await ask(number)
            assert status == 200, status
            assert content.startswith(b"{"), content
            done += 1

    async with CLIENTS[name](url, tls, connections) as ask, trio.open_nursery() as callers:
        for number in range(connections):
            callers.start_soon(call, number)
        while done < connections:  # noqa: ASYNC110 - a client has no event for it
            await trio.sleep(0.05)
        await trio.sleep(SETTLE_S)
        before, cpu, wall = done, time.process_time(), time.perf_counter()
        await trio.sleep(seconds)
        requests, cpu, wall = done - before, time.process_time() - cpu, time.perf_counter() - wall
        callers.cancel_scope.cancel()
    return {"us": cpu / requests * 1e6, "a_second": requests / wall, "cpu": cpu / wall}


def start_agent(folder: Path) -> subprocess.Popen:
    command = ["taskset", "-c", AGENT_CORE, sys.executable, str(HERE / "canned_http_agent.py"), str(folder), "0"]
    agent = subprocess.Popen([*command, "--tls"], stderr=subprocess.DEVNULL)
    for _ in range(200):
        if (folder / "endpoint").exists():
            return agent
        time.sleep(0.1)
    agent.kill()
    raise SystemExit("the agent did not start within 20 s")


def measured(*arguments: str) -> dict:
    """What a process of its own, on its own core, measured."""
    command = ["taskset", "-c", GENERATOR_CORE, sys.executable, __file__, "--only", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    if done.returncode:
        raise SystemExit(f"{arguments[0]} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


@click.command()
@click.option("--connections", default="1,200", show_default=True)
@click.option("--seconds", default=5.0, show_default=True)
@click.option("--only", nargs=3, metavar="CLIENT URL CA_FILE", help="Measure one client in this process.")
def main(connections: str, seconds: float, only: tuple[str, str, str] | None) -> None:
    """Print the table."""
    if only:
        print(json.dumps(trio.run(measure, *only, int(connections), seconds)))
        return
    print(f"{'':14}{'connections':>12}{'us/request':>12}{'requests/s':>12}{'CPU':>6}{'to ours':>9}")
    for count in connections.split(","):
        rows = {}
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            agent = start_agent(folder)
            try:
                url = (folder / "endpoint").read_text()
                for name in CLIENTS:
                    where = (name, url, str(folder / "ca.pem"))
                    rows[name] = measured(*where, "--connections", count, "--seconds", str(seconds))
            finally:
                agent.terminate()
                agent.wait()
        for name, row in rows.items():
            ratio = row["us"] / rows["coval-load"]["us"]
            print(
                f"{name:14}{count:>12}{row['us']:12.1f}{row['a_second']:12.0f}{row['cpu']:6.0%}{ratio:8.1f}x",
                flush=True,
            )


if __name__ == "__main__":
    main()
