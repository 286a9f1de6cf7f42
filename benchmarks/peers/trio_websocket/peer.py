"""What one would write first on Trio."""

import sys
from pathlib import Path

from interface import Job, Peer, Start, arguments, installed, missing_modules


def start(job: Job) -> Start:
    return Start([sys.executable, str(Path(__file__).with_name("clients.py")), *arguments(job)])


PEERS = (
    Peer(
        name="trio-websocket",
        works={"frames", "chat", "connections"},
        about=f"{installed('trio-websocket', 'trio')}, json from the library",
        missing=lambda: missing_modules("trio_websocket"),
        start=start,
    ),
)
