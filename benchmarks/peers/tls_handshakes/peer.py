"""What nobody who opens connections over TLS can go below, by much: the handshakes themselves."""

import ssl
import sys
from pathlib import Path

from interface import Job, Peer, Start, arguments


def start(job: Job) -> Start:
    return Start([sys.executable, str(Path(__file__).with_name("handshakes.py")), *arguments(job)])


PEERS = (
    Peer(
        name="tls-handshakes",
        works={"connections"},
        about=f"Python's ssl with {ssl.OPENSSL_VERSION}: the floor, bare handshakes one after the other",
        missing=lambda: None,
        start=start,
        only_handshakes=True,
    ),
)
