"""Listens, and takes each connection over TCP and TLS to the service that talks to its caller."""

import itertools
import ssl
from typing import Protocol

import h11
import trio
import trio_websocket
import wsproto.utilities

from coval_load.reference.line import reset_when_closed
from coval_load.reference.misbehaviour import AT_ACCEPT, kinds_for
from coval_load.reference.options import AgentOptions

BACKLOG = 4096
RECEIVE_BYTES = 16_384
GONE = (
    trio.BrokenResourceError,
    trio.ClosedResourceError,
    trio_websocket.ConnectionClosed,
    trio.TooSlowError,
    h11.RemoteProtocolError,
    wsproto.utilities.ProtocolError,
    ssl.SSLError,
    OSError,
)


class Service(Protocol):
    """What an agent speaks: WebSocket, or HTTP."""

    async def serve(self, stream: trio.abc.Stream, transport: trio.SocketStream) -> None:
        """One connection until its end; `transport` is what is under `stream`. May raise any of `GONE`."""
        ...


class Server:
    """Serves one agent on one port. A connection that fails ends alone."""

    def __init__(self, service: Service, options: AgentOptions, tls: ssl.SSLContext | None) -> None:
        self._service = service
        self._options = options
        self._tls = tls
        self._accepted = itertools.count()

    async def take(self, transport: trio.SocketStream) -> None:
        """One TCP connection, from accept to close."""
        try:
            async with transport:
                await self._take(transport)
        except* GONE:
            pass  # the caller went away, or was made to

    async def _take(self, transport: trio.SocketStream) -> None:
        kinds = kinds_for(self._options.misbehaviours, AT_ACCEPT, next(self._accepted))
        if "refuse" in kinds:
            reset_when_closed(transport)
            return
        if "tls-broken" in kinds:
            await transport.receive_some(RECEIVE_BYTES)
            await transport.send_all(b"this is not TLS\r\n" * 8)
            return
        await self._service.serve(self._secure(transport), transport)

    def _secure(self, transport: trio.SocketStream) -> trio.abc.Stream:
        if self._tls is None:
            return transport
        return trio.SSLStream(transport, self._tls, server_side=True, https_compatible=True)
