"""The real command with a plan as a user would write it: results, timeline, recorder and health are on, as always.

Settings that are not defaults, and why: `persona.wait_seconds: 0`, because the next message follows at once;
`coalesce_timeout_seconds: 0`, because a reply is one message; `limits.per_agent`, which chat agents have low;
`timeouts.grace`, because the harness ends the run. A caller always says something, so that `connections` costs us a
message, which is sent and not awaited.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from interface import WORKS, Job, Peer, Start, installed, missing_modules

SPOKEN = {"type": "text", "text": "hello", "audio": "clip:pizza-order", "expects_reply": False}
VOICE = {
    "handshake_ready_message_type": "",
    "receive_sample_rate_hertz": 16000,
    "receive_audio_channels": 1,
    "pace_inbound_binary_audio": True,
}


def agent(job: Job) -> dict:
    """A connect-an-agent body."""
    model_type, metadata = {
        "frames": ("WEBSOCKET", {"endpoint": job.endpoint, **VOICE}),
        "chat": ("CHAT_WEBSOCKET", {"endpoint": job.endpoint, "coalesce_timeout_seconds": 0}),
        "connections": ("CHAT_WEBSOCKET", {"endpoint": job.endpoint, "coalesce_timeout_seconds": 0}),
        "http_chat": ("CHAT", {"chat_endpoint": job.endpoint}),
    }[job.work]
    return {"display_name": "peer", "model_type": f"MODEL_TYPE_{model_type}", "metadata": metadata}


def turns(job: Job) -> list[dict]:
    if job.work == "frames":
        return [SPOKEN] * 1000
    if job.work == "connections":
        return [{"type": "text", "text": "hello", "expects_reply": False}]
    return [{"type": "text", "text": f"message {k} of a caller who wants a pizza"} for k in range(job.turns)]


def start(job: Job) -> Start:
    """Write `plan.yaml`, and run it into `run/`."""
    plan = {
        "name": job.work,
        "agents": [agent(job)],
        "persona": {"wait_seconds": 0},
        "test_set": [{"id": "talk", "turns": turns(job)}],
        "load": {"concurrency": job.sessions, "duration": f"{job.seconds:.0f}s"},
        "limits": {"per_agent": job.sessions},
        "timeouts": {"connect": "60s", "simulation": "30m", "grace": "1s"},
        "targets": {"allow_private": True, "allow_plaintext": job.ca_file is None},
        "tls": {"ca_file": str(job.ca_file)} if job.ca_file else {},
    }
    # JSON is YAML.
    (job.folder / "plan.yaml").write_text(json.dumps(plan, indent=2))
    return Start([str(Path(sys.executable).with_name("coval-load")), "run", "plan.yaml", "--out", "run"])


def errors(job: Job, printed: str) -> Mapping[str, int]:
    """From the run's summary, with its verdict on itself."""
    file = job.folder / "run" / "summary.json"
    if not file.exists():
        return {"no summary": 1}
    summary = json.loads(file.read_text())
    is_trusted = summary["generator"]["verdict"] != "invalid"
    return summary["errors"] | ({} if is_trusted else {"says itself that it can not be trusted": 1})


PEERS = (
    Peer(
        name="coval-load",
        works=WORKS,
        about=f"{installed('coval-load', 'trio')}: coval-load run plan.yaml",
        missing=lambda: missing_modules("coval_load"),
        start=start,
        errors=errors,
    ),
)
