"""The most used WebSocket library for Python, on asyncio's own loop and on uvloop."""

import sys
from pathlib import Path

from interface import Job, Peer, Start, arguments, installed, missing_modules

CLIENTS = str(Path(__file__).with_name("clients.py"))
WORKS = frozenset({"frames", "chat", "connections"})
STOP_S = 30.0  # each connection has 10 s for its closing handshake
ABOUT = f"{installed('websockets')}, its asyncio client without compression, json from the library"


def start(job: Job) -> Start:
    return Start([sys.executable, CLIENTS, *arguments(job)])


def start_with_uvloop(job: Job) -> Start:
    return Start([sys.executable, CLIENTS, *arguments(job), "--uvloop"])


PEERS = (
    Peer(
        name="websockets",
        works=WORKS,
        about=f"{ABOUT}, asyncio's own loop",
        missing=lambda: missing_modules("websockets"),
        start=start,
        stop_s=STOP_S,
    ),
    Peer(
        name="websockets-uvloop",
        works=WORKS,
        about=f"{ABOUT}, uvloop",
        missing=lambda: missing_modules("websockets", "uvloop"),
        start=start_with_uvloop,
        stop_s=STOP_S,
    ),
)
