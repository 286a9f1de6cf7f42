"""Artillery 2, from npm; README.md in this folder says what was chosen and why."""

import json
import math
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from interface import WORKS, Job, Peer, Start

HERE = Path(__file__).parent
RUN = HERE / "node_modules" / "artillery" / "bin" / "run"
REPORTED = re.compile(r"^(errors\.[^:]+(?::[^:]+)*|vusers\.failed): \.+ (\d+)$", re.MULTILINE)


def missing() -> str | None:
    if RUN.exists() and shutil.which("node"):
        return None
    return "artillery is not installed: cd benchmarks/peers/artillery && npm ci --ignore-scripts --no-audit --no-fund"


def known_versions() -> str:
    """The versions that are there: Artillery's as the lock file has it."""
    pinned = json.loads((HERE / "package.json").read_text())["dependencies"]["artillery"]
    if missing():
        return f"Artillery {pinned}"
    node = subprocess.run(["node", "--version"], capture_output=True, text=True, timeout=20, check=False)
    return f"Artillery {pinned} on Node.js {node.stdout.strip()}"


def start(job: Job) -> Start:
    values = {
        "ENDPOINT": job.endpoint,
        "SESSIONS": str(job.sessions),
        "SECONDS": str(math.ceil(job.seconds)),
        "INTERVAL": f"{round(job.interval_s * 1000)}ms",
        "TURNS": str(job.turns),
        "ARTILLERY_DISABLE_TELEMETRY": "true",
    }
    if job.ca_file:
        values |= {"CA_PEM": job.ca_file.read_text(), "NODE_EXTRA_CA_CERTS": str(job.ca_file)}
    return Start(["node", str(RUN), "run", str(HERE / f"{job.work}.yml")], values)


def errors(job: Job, printed: str) -> Mapping[str, int]:
    """Those of its summary; `worker error` is what it prints when the thread that holds all users has ended."""
    found = {kind: int(number) for kind, number in REPORTED.findall(printed)}
    return found | {"worker error": printed.count("worker error")}


PEERS = (
    Peer(
        name="artillery",
        works=WORKS,
        about=f"{known_versions()}; frames by `think`, replies awaited by `capture`",
        missing=missing,
        start=start,
        errors=errors,
    ),
)
