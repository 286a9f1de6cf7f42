"""WebSocket agents: what comes before a conversation, which is HTTP: the setup of HTTP-first mode, the upgrade."""

import itertools
import socket
from collections.abc import Callable
from typing import Protocol
from urllib.parse import parse_qs, urlsplit

import trio
import trio_websocket

from coval_load.reference.http_setup import Head, ReplayedStream, answer_setup, read_head
from coval_load.reference.line import Line
from coval_load.reference.misbehaviour import (
    AT_READY,
    AT_REPLY,
    AT_SETUP,
    AT_UPGRADE,
    IN_REALTIME,
    STATUSES,
    kinds_for,
)
from coval_load.reference.options import AgentOptions
from coval_load.reference.stamps import Stamps

HANDSHAKE_TIMEOUT_S = 30.0
MAX_MESSAGE = 16 * 1024 * 1024
RECEIVE_BYTES = 16_384
# Messages that may wait while the agent is busy: without room the reader would change tasks for each of them.
QUEUED_MESSAGES = 64
DRIBBLE_S = 1.0
SMALL_BUFFER = 4096


class Agent(Protocol):
    """The part of a reference agent that talks."""

    async def converse(self, line: Line) -> None:
        """Runs until the connection ends."""
        ...


def _welcome(head: Head) -> int | None:
    return None


class WebSocketService:
    """Takes connections to an agent that speaks WebSocket.

    `refusal` gives the status that refuses an upgrade, None where it is welcome.
    """

    def __init__(
        self,
        agent: Agent,
        options: AgentOptions,
        stamps: Stamps,
        websocket_url: str,
        refusal: Callable[[Head], int | None] = _welcome,
    ) -> None:
        self._agent = agent
        self._options = options
        self._stamps = stamps
        self._websocket_url = websocket_url
        self._refusal = refusal
        # Each kind of event is counted by itself, so that a share of them is exact.
        self._setups = itertools.count()
        self._upgrades = itertools.count()

    async def serve(self, stream: trio.abc.Stream, transport: trio.SocketStream) -> None:
        """One connection: a setup, or an upgrade and the conversation after it."""
        head = None
        with trio.move_on_after(HANDSHAKE_TIMEOUT_S):
            head = await read_head(stream)
        if head is None:
            return
        if head.asks_for_upgrade:
            await self._upgrade(transport, stream, head)
        else:
            await self._set_up(stream, head)

    async def _set_up(self, stream: trio.abc.Stream, head: Head) -> None:
        number = next(self._setups)
        url = f"{self._websocket_url}/{number}"
        await answer_setup(stream, head, url, self._kinds(AT_SETUP, number))

    async def _upgrade(self, transport: trio.SocketStream, stream: trio.abc.Stream, head: Head) -> None:
        number = next(self._upgrades)
        kinds = self._kinds(AT_UPGRADE | AT_READY | AT_REPLY | IN_REALTIME, number)
        replayed = ReplayedStream(stream, head.raw)
        if "slow-loris" in kinds:
            replayed.dribble_s = DRIBBLE_S
        async with trio.open_nursery() as nursery:
            # Without a deadline this would wait for ever for an upgrade request that is not one.
            with trio.fail_after(HANDSHAKE_TIMEOUT_S):
                request = await trio_websocket.wrap_server_stream(
                    nursery, replayed, QUEUED_MESSAGES, MAX_MESSAGE, RECEIVE_BYTES
                )
            status = self._status_instead(head, kinds)
            if status is not None:
                self._stamps.add("rejected", connection=number, status=status)
                await request.reject(status, body=b"told to fail" if kinds & STATUSES.keys() else b"")
                nursery.cancel_scope.cancel()
                return
            websocket = await request.accept()
            replayed.dribble_s = None
            line = Line(websocket, replayed, transport, number, self._stamps, kinds, self._options.seed)
            line.simulation_output_id = simulation_named_in(head)
            line.target, line.headers = head.target, head.headers
            line.stamp("accepted")
            if "not-reading" in kinds:
                transport.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
                replayed.deaf = True
            await self._agent.converse(line)
            nursery.cancel_scope.cancel()

    def _status_instead(self, head: Head, kinds: frozenset[str]) -> int | None:
        told = sorted(kinds & STATUSES.keys())
        return STATUSES[told[0]] if told else self._refusal(head)

    def _kinds(self, moment: frozenset[str], number: int) -> frozenset[str]:
        return kinds_for(self._options.misbehaviours, moment, number)


def simulation_named_in(head: Head) -> str | None:
    """The simulation's id from the header `X-Simulation-Id` or the query's `simulation_output_id`."""
    query = parse_qs(urlsplit(head.target).query)
    return head.headers.get("x-simulation-id") or next(iter(query.get("simulation_output_id", ())), None)
