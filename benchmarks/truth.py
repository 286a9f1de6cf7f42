"""Reported latencies against what the reference agent itself stamped.

    python benchmarks/truth.py [--simulations 100]

Generator and agent have a core each; both read the same monotonic clock. A difference is our `response_latency`
minus the agent's own interval, from the last audible sample it heard (voice) or the message it read (chat) to the
first audible sample, or text, that it wrote.

The agent greets first, so that the first turns come when all have connected: while the agent computes a hundred TLS
handshakes it reads what has long arrived late, and stamps it late.
"""

import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import click
import numpy as np
import trio

from coval_load.actors.protocols import known_protocols
from coval_load.codecs.audio.packaged import CLIPS
from coval_load.engine.run_folder import create, read_rows
from coval_load.plans.launch import run_plan
from coval_load.plans.loading import load_plan
from coval_load.plans.overrides import Overrides
from coval_load.plans.rehearsal import Ensemble
from coval_load.reference.model_types import CHAT, CHAT_WEBSOCKET, GEMINI_REALTIME, OPENAI_REALTIME, VOICE
from coval_load.reference.process import start_reference_agent

BEGIN_END = {
    VOICE: ("heard_end", "reply_start"),
    OPENAI_REALTIME: ("heard_end", "reply_start"),
    GEMINI_REALTIME: ("heard_end", "reply_start"),
    CHAT_WEBSOCKET: ("message_in", "message_out"),
    CHAT: ("message_in", "message_out"),
}
SECTIONS = {"persona": {"conversation_initiation": "wait_for_user", "wait_seconds": 1.0}}
LIMIT_MS = {VOICE: 10.0, OPENAI_REALTIME: 10.0, GEMINI_REALTIME: 10.0, CHAT_WEBSOCKET: 3.0}


def stamped_latencies(stamps: list[dict], model_type: str) -> dict[str, list[float]]:
    """For each simulation the agent's own intervals, in the order of its turns, in seconds."""
    begin, end = BEGIN_END[model_type]
    begun: dict[tuple[str, int], float] = {}
    found: dict[str, list[float]] = {}
    for stamp in stamps:
        key = (stamp["simulation_output_id"], stamp.get("turn"))
        if stamp["what"] == begin:
            begun[key] = stamp["at"]
        elif stamp["what"] == end and key in begun:
            found.setdefault(key[0], []).append(stamp["at"] - begun.pop(key))
    return found


async def measure(model_type: str, simulations: int) -> tuple[np.ndarray, dict]:
    """Differences in seconds, and the run's summary."""
    with tempfile.TemporaryDirectory() as temporary:
        out = Path(temporary)
        arguments = ["--model-type", model_type, "--delay", "600ms", "--spread", "200ms", "--greeting", "--cpu", "1"]
        async with start_reference_agent(arguments, out / "agent") as agent:
            overrides = Overrides(
                concurrency=simulations,
                simulations=simulations,
                sections=SECTIONS | {"limits": {"per_agent": simulations}},
            )
            protocols = known_protocols()
            options = {name: protocol.options for name, protocol in protocols.items()}
            plan = load_plan(agent.plan_file, overrides, environ={}, options=options, clip_names=CLIPS)
            folder = create(out / "run", "truth", datetime.now(UTC))
            finished = await run_plan(Ensemble.rehearse(plan, protocols), folder)
        stamped = stamped_latencies(agent.stamps(), model_type)
        differences = []
        for row in read_rows(folder.simulations_file):
            turns = [turn["metrics"] for turn in row["transcript"] if turn["role"] == "assistant"]
            reported = [turn["response_latency"] for turn in turns if "response_latency" in turn]
            theirs = stamped.get(row["simulation_output_id"], [])
            if len(reported) != len(theirs):
                raise SystemExit(f"{row['simulation_output_id']}: {len(reported)} reported, {len(theirs)} stamped")
            differences += [ours - its for ours, its in zip(reported, theirs, strict=True)]
        return np.array(differences), dict(finished.summary)


@click.command()
@click.option("--simulations", default=100, show_default=True)
def main(simulations: int) -> None:
    """Print a row for each kind of voice agent and one for chat."""
    os.sched_setaffinity(0, {0})
    for model_type in LIMIT_MS:
        differences, summary = trio.run(measure, model_type, simulations)
        off = np.abs(differences) * 1000
        lateness = summary["metrics"].get("send_lateness", {}).get("p99", 0.0) * 1000
        print(
            f"{model_type}: {simulations} at once, {len(off)} replies: off by p50 {np.percentile(off, 50):.2f} ms, "
            f"p95 {np.percentile(off, 95):.2f} ms (limit {LIMIT_MS[model_type]:g}), max {off.max():.2f} ms; "
            f"mean {differences.mean() * 1000:+.2f} ms; frames late p99 {lateness:.1f} ms; "
            f"failed {summary['counts']['failed']}",
            flush=True,
        )


if __name__ == "__main__":
    main()
