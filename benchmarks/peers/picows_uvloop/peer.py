"""The cheapest echo that Python has: what is left when nothing is made, parsed, measured or recorded."""

import sys
from pathlib import Path

from interface import Job, Peer, Start, arguments, installed, missing_modules


def start(job: Job) -> Start:
    return Start([sys.executable, str(Path(__file__).with_name("clients.py")), *arguments(job)])


PEERS = (
    Peer(
        name="picows-uvloop",
        works={"frames", "chat", "connections"},
        about=f"{installed('picows', 'uvloop', 'aiofastnet')}: the floor, a bare echo of messages made beforehand",
        missing=lambda: missing_modules("picows", "uvloop"),
        start=start,
    ),
)
