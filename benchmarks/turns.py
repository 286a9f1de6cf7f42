"""Turns of chat over HTTP: are reported latencies true, and what does a turn cost beside Locust's fast client?

    python benchmarks/turns.py [--conversations 500] [--turns 5] [--delay 200ms]

First, truth: conversations with pauses against the reference agent, which stamps what it read and wrote. Then, cost:
the same conversations without pauses against an agent that answers with canned bytes after the same delay, by
`coval-load` and then by Locust. Everything is over TLS; generator and agent have a core each. Needs
`pip install -r requirements-bench.txt`.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import click
import numpy as np
import trio
from truth import stamped_latencies

from coval_load.actors.protocols import known_protocols
from coval_load.engine.run_folder import create, read_rows
from coval_load.limits import parse_duration
from coval_load.plans.launch import run_plan
from coval_load.plans.loading import load_plan
from coval_load.plans.rehearsal import Ensemble
from coval_load.reference.model_types import CHAT
from coval_load.reference.process import start_reference_agent

HERE = Path(__file__).parent
GENERATOR_CORE, AGENT_CORE = "0", "1"


def plan(agent: str | dict, ca_file: str, conversations: int, turns: int, wait_s: float, at_once: int) -> dict:
    said = [{"type": "text", "text": f"message {k} of a caller who wants a pizza"} for k in range(turns)]
    return {
        "name": "turns",
        "agents": [agent],
        "persona": {"wait_seconds": wait_s},
        "test_set": [{"id": "talk", "turns": said}],
        "load": {"concurrency": at_once, "simulations": conversations},
        "timeouts": {"connect": "60s"},
        "targets": {"allow_private": True},
        "tls": {"ca_file": ca_file},
    }


def rehearsed(raw: dict) -> Ensemble:
    protocols = known_protocols()
    options = {name: protocol.options for name, protocol in protocols.items()}
    return Ensemble.rehearse(load_plan(raw, environ={}, options=options), protocols)


async def truth(conversations: int, turns: int, delay: str) -> str:
    """How far what we reported is from what the agent stamped."""
    with tempfile.TemporaryDirectory() as temporary:
        out = Path(temporary)
        arguments = ["--model-type", CHAT, "--delay", delay, "--cpu", AGENT_CORE]
        async with start_reference_agent(arguments, out / "agent") as agent:
            raw = plan(str(agent.agent_file), str(agent.ca_file), conversations, turns, 1.0, conversations)
            folder = create(out / "run", "turns", datetime.now(UTC))
            summary = (await run_plan(rehearsed(raw), folder)).summary
        stamped = stamped_latencies(agent.stamps(), CHAT)
        differences = []
        reported_ms, stamped_ms = [], []
        for row in read_rows(folder.simulations_file):
            spoken = [turn["metrics"] for turn in row["transcript"] if turn["role"] == "assistant"]
            ours = [turn["response_latency"] for turn in spoken]
            theirs = stamped.get(row["simulation_output_id"], [])
            if len(ours) != len(theirs):
                raise SystemExit(f"{row['simulation_output_id']}: {len(ours)} reported, {len(theirs)} stamped")
            reported_ms += [value * 1000 for value in ours]
            stamped_ms += [value * 1000 for value in theirs]
        differences = np.abs(np.array(reported_ms) - np.array(stamped_ms))
        return (
            f"truth: {conversations} at once, {len(differences)} replies: response_latency p95 reported "
            f"{np.percentile(reported_ms, 95):.1f} ms, stamped {np.percentile(stamped_ms, 95):.1f} ms; off by p50 "
            f"{np.percentile(differences, 50):.2f} ms, p95 {np.percentile(differences, 95):.2f} ms (limit 5), max "
            f"{differences.max():.1f} ms; failed {summary['counts']['failed']}, verdict "
            f"{summary['generator']['verdict']}"
        )


def start_canned(folder: Path, delay_s: float) -> tuple[subprocess.Popen, str]:
    """The canned agent's process and its endpoint."""
    program = [sys.executable, str(HERE / "canned_http_agent.py"), str(folder), str(delay_s), "--tls"]
    agent = subprocess.Popen(["taskset", "-c", AGENT_CORE, *program], stderr=subprocess.DEVNULL)
    for _ in range(200):
        if (folder / "endpoint").exists():
            return agent, (folder / "endpoint").read_text()
        time.sleep(0.1)
    agent.kill()
    raise SystemExit("the canned agent did not start within 20 s")


def ours(folder: Path, endpoint: str, conversations: int, turns: int, rounds: int) -> dict:
    """What it cost to hold `conversations` at once, `rounds` times each."""
    agent = {"display_name": "canned", "model_type": CHAT, "metadata": {"chat_endpoint": endpoint}}
    raw = plan(agent, str(folder / "ca.pem"), conversations * rounds, turns, 0.0, conversations)
    ensemble = rehearsed(raw)
    cpu, began = time.process_time(), time.perf_counter()
    summary = trio.run(run_plan, ensemble, create(folder / "run", "turns", datetime.now(UTC))).summary
    latency = summary["metrics"]["response_latency"]
    return {
        "turns": summary["counters"]["turns"],
        "failed": summary["counts"]["failed"],
        "cpu_s": time.process_time() - cpu,
        "seconds": time.perf_counter() - began,
        "p50_ms": latency["p50"] * 1000,
        "p95_ms": latency["p95"] * 1000,
    }


def locust(endpoint: str, users: int, turns: int, seconds: float) -> dict:
    """The same by Locust, for as long."""
    command = [sys.executable, "-m", "locust", "-f", str(HERE / "turns_locust.py"), "--headless", "--only-summary"]
    command += ["--host", endpoint.removesuffix("/chat"), "-u", str(users), "-r", str(users), "-t", f"{seconds:.0f}s"]
    done = subprocess.run(
        ["taskset", "-c", GENERATOR_CORE, *command],
        env={**os.environ, "TURNS": str(turns)},
        capture_output=True,
        text=True,
        timeout=seconds + 120,
        check=False,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if not lines:
        raise SystemExit(f"locust failed:\n{done.stderr[-3000:]}")
    return json.loads(lines[-1])


def row(name: str, measured: dict) -> str:
    per_turn_us = measured["cpu_s"] / measured["turns"] * 1e6
    return (
        f"{name:12} {measured['turns']:>7,} turns in {measured['seconds']:5.1f} s: "
        f"{measured['turns'] / measured['seconds']:6,.0f} a second, {per_turn_us:5.0f} us CPU a turn "
        f"({1e6 / per_turn_us:,.0f} a second on a whole core), p50 {measured['p50_ms']:.0f} ms, "
        f"p95 {measured['p95_ms']:.0f} ms, failed {measured['failed']}"
    )


@click.command()
@click.option("--conversations", default=500, show_default=True)
@click.option("--turns", default=5, show_default=True)
@click.option("--rounds", default=6, show_default=True, help="Conversations one after the other, for the cost.")
@click.option("--delay", default="200ms", show_default=True)
def main(conversations: int, turns: int, rounds: int, delay: str) -> None:
    """Print a line for truth, and one for each generator."""
    os.sched_setaffinity(0, {int(GENERATOR_CORE)})
    print(trio.run(truth, conversations, turns, delay), flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        agent, endpoint = start_canned(folder, parse_duration(delay) or 0.0)
        try:
            own = ours(folder, endpoint, conversations, turns, rounds)
            print(row("coval-load", own), flush=True)
            theirs = locust(endpoint, conversations, turns, max(own["seconds"], 20))
            print(row("locust", theirs), flush=True)
        finally:
            agent.terminate()
            agent.wait()
    ratio = (theirs["cpu_s"] / theirs["turns"]) / (own["cpu_s"] / own["turns"])
    print(f"a turn of Locust's costs {ratio:.1f} times one of coval-load's")


if __name__ == "__main__":
    main()
