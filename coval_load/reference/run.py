"""A whole reference agent: certificate, port, files, and the server until it is told to stop."""

import importlib
import json
import os
import signal
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs
import trio
import trustme

from coval_load.reference.misbehaviour import Misbehaviour
from coval_load.reference.model_types import CHAT, GEMINI_REALTIME, OPENAI_REALTIME, OVER_HTTP, VOICE
from coval_load.reference.options import AgentOptions, ServerOptions
from coval_load.reference.papers import Address, write_papers
from coval_load.reference.realtime.gates import gemini_refusal, openai_refusal
from coval_load.reference.server import BACKLOG, Server, Service
from coval_load.reference.stamps import Stamps

if TYPE_CHECKING:
    from coval_load.reference.http_setup import Head
    from coval_load.reference.websocket_server import Agent


@attrs.frozen
class Announcement:
    """What callers need to know: where the agent is, and the files that were written."""

    endpoint: str
    setup_url: str
    agent_file: str
    plan_file: str
    ca_file: str | None
    stamps_file: str | None
    pid: int

    def to_json(self) -> str:
        """One line."""
        return json.dumps(attrs.asdict(self))


Announce = Callable[[Announcement], None]


async def run_reference_agent(options: AgentOptions, server: ServerOptions, announce: Announce) -> None:
    """Runs until SIGINT or SIGTERM; calls `announce` once the agent can be called.

    Raises OSError where it can't listen or can't write its files.
    """
    allow_many_connections()
    server.out.mkdir(parents=True, exist_ok=True)
    tls = make_tls(server) if server.use_tls else None
    with Stamps(server.stamps) as stamps, await _bind(server) as sock:
        address = Address.of(options, server.host, sock.getsockname()[1], server.use_tls)
        announcement = _announcement(options, server, address)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_stop_when_told, nursery.cancel_scope)
            nursery.start_soon(stamps.flush_often)
            if not refuses_all(options.misbehaviours):
                taker = Server(make_service(options, stamps, address), options, tls)
                sock.listen(BACKLOG)
                await nursery.start(partial(trio.serve_listeners, taker.take, [trio.SocketListener(sock)]))
            announce(announcement)


def make_service(options: AgentOptions, stamps: Stamps, address: Address) -> Service:
    """What an agent of this model type speaks, and the agent that speaks it; nothing is loaded for the others."""
    if options.model_type in OVER_HTTP:
        return _http_service(options, stamps, address)
    from coval_load.reference.websocket_server import WebSocketService

    agent, refusal = _websocket_agent(options)
    return WebSocketService(agent, options, stamps, address.endpoint, *refusal)


def _http_service(options: AgentOptions, stamps: Stamps, address: Address) -> Service:
    from coval_load.reference.http_server import HttpService

    if options.model_type == CHAT:
        from coval_load.reference.http_chat import HttpChatAgent

        return HttpService(HttpChatAgent(options, stamps))
    from coval_load.reference.a2a import A2AAgent

    return HttpService(A2AAgent(options, stamps, address.endpoint))


def _websocket_agent(options: AgentOptions) -> "tuple[Agent, tuple[Callable[[Head], int | None], ...]]":
    if options.model_type == OPENAI_REALTIME:
        from coval_load.reference.realtime.openai import OpenAIAgent

        return OpenAIAgent(options), (openai_refusal,)
    if options.model_type == GEMINI_REALTIME:
        from coval_load.reference.realtime.gemini import GeminiAgent

        return GeminiAgent(options), (gemini_refusal,)
    if options.model_type == VOICE:
        from coval_load.reference.voice import VoiceAgent

        return VoiceAgent(options), ()
    from coval_load.reference.chat import ChatAgent

    return ChatAgent(options), ()


def allow_many_connections() -> None:
    """Raises the limit of open files, often 1,024, to what this process may have."""
    try:
        resource = importlib.import_module("resource")
    except ImportError:
        return  # Windows has no such limit
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def make_tls(server: ServerOptions) -> ssl.SSLContext:
    """A server context with a new certificate; the CA that signed it goes to `ca.pem` in `server.out`."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(server.out / "ca.pem"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost", "127.0.0.1", "::1").configure_cert(context)
    return context


def refuses_all(misbehaviours: tuple[Misbehaviour, ...]) -> bool:
    """Whether no connection at all is to be accepted: then nothing listens on the port."""
    return any(m.kind == "refuse" and m.share == 1 for m in misbehaviours)


async def _bind(server: ServerOptions) -> trio.socket.SocketType:
    infos = await trio.socket.getaddrinfo(server.host, server.port, type=socket.SOCK_STREAM)
    family, kind, protocol, _, address = infos[0]
    sock = trio.socket.socket(family, kind, protocol)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    await sock.bind(address)
    return sock


async def _stop_when_told(scope: trio.CancelScope) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            scope.cancel()


def _announcement(options: AgentOptions, server: ServerOptions, address: Address) -> Announcement:
    papers = write_papers(options, server, address)
    files: dict[str, Any] = {
        "agent_file": str(papers.agent),
        "plan_file": str(papers.plan),
        "ca_file": str(server.out / "ca.pem") if server.use_tls else None,
        "stamps_file": str(server.stamps) if server.stamps else None,
    }
    return Announcement(endpoint=address.endpoint, setup_url=address.setup_url, pid=os.getpid(), **files)
