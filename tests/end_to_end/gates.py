"""A gate between callers and an agent that a test opens and closes: an agent that can't be reached for a while."""

import socket
from contextlib import asynccontextmanager, suppress

import attrs
import trio
from http_agent import HTTP_CHAT, on_http
from in_process import chat_plan, on_the_line, plan_for

EXACT = 1e-6
AWAY_S = 3.0
OFTEN = {"attempts": 50, "first": "200ms", "most": "400ms"}


async def repeats(call):
    while True:
        await call.say(f"you said {(await call.hear())['text']}")


async def says(asked):
    if asked.path == "/init":
        await asked.answer({"sessionId": "s-1"})
    elif asked.path == "/sessions":
        await asked.answer({"url": asked.headers["x-to"]})
    else:
        await asked.say(f"you said {asked.said}")


@attrs.define
class Gate:
    """A port that leads to another one while it is open; whoever dials it is refused while it is not."""

    nursery: trio.Nursery
    leads_to: int
    where: str
    _scope: trio.CancelScope | None = None

    async def open(self):
        self._scope = await self.nursery.start(self._serve)

    def close(self):
        self._scope.cancel()

    async def _serve(self, task_status):
        with trio.CancelScope() as scope, socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            host, port = self.where.split(":")
            listener.bind((host, int(port)))
            listener.listen()
            listeners = [trio.SocketListener(trio.socket.from_stdlib_socket(listener))]
            task_status.started(scope)
            await trio.serve_listeners(self._lead, listeners)

    async def _lead(self, theirs):
        ours = await trio.open_tcp_stream("127.0.0.1", self.leads_to)
        async with theirs, ours, trio.open_nursery() as both:
            both.start_soon(_pump, theirs, ours, both.cancel_scope)
            both.start_soon(_pump, ours, theirs, both.cancel_scope)


async def _pump(source, sink, scope):
    with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        async for data in source:
            await sink.send_all(data)
    scope.cancel()


@asynccontextmanager
async def gate_to(url):
    """A closed gate in front of the agent at `url`."""
    with socket.socket() as reserved:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind(("127.0.0.1", 0))
        async with trio.open_nursery() as nursery:
            yield Gate(nursery, int(url.rpartition(":")[2]), "127.0.0.1:{1}".format(*reserved.getsockname()))
            nursery.cancel_scope.cancel()


async def _open_after(gate, seconds):
    await trio.sleep(seconds)
    await gate.open()


@asynccontextmanager
async def away(medium):
    """The plan of an agent that nobody is at for `AWAY_S`."""
    agent = on_the_line(repeats) if medium == "websocket" else on_http(says)
    async with agent as there, gate_to(there if isinstance(there, str) else there.url) as gate:
        gate.nursery.start_soon(_open_after, gate, AWAY_S)
        yield plan_to(medium, gate.where)


def plan_to(medium, where, *turns, **sections):
    said = turns or ("hello",)
    if medium == "websocket":
        return chat_plan(f"ws://{where}", *said, **sections)
    return plan_for(HTTP_CHAT, {"chat_endpoint": f"http://{where}/chat"}, said, **sections)


def nobody():
    """host:port at which everybody is refused, for as long as the socket is open."""
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    return taken, "127.0.0.1:{1}".format(*taken.getsockname())
