"""The load tester that Python's users know, one process for the one core."""

import signal
import sys
from pathlib import Path

from interface import WORKS, Job, Peer, Start, installed, missing_modules


def start(job: Job) -> Start:
    """Users begin all at once, as everyone's sessions do."""
    command = [sys.executable, "-m", "locust", "-f", str(Path(__file__).with_name("users.py"))]
    command += ["--headless", "--only-summary", "-H", job.endpoint.removesuffix("/chat"), "-t", f"{job.seconds:.0f}s"]
    command += ["-u", str(job.sessions), "-r", str(job.sessions)]
    command += ["--stop-timeout", "2"]  # websocket-client's close() swallows what ends a user otherwise
    environment = {"WORK": job.work, "CA_FILE": str(job.ca_file or ""), "INTERVAL": str(job.interval_s)}
    return Start(command, {**environment, "TURNS": str(job.turns)})


PEERS = (
    Peer(
        name="locust",
        works=WORKS,
        about=f"{installed('locust', 'gevent', 'websocket-client', 'wsaccel')}, one process; HTTP by FastHttpUser",
        missing=lambda: missing_modules("locust", "websocket"),
        start=start,
        stop_signal=signal.SIGTERM,  # SIGINT may hit a user's greenlet, and end that
    ),
)
