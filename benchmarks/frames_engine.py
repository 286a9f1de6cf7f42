"""The whole engine as a generator of voice frames: agent file, dialect, JSON, base64, onset of sound, recorder.

    python benchmarks/frames_engine.py ENDPOINT CA_FILE|- SIMULATIONS SECONDS [PROTOCOL]

Prints one line of JSON. Measured is a window in which every simulation is connected.
"""

import json
import os
import resource
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import trio

from coval_load.actors.protocols import known_protocols
from coval_load.codecs.audio.packaged import CLIPS
from coval_load.engine import metrics
from coval_load.engine.run_folder import create
from coval_load.plans.launch import run_plan
from coval_load.plans.loading import load_plan
from coval_load.plans.rehearsal import Ensemble

SETTLE_S = 2.0


METADATA = {
    "websocket": {
        "handshake_ready_message_type": "",
        "receive_sample_rate_hertz": 16000,
        "receive_audio_channels": 1,
        "pace_inbound_binary_audio": True,
    },
    "openai_realtime": {"openai_realtime_api_key": "benchmark"},
    "gemini_realtime": {"gemini_realtime_api_key": "benchmark"},
}


def plan(endpoint: str, ca_file: str, simulations: int, protocol: str) -> dict:
    agent = {
        "display_name": "echo",
        "model_type": f"MODEL_TYPE_{protocol.upper()}",
        "metadata": {"endpoint": endpoint, **METADATA[protocol]},
    }
    turn = {"type": "text", "text": "hello", "audio": "clip:pizza-order", "expects_reply": False}
    return {
        "name": "frames",
        "agents": [agent],
        "persona": {"wait_seconds": 0},
        "test_set": [{"id": "talk", "turns": [turn] * 1000}],
        "load": {"concurrency": simulations, "simulations": simulations},
        "limits": {"per_agent": simulations},
        "timeouts": {"connect": "60s", "simulation": "30m"},
        "targets": {"allow_private": True, "allow_plaintext": True},
        "tls": {} if ca_file == "-" else {"ca_file": ca_file},
    }


def resident_kib() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1024


def main(endpoint: str, ca_file: str, simulations: int, seconds: float, protocol: str = "websocket") -> None:
    figures = {}

    async def watch(live) -> None:
        runner, results = live.runner, live.results
        while results.samples("connect_time") < simulations:  # noqa: ASYNC110 - the engine has no event for it
            await trio.sleep(0.1)
        await trio.sleep(SETTLE_S)
        figures["kib_each"] = (resident_kib() - before) / simulations
        lateness = results.whole.distribution(metrics.SEND_LATENESS)
        settled = lateness.mark()
        cpu, wall = time.process_time(), time.perf_counter()
        await trio.sleep(seconds)
        within = lateness.since(settled)
        pairs = within.count
        figures["pairs"] = pairs
        figures["us_a_pair"] = (time.process_time() - cpu) / max(pairs, 1) * 1e6
        figures["cpu"] = (time.process_time() - cpu) / (time.perf_counter() - wall)
        figures["expected_pairs"] = round(simulations * 50 * (time.perf_counter() - wall))
        for name, percent in (("p50", 50), ("p99", 99), ("max", 100)):
            figures[f"late_{name}_ms"] = (within.percentile(percent) or 0.0) * 1000
        runner.cut()

    protocols = known_protocols()
    options = {model_type: protocol.options for model_type, protocol in protocols.items()}
    loaded = load_plan(plan(endpoint, ca_file, simulations, protocol), environ={}, options=options, clip_names=CLIPS)
    ensemble = Ensemble.rehearse(loaded, protocols)
    with tempfile.TemporaryDirectory() as temporary:
        folder = create(Path(temporary) / "run", "frames", datetime.now(UTC))
        before = resident_kib()
        finished = trio.run(lambda: run_plan(ensemble, folder, watches=[watch]))
    counters = finished.summary["counters"]
    figures["echoed"] = counters["messages_received"] / max(counters["messages_sent"], 1)
    figures["errors"] = sum(finished.summary["errors"].values())
    figures["peak_rss_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(figures))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), *sys.argv[5:])
