"""A chat agent over HTTP that answers each request with the same bytes after a delay: as little as Python can do.

python benchmarks/canned_http_agent.py FOLDER DELAY_SECONDS [--tls]
"""

import asyncio
import json
import ssl
import sys
from pathlib import Path

import trustme
import uvloop

REPLY = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "That would be a large pizza with mushrooms then."},
                "finish_reason": "stop",
            }
        ],
    }
).encode()
ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " + str(len(REPLY)).encode() + b"\r\n\r\n"
) + REPLY


class Canned(asyncio.Protocol):
    """Finds the end of each request by its Content-Length, which every client here sends."""

    def __init__(self, delay_s: float) -> None:
        self._delay_s = delay_s
        self._loop = asyncio.get_running_loop()
        self._buffer = b""

    def connection_made(self, transport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while True:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self._buffer[:end].lower()
            length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0] or 0)
            if len(self._buffer) < end + 4 + length:
                return
            self._buffer = self._buffer[end + 4 + length :]
            if self._delay_s:
                self._loop.call_later(self._delay_s, self._answer)
            else:
                self._answer()

    def _answer(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(ANSWER)


async def main(folder: Path, delay_s: float, use_tls: bool) -> None:
    tls = None
    if use_tls:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(folder / "ca.pem")
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost", "127.0.0.1").configure_cert(tls)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Canned(delay_s), "127.0.0.1", 0, ssl=tls, backlog=4096)
    port = server.sockets[0].getsockname()[1]
    ready = folder / "endpoint.part"
    ready.write_text(f"{'https' if use_tls else 'http'}://127.0.0.1:{port}/chat")
    ready.rename(folder / "endpoint")
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.install()
    asyncio.run(main(Path(sys.argv[1]), float(sys.argv[2]), "--tls" in sys.argv))
