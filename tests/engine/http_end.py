"""The agent's end of an HTTP connection, raw, and ours to it: over TCP on the loopback."""

import re
import socket
import struct

import attrs
import trio

from coval_load import __version__
from coval_load.engine.http_connection import HttpConnection
from coval_load.engine.wire import Socket

PATIENCE_S = 10
URL = "https://agent.example/chat"
ORIGIN = ("agent.example", 443, True)
ADDED = f"Accept-Encoding: gzip\r\nUser-Agent: coval-load/{__version__}\r\n"


def answer(body=b"", *lines, status="200 OK", version="1.1"):
    head = [f"HTTP/{version} {status}", f"Content-Length: {len(body)}", *lines, "", ""]
    return "\r\n".join(head).encode() + body


@attrs.define(eq=False)
class End:
    """The agent's end of `connection`."""

    connection: HttpConnection
    stream: trio.SocketStream
    closed: list = attrs.field(factory=list)
    _pending: bytes = b""

    async def request(self):
        """The next request, head and body."""
        while b"\r\n\r\n" not in self._pending:
            self._pending += await self._some()
        length = re.search(rb"Content-Length: ([0-9]+)", self._pending)
        whole = self._pending.index(b"\r\n\r\n") + 4 + int(length[1] if length else 0)
        while len(self._pending) < whole:
            self._pending += await self._some()
        request, self._pending = self._pending[:whole], self._pending[whole:]
        return request

    async def _some(self):
        data = await self.stream.receive_some()
        assert data, "expected a request; got the end"
        return data

    async def send(self, data):
        await self.stream.send_all(data)

    async def take(self, data=b""):
        """Read a request, answer with `data`."""
        request = await self.request()
        await self.send(data)
        return request

    async def hang_up(self):
        await self.stream.aclose()

    async def reset(self):
        self.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await self.stream.aclose()

    async def until_closed(self):
        """Wait until our end noticed."""
        with trio.fail_after(PATIENCE_S):
            while self.connection.is_open:
                await trio.lowlevel.checkpoint()


def connect(reactor, connect_s=0.001):
    """An open connection, as new ones are where `connect_s` is given."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        ours = socket.create_connection(listener.getsockname())
        theirs, _ = listener.accept()
    ours.setblocking(False)
    closed = []
    connection = HttpConnection(ORIGIN, Socket(ours), reactor, connect_s, closed.append)
    return End(connection, trio.SocketStream(trio.socket.from_stdlib_socket(theirs)), closed)
