"""The agent that all peers talk to, and that counts what they did; picows on uvloop, so that it is not the limit.

    python benchmarks/peers/umpire.py WORK FOLDER TURNS INTERVAL_SECONDS [--plain]

WORK is one of `interface.WORKS`, or `handshakes`, which is `connections` without upgrades. Writes `ca.pem` into FOLDER
and prints its endpoint. Then it answers each line on its standard input with a line of JSON, and ends with its input:

- `count`: all counters since it began, see `Tally`;
- `begin`: the same, and from now on it keeps when each frame came;
- `lateness`: how late the frames since `begin` came, in seconds, see `lateness`.

Where picows is not installed it is the server of `websockets`, which is several times slower: for tests.
"""

import asyncio
import json
import logging
import ssl
import sys
import threading
from pathlib import Path
from time import perf_counter

import attrs
import trustme

LEAST_FRAME_CHARS = 856  # 640 bytes in base64
ANSWER_JSON = json.dumps(
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
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
    len(ANSWER_JSON),
    ANSWER_JSON,
)


@attrs.define
class Tally:
    """What happened since the agent began.

    `opened` are connections upgraded (over HTTP: conversations begun), `closed` those that ended (over HTTP:
    conversations that had all their turns), `cut` those of them that ended without a closing handshake; `units`
    messages that were answered, `odd` messages that are not what the work has; `due` and `came` are the units that the
    closed ones should have had, and had.
    """

    opened: int = 0
    closed: int = 0
    cut: int = 0
    units: int = 0
    odd: int = 0
    due: int = 0
    came: int = 0


@attrs.define(eq=False)
class Session:
    """One connection, told by the server what happens on it."""

    tally: Tally
    turns: int
    number: int = 0

    def heard(self, text: bytes | str) -> bool:
        """Count a message; whether it is to be answered."""
        self.number += 1
        self.tally.units += 1
        return True

    def ended(self, in_order: bool) -> None:
        self.tally.closed += 1
        self.tally.cut += not in_order
        self.tally.due += self.turns
        self.tally.came += min(self.number, self.turns)


class Opening(Session):
    """A connection for its own sake: it is the unit, and messages are ignored."""

    def heard(self, text: bytes | str) -> bool:
        return False

    def ended(self, in_order: bool) -> None:
        self.tally.closed += 1
        self.tally.cut += not in_order
        self.tally.units += in_order


@attrs.define(eq=False)
class Frames(Session):
    """A connection with a frame each `interval_s`; each is put down against the connection's own grid."""

    interval_s: float = 0.02
    watch: "Watch | None" = None
    offsets_s: list[float] = attrs.field(factory=list)

    def heard(self, text: bytes | str) -> bool:
        if len(text) < LEAST_FRAME_CHARS:
            self.tally.odd += 1
            return False
        self.number += 1
        self.tally.units += 1
        if self.watch.on:
            if not self.offsets_s:
                self.watch.sessions.append(self)
            self.offsets_s.append(perf_counter() - self.number * self.interval_s)
        return True

    def ended(self, in_order: bool) -> None:
        self.tally.closed += 1
        self.tally.cut += not in_order


@attrs.define
class Watch:
    """Whose frames came since it was turned on."""

    on: bool = False
    sessions: list[Frames] = attrs.field(factory=list)

    def lateness(self) -> dict[str, float | None]:
        """Against each connection's own grid: anchored where no frame is early, so a constant offset costs nothing.

        Frame k of a connection is due at `anchor + k * interval`, the anchor is the earliest of all `came - k *
        interval` in the window. A peer that stalls, drifts or leaves frames out is late from then on.
        """
        import numpy as np

        self.on = False
        late_s = [np.asarray(session.offsets_s) - min(session.offsets_s) for session in self.sessions]
        if not late_s:
            return {"p50": None, "p99": None, "max": None}
        p50, p99, most = np.percentile(np.concatenate(late_s), [50, 99, 100])
        return {"p50": float(p50), "p99": float(p99), "max": float(most)}


class Http(asyncio.Protocol):
    """Finds the end of each request by its Content-Length, which every client here sends."""

    def __init__(self, tally: Tally, turns: int) -> None:
        self._tally = tally
        self._last_messages = 2 * turns - 1
        self._turns = turns
        self._buffer = b""

    def connection_made(self, transport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].lower()
            length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0] or 0)
            if len(self._buffer) < end + 4 + length:
                return
            body = self._buffer[end + 4 : end + 4 + length]
            self._buffer = self._buffer[end + 4 + length :]
            self._answer(body.count(b'"role"'))

    def _answer(self, messages: int) -> None:
        """The history in the request says which turn of its conversation it is."""
        tally = self._tally
        tally.units += 1
        tally.odd += messages % 2 == 0 or messages > self._last_messages
        tally.opened += messages == 1
        if messages == self._last_messages:
            tally.closed += 1
        if not self._transport.is_closing():
            self._transport.write(ANSWER)


class Handshakes(asyncio.Protocol):
    """A connection for its TLS handshake alone: it is the unit."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally

    def connection_made(self, transport) -> None:
        self._tally.opened += 1
        self._tally.units += 1

    def connection_lost(self, error) -> None:
        self._tally.closed += 1


async def serve_with_picows(make, tls: ssl.SSLContext | None):
    from picows import WSListener, WSMsgType, ws_create_server

    class Listener(WSListener):
        def on_ws_connected(self, transport):
            self.session = make()
            self.in_order = False

        def on_ws_frame(self, transport, frame):
            if frame.msg_type == WSMsgType.CLOSE:
                self.in_order = True
                transport.send(WSMsgType.CLOSE, frame.get_payload_as_bytes())
                transport.disconnect()
                return
            payload = frame.get_payload_as_bytes()
            if frame.msg_type in (WSMsgType.TEXT, WSMsgType.BINARY) and self.session.heard(payload):
                transport.send(frame.msg_type, payload)

        def on_ws_disconnected(self, transport):
            self.session.ended(self.in_order)

    return await ws_create_server(
        lambda _: Listener(), "127.0.0.1", 0, ssl=tls, backlog=4096, websocket_handshake_timeout=60
    )


async def serve_with_websockets(make, tls: ssl.SSLContext | None):
    from websockets.asyncio.server import serve
    from websockets.exceptions import ConnectionClosed

    async def listen(socket):
        session = make()
        try:
            async for message in socket:
                if session.heard(message):
                    await socket.send(message)
            session.ended(True)
        except ConnectionClosed:
            session.ended(False)

    return await serve(listen, "127.0.0.1", 0, ssl=tls, compression=None, backlog=4096)


def tls_context(folder: Path) -> ssl.SSLContext:
    """TLS 1.3 without tickets: nobody resumes a session, each connection is a full handshake."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.minimum_version = ssl.TLSVersion.TLSv1_3
    tls.num_tickets = 0
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(tls)
    return tls


def listen_to_harness(answer, loop: asyncio.AbstractEventLoop, ended: asyncio.Event) -> None:
    """Hand each line over, and the end of them: without a harness nobody needs an agent."""
    for line in sys.stdin:
        loop.call_soon_threadsafe(answer, line.strip())
    loop.call_soon_threadsafe(ended.set)


async def main(work: str, folder: Path, turns: int, interval_s: float, use_tls: bool) -> None:
    tally, watch, ended = Tally(), Watch(), asyncio.Event()
    loop = asyncio.get_running_loop()
    tls = tls_context(folder) if use_tls else None

    def make() -> Session:
        tally.opened += 1
        if work == "frames":
            return Frames(tally, turns, interval_s=interval_s, watch=watch)
        return Opening(tally, turns) if work == "connections" else Session(tally, turns)

    def answer(asked: str) -> None:
        watch.on = watch.on or asked == "begin"
        print(json.dumps(watch.lateness() if asked == "lateness" else attrs.asdict(tally)), flush=True)

    if work in ("http_chat", "handshakes"):
        protocol = (lambda: Http(tally, turns)) if work == "http_chat" else (lambda: Handshakes(tally))
        server = await loop.create_server(protocol, "127.0.0.1", 0, ssl=tls, backlog=4096)
    else:
        try:
            server = await serve_with_picows(make, tls)
        except ImportError:
            server = await serve_with_websockets(make, tls)
    port = server.sockets[0].getsockname()[1]
    scheme, path = ("http", "chat") if work == "http_chat" else ("ws", "")
    print(f"{scheme}{'s' if use_tls else ''}://127.0.0.1:{port}/{path}", flush=True)
    threading.Thread(target=listen_to_harness, args=(answer, loop, ended), daemon=True).start()
    await ended.wait()


if __name__ == "__main__":
    arguments = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]), "--plain" not in sys.argv
    logging.disable()  # of clients that were killed in the middle of a handshake
    try:
        from uvloop import run
    except ImportError:
        from asyncio import run
    run(main(*arguments))
