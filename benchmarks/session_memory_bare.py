"""Bare connections that carry voice frames: what Python's sockets and OpenSSL take, and nothing else.

    python benchmarks/session_memory_bare.py ENDPOINT CA_FILE|- CONNECTIONS SECONDS [TALK_SECONDS]

Prints one line of JSON: the KiB of resident memory that all of them took.
"""

import base64
import gc
import json
import selectors
import socket
import ssl
import sys
import time
from urllib.parse import urlsplit

from frames_engine import resident_kib
from websockets.frames import Frame, Opcode

FRAME_S = 0.020
PCM = bytes(640)
"""20 ms at 16 kHz, as the engine sends them by default: in JSON, as base64."""

UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def connect(host: str, port: int, tls: ssl.SSLContext | None) -> socket.socket:
    """An upgraded connection, non-blocking."""
    raw = socket.create_connection((host, port))
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if tls is not None:
        raw = tls.wrap_socket(raw, server_hostname=host)
    raw.sendall(UPGRADE)
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += raw.recv(4096)
    if b" 101 " not in answer:
        raise SystemExit(f"expected an upgrade; got {answer!r}")
    raw.setblocking(False)
    return raw


def talk(connections: list[socket.socket], selector: selectors.BaseSelector, seconds: float) -> None:
    """A frame out each 20 ms, spread over them, and whatever comes back."""
    body = b'{"type":"audio_chunk","data":"%b"}' % base64.b64encode(PCM)
    frame = bytes(Frame(Opcode.TEXT, body).serialize(mask=True))
    began = time.perf_counter()
    for number in range(int(seconds / FRAME_S)):
        for connection in connections:
            connection.send(frame)
        while True:
            left = began + (number + 1) * FRAME_S - time.perf_counter()
            for key, _ in selector.select(max(left, 0.0)):
                try:
                    key.fileobj.recv(16 * 1024)
                except (BlockingIOError, ssl.SSLWantReadError):
                    continue
            if left <= 0:
                break


def main(endpoint: str, ca_file: str, count: int, seconds: float, more: float = 0.0) -> None:
    """Print what they took."""
    where = urlsplit(endpoint)
    tls = None if ca_file == "-" else ssl.create_default_context(cafile=ca_file)
    connect(where.hostname, where.port, tls).close()  # what is allocated once is not theirs
    gc.collect()
    before = resident_kib()
    connections = [connect(where.hostname, where.port, tls) for _ in range(count)]
    selector = selectors.DefaultSelector()
    for connection in connections:
        selector.register(connection, selectors.EVENT_READ)
    figures = {}
    for name, lasts_s in (("kib", seconds), ("kib_after_talk", more)):
        talk(connections, selector, lasts_s)
        gc.collect()
        figures[name] = resident_kib() - before
    print(json.dumps(figures))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), *map(float, sys.argv[4:]))
