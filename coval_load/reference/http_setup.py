"""HTTP on the WebSocket agent's port: reads a request's head, and answers the setup of HTTP-first mode."""

import attrs
import h11
import orjson
import trio

MAX_HEAD = 65_536
RECEIVE_BYTES = 16_384
DEAF_S = 600.0


@attrs.frozen
class Head:
    """A request up to its empty line. `raw` is all that was read, some of the body perhaps included."""

    method: str
    target: str
    headers: dict[str, str]
    raw: bytes

    @property
    def asks_for_upgrade(self) -> bool:
        return "websocket" in self.headers.get("upgrade", "").lower()


async def read_head(stream: trio.abc.Stream) -> Head | None:
    """The head of a request; None where the peer went away or does not speak HTTP."""
    parser = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)
    raw = b""
    while True:
        data = bytes(await stream.receive_some(RECEIVE_BYTES))
        raw += data
        try:
            parser.receive_data(data)
            request = parser.next_event()
        except h11.RemoteProtocolError:
            return None
        if isinstance(request, h11.Request):
            headers = {name.decode(): value.decode("latin-1") for name, value in request.headers}
            return Head(request.method.decode(), request.target.decode(), headers, raw)
        if not data:
            return None


async def read_body(stream: trio.abc.Stream, head: Head) -> bytes:
    """The rest of a request. Raises `h11.RemoteProtocolError` where it breaks off."""
    parser = h11.Connection(h11.SERVER)
    parser.receive_data(head.raw)
    body = b""
    while True:
        event = parser.next_event()
        if event is h11.NEED_DATA:
            parser.receive_data(bytes(await stream.receive_some(RECEIVE_BYTES)))
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            return body


async def respond(stream: trio.abc.Stream, status: int, body: bytes, content_type: str = "application/json") -> None:
    """Answers and says that the connection closes after that."""
    head = f"HTTP/1.1 {status} .\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
    await stream.send_all(f"{head}Connection: close\r\n\r\n".encode() + body)


async def answer_setup(stream: trio.abc.Stream, head: Head, websocket_url: str, kinds: frozenset[str]) -> None:
    """Answers `POST /sessions` with `{"data": {"websocket_url": ...}}`, 404 to all else; or misbehaves."""
    await read_body(stream, head)
    if head.method != "POST" or head.target.partition("?")[0] != "/sessions":
        await respond(stream, 404, b'{"error": "expected POST /sessions or a WebSocket upgrade"}')
    elif "setup-500" in kinds:
        await respond(stream, 500, b'{"error": "told to fail"}')
    elif "setup-garbage" in kinds:
        await respond(stream, 200, b"<html>not what you expect", "text/html")
    else:
        await respond(stream, 200, orjson.dumps({"data": {"websocket_url": websocket_url}}))


class ReplayedStream(trio.abc.Stream):
    """A stream whose first `replay` bytes were read already, so that they can be read again.

    `dribble_s`, if set, is the pause between any two bytes sent. `deaf` makes it receive nothing for ten
    minutes and then the end of the stream.
    """

    def __init__(self, stream: trio.abc.Stream, replay: bytes) -> None:
        self._stream = stream
        self._replay = replay
        self.dribble_s: float | None = None
        self.deaf = False

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        if self._replay:
            await trio.lowlevel.checkpoint()
            size = max_bytes or len(self._replay)
            first, self._replay = self._replay[:size], self._replay[size:]
            return first
        if self.deaf:
            await trio.sleep(DEAF_S)
            return b""
        return await self._stream.receive_some(max_bytes)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        if self.dribble_s is None:
            await self._stream.send_all(data)
            return
        for at in range(len(data)):
            await self._stream.send_all(data[at : at + 1])
            await trio.sleep(self.dribble_s)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await self._stream.aclose()
