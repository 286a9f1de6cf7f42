"""A thousand chat simulations at once on one core, against an agent that answers at once.

    python benchmarks/chat.py [--simulations 1000] [--turns 10] [--no-tls]

Prints CPU for a turn all in, errors, and what came late. Needs `pip install -r requirements-bench.txt`.
"""

import json
import os
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import click
import trio
from frames import start_echo

from coval_load.actors.protocols import known_protocols
from coval_load.engine.run_folder import create
from coval_load.plans.launch import run_plan
from coval_load.plans.loading import load_plan
from coval_load.plans.rehearsal import Ensemble


def plan(endpoint: str, ca_file: str, simulations: int, turns: int) -> dict:
    agent = {
        "display_name": "echo",
        "model_type": "MODEL_TYPE_CHAT_WEBSOCKET",
        "metadata": {"endpoint": endpoint, "coalesce_timeout_seconds": 0},
    }
    return {
        "name": "chat",
        "agents": [agent],
        "persona": {"wait_seconds": 1},
        "test_set": [{"id": "talk", "turns": [{"type": "text", "text": f"message {k}"} for k in range(turns)]}],
        "load": {"concurrency": simulations, "simulations": simulations},
        "limits": {"per_agent": simulations},
        "timeouts": {"connect": "60s"},
        "targets": {"allow_private": True, "allow_plaintext": True},
        "tls": {} if ca_file == "-" else {"ca_file": ca_file},
    }


@click.command()
@click.option("--simulations", default=1000, show_default=True)
@click.option("--turns", default=10, show_default=True)
@click.option("--tls/--no-tls", default=True, show_default=True)
def main(simulations: int, turns: int, tls: bool) -> None:
    """Print one line."""
    os.sched_setaffinity(0, {0})
    protocols = known_protocols()
    options = {name: protocol.options for name, protocol in protocols.items()}
    with tempfile.TemporaryDirectory() as temporary:
        agent, endpoint, ca_file = start_echo(Path(temporary), tls)
        try:
            loaded = load_plan(plan(endpoint, ca_file, simulations, turns), environ={}, options=options)
            folder = create(Path(temporary) / "run", "chat", datetime.now(UTC))
            cpu = time.process_time()
            summary = trio.run(run_plan, Ensemble.rehearse(loaded, protocols), folder).summary
            cpu = time.process_time() - cpu
        finally:
            agent.terminate()
            agent.wait()
    latency = summary["metrics"]["response_latency"]
    print(
        f"{simulations} chats at once, {'TLS' if tls else 'plain'}: {json.dumps(summary['counts'])} "
        f"errors {json.dumps(summary['errors'])}; {cpu / (simulations * turns) * 1e6:.0f} us CPU a turn, "
        f"connecting and closing included; response_latency p50 {latency['p50'] * 1000:.1f} ms "
        f"p99 {latency['p99'] * 1000:.1f} ms; "
        f"verdict {summary['generator']['verdict']} {summary['generator']['reasons']}"
    )


if __name__ == "__main__":
    main()
