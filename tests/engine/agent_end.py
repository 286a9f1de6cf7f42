"""The agent's end of a connection and a caller's link to it, over a pair of sockets."""

import socket
from contextlib import asynccontextmanager

import attrs
import trio
from trio.testing import wait_all_tasks_blocked
from websockets.client import ClientProtocol
from websockets.frames import Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from coval_load.engine.link import MAX_MESSAGE_BYTES, Link
from coval_load.engine.reactor import open_reactor
from coval_load.engine.wire import Socket

URI = parse_uri("ws://agent.example/talk")


@attrs.define
class Owner:
    """Whose link it is: keeps all that it is told, in order."""

    told: list = attrs.field(factory=list)
    messages: list = attrs.field(factory=list)
    ends: list = attrs.field(factory=list)
    pongs: list = attrs.field(factory=list)

    def message(self, payload, is_text, at):
        self.told.append("message")
        self.messages.append((payload, is_text))

    def ended(self, end):
        self.told.append("end")
        self.ends.append(end)

    def pong(self, seconds):
        self.told.append("pong")
        self.pongs.append(seconds)

    @property
    def end(self):
        (end,) = self.ends
        return end


@attrs.define
class AgentEnd:
    """Speaks another part of the WebSocket library than the link does, and raw bytes where asked to."""

    socket: socket.socket
    protocol: ServerProtocol = attrs.field(factory=lambda: ServerProtocol(state=State.OPEN, max_size=None))
    frames: list = attrs.field(factory=list)
    sees_eof: bool = False

    def text(self, payload, fin=True):
        self.protocol.send_text(payload, fin)
        self.flush()

    def binary(self, payload, fin=True):
        self.protocol.send_binary(payload, fin)
        self.flush()

    def more(self, payload, fin):
        self.protocol.send_continuation(payload, fin)
        self.flush()

    def ping(self, payload):
        self.protocol.send_ping(payload)
        self.flush()

    def close(self, code=None, reason=""):
        self.protocol.send_close(code, reason)
        self.flush()

    def raw(self, data):
        self.socket.sendall(data)

    def hang_up(self):
        self.socket.close()

    def flush(self):
        for chunk in self.protocol.data_to_send():
            if chunk:
                self.socket.sendall(chunk)
            else:
                self.socket.shutdown(socket.SHUT_WR)

    def read(self, limit=1 << 20):
        """Read what has arrived; returns the frames that were completed by it."""
        try:
            while self.socket.fileno() != -1 and not self.sees_eof and limit > 0:
                data = self.socket.recv(min(limit, 65536))
                limit -= len(data)
                if data:
                    self.protocol.receive_data(data)
                else:
                    self.sees_eof = True
                    self.protocol.receive_eof()
        except (BlockingIOError, ConnectionResetError):
            pass
        new = self.protocol.events_received()
        self.frames += new
        return new

    def said(self, opcode):
        """The payloads of all frames of a kind that came so far."""
        self.read()
        return [bytes(frame.data) for frame in self.frames if frame.opcode is opcode]

    @property
    def texts(self):
        return self.said(Opcode.TEXT)


@attrs.define
class Call:
    """A caller and an agent that are connected."""

    link: Link
    owner: Owner
    agent: AgentEnd


def pair():
    """Two sockets that are connected, with little room between them."""
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.setblocking(False)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16 * 1024)
    return ours, theirs


def connect(reactor, *, start=True, link_class=Link, **callbacks):
    """A link and its agent; `callbacks` go instead of the owner's own."""
    ours, theirs = pair()
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    owner = Owner()
    methods = {"on_message": owner.message, "on_end": owner.ended, "on_pong": owner.pong, **callbacks}
    protocol = ClientProtocol(URI, state=State.OPEN, max_size=MAX_MESSAGE_BYTES)
    link = link_class(Socket(ours), protocol, reactor, **methods)
    if start:
        link.start(trio.current_time())
    return Call(link, owner, AgentEnd(theirs))


async def settle():
    """Until everything that can be read was read, and every task waits."""
    await wait_all_tasks_blocked()


@asynccontextmanager
async def calling(one_task=True, number=1):
    """Calls over a reactor of their own, every socket closed in the end."""
    async with open_reactor(one_task) as reactor:
        calls = [connect(reactor) for _ in range(number)]
        try:
            yield calls if number > 1 else calls[0]
        finally:
            for call in calls:
                call.link.abort()
                call.agent.socket.close()
