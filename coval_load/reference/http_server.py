"""Agents over HTTP: each connection brings requests until it ends."""

import itertools
from typing import Protocol

import h11
import trio

from coval_load.reference.http_line import HttpLine, Request

IDLE_TIMEOUT_S = 600.0


class HttpAgent(Protocol):
    """The part of a reference agent that answers requests."""

    async def answer(self, line: HttpLine, request: Request) -> None:
        """Answers one request, on the line that it came by."""
        ...


class HttpService:
    """Takes connections to an agent that speaks HTTP."""

    def __init__(self, agent: HttpAgent) -> None:
        self._agent = agent
        self._connections = itertools.count()

    async def serve(self, stream: trio.abc.Stream, transport: trio.SocketStream) -> None:
        """One connection, until one of the two closes it or nothing has come for ten minutes."""
        line = HttpLine(stream, transport, next(self._connections))
        while request := await _next_request(line):
            await self._agent.answer(line, request)


async def _next_request(line: HttpLine) -> Request | None:
    try:
        with trio.move_on_after(IDLE_TIMEOUT_S):
            return await line.next_request()
    except h11.RemoteProtocolError as wrong:
        await line.respond_json(wrong.error_status_hint, {"error": {"message": str(wrong)}})
    return None
