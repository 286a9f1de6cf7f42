"""One caller's HTTP/1.1 connection with keep-alive, as an agent sees it: requests off it, answers onto it."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus

import attrs
import h11
import orjson
import trio

from coval_load.reference.line import reset_when_closed

MAX_HEAD = 65_536
MAX_BODY = 16 * 1024 * 1024
RECEIVE_BYTES = 65_536
JSON = "application/json"
EVENT_STREAM = "text/event-stream"


@attrs.frozen
class Request:
    """One request, whole. Names of `headers` are in lower case; `path` is without the query.

    `read_at` is when its last byte was read, on Trio's clock.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    read_at: float


class HttpLine:
    """Carries one request after the other, and one answer to each.

    `dribble_s`, if set, is the pause between any two bytes of an answer's head.
    """

    def __init__(self, stream: trio.abc.Stream, transport: trio.SocketStream, number: int) -> None:
        self.number = number
        self.dribble_s: float | None = None
        self._stream = stream
        self._transport = transport
        self._parser = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)
        self._read_at = 0.0
        self._head = b""

    async def next_request(self) -> Request | None:
        """None where the connection is over. Raises `h11.RemoteProtocolError` where the caller speaks no HTTP."""
        parser = self._parser
        if parser.our_state is h11.DONE and parser.their_state is h11.DONE:
            parser.start_next_cycle()
        if parser.our_state is not h11.IDLE:
            return None
        head: h11.Request | None = None
        body = bytearray()
        while True:
            event = parser.next_event()
            if event is h11.NEED_DATA:
                await self._receive()
            elif isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > MAX_BODY:
                    raise h11.RemoteProtocolError(f"expected a body of at most {MAX_BODY} bytes", error_status_hint=413)
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                return self._request(head, bytes(body))
            else:
                return None

    async def _receive(self) -> None:
        if self._parser.they_are_waiting_for_100_continue:
            await self._stream.send_all(self._encode(h11.InformationalResponse(status_code=100, headers=[])))
        data = await self._stream.receive_some(RECEIVE_BYTES)
        self._read_at = trio.current_time()
        self._parser.receive_data(bytes(data))

    def _request(self, head: h11.Request, body: bytes) -> Request:
        path = head.target.decode().partition("?")[0]
        headers = {name.decode(): value.decode("latin-1") for name, value in head.headers}
        return Request(head.method.decode(), path, headers, body, self._read_at)

    async def respond(
        self, status: int, body: bytes, content_type: str = JSON, headers: Sequence[tuple[str, str]] = ()
    ) -> None:
        """The answer in one piece."""
        head = self._encode_head(status, content_type, ("Content-Length", str(len(body))), headers)
        data, end = self._encode(h11.Data(body)), self._encode(h11.EndOfMessage())
        await self._send(head, data + end)

    async def respond_json(self, status: int, value: object, headers: Sequence[tuple[str, str]] = ()) -> None:
        await self.respond(status, orjson.dumps(value), headers=headers)

    async def respond_by_half(self, body: bytes) -> None:
        """Half of an answer whose head promises all of it; after this the connection is good for nothing more."""
        head = self._encode_head(200, JSON, ("Content-Length", str(len(body))))
        await self._send(head, self._encode(h11.Data(body[: len(body) // 2])))

    def begin_stream(self) -> None:
        """An answer of events begins; its head leaves with the first piece."""
        self._head = self._encode_head(
            200, EVENT_STREAM, ("Transfer-Encoding", "chunked"), [("Cache-Control", "no-cache")]
        )

    async def send_piece(self, data: bytes, last: bool = False) -> None:
        """A piece of the stream; the stream ends with the `last` one."""
        head, self._head = self._head, b""
        chunk = self._encode(h11.Data(data))
        if last:
            chunk += self._encode(h11.EndOfMessage())
        await self._send(head, chunk)

    def _encode_head(
        self, status: int, content_type: str, framing: tuple[str, str], headers: Sequence[tuple[str, str]] = ()
    ) -> bytes:
        reason = HTTPStatus(status).phrase
        all_headers = [("Content-Type", content_type), framing, *headers]
        return self._encode(h11.Response(status_code=status, headers=all_headers, reason=reason))

    def _encode(self, event: h11.Event) -> bytes:
        return self._parser.send(event) or b""

    async def _send(self, head: bytes, rest: bytes) -> None:
        if self.dribble_s is not None and head:
            for at in range(len(head)):
                await self._stream.send_all(head[at : at + 1])
                await trio.sleep(self.dribble_s)
            head = b""
        # In one call: each costs a TLS record and a packet of its own.
        await self._stream.send_all(head + rest)

    async def wait_until_gone(self) -> None:
        """Waits for the caller to close the connection."""
        while await self._stream.receive_some(RECEIVE_BYTES):
            pass

    def drop(self) -> None:
        """Resets the TCP connection: no TLS close, no FIN."""
        reset_when_closed(self._transport)
        self._transport.socket.close()
