"""One caller's connection, as an agent sees it."""

import socket
import struct
from collections.abc import AsyncGenerator, Mapping
from random import Random
from typing import Any

import orjson
import trio
import trio_websocket

from coval_load.reference.stamps import Stamps

MOST_REASON = 123


class Line:
    """Carries messages both ways and stamps what happens under its connection number.

    `turn` counts the caller's turns from 1; 0 is before the first. `kinds` are the misbehaviours that hit it.
    `target` and `headers` (names in lower case) are those of the upgrade.
    """

    def __init__(
        self,
        websocket: trio_websocket.WebSocketConnection,
        stream: trio.abc.Stream,
        transport: trio.SocketStream,
        number: int,
        stamps: Stamps,
        kinds: frozenset[str],
        seed: int,
    ) -> None:
        self.number = number
        self.kinds = kinds
        self.turn = 0
        self.simulation_output_id: str | None = None
        self.target = ""
        self.headers: Mapping[str, str] = {}
        self.random = Random(f"{seed}/{number}")
        self._websocket = websocket
        self._stream = stream
        self._transport = transport
        self._stamps = stamps

    def stamp(self, what: str, at: float | None = None, **more: Any) -> None:
        """Stamps `what` with the current turn, unless `turn` is given."""
        whose = {"connection": self.number, "simulation_output_id": self.simulation_output_id}
        self._stamps.add(what, at, **whose, **{"turn": self.turn, **more})

    async def send(self, message: str | bytes) -> None:
        """Raises `trio_websocket.ConnectionClosed`."""
        await self._websocket.send_message(message)

    async def send_json(self, message: Any) -> None:
        await self.send(orjson.dumps(message).decode())

    async def send_raw(self, data: bytes) -> None:
        """Bytes past the WebSocket protocol: for misbehaviours only."""
        await self._stream.send_all(data)

    async def messages(self) -> AsyncGenerator[tuple[float, str | bytes], None]:
        """What the caller sends, each with the time at which it came; ends when the connection does."""
        while True:
            try:
                message = await self._websocket.get_message()
            except trio_websocket.ConnectionClosed as closed:
                self.stamp("closed", code=closed.reason.code if closed.reason else None)
                return
            yield trio.current_time(), message

    async def close(self, code: int, reason: str = "the reference agent was told to do this") -> None:
        """Of the reason, at most 123 bytes are sent (RFC 6455, section 5.5)."""
        await self._websocket.aclose(code, reason.encode()[:MOST_REASON].decode(errors="ignore"))

    def drop(self) -> None:
        """Resets the TCP connection: no close frame, no TLS close, no FIN."""
        reset_when_closed(self._transport)
        self._transport.socket.close()

    def note_opening(self, message: Any) -> None:
        """Takes the simulation's id out of an initialization message that has one."""
        if isinstance(message, dict) and isinstance(message.get("simulation_output_id"), str):
            self.simulation_output_id = message["simulation_output_id"]


def reset_when_closed(transport: trio.SocketStream) -> None:
    """Makes closing a TCP connection a reset, whatever is still on its way."""
    transport.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
