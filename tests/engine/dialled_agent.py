"""An agent over TCP or TLS on the loopback, for whoever dials."""

from contextlib import asynccontextmanager
from functools import partial

import attrs
import pytest
import trio
from websockets.frames import Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

from coval_load.engine.outcome import SimulationFailed

PATIENCE_S = 10


@attrs.define
class Agent:
    """An agent at `port` of the loopback; `requests` are those that came."""

    port: int
    requests: list = attrs.field(factory=list)


async def listen(nursery, take):
    """Take calls on a port of the loopback; returns which one."""
    (listener, *_) = await nursery.start(partial(trio.serve_tcp, take, 0, host="127.0.0.1"))
    return listener.socket.getsockname()[1]


async def wait(stream):
    await trio.sleep_forever()


@asynccontextmanager
async def agent(answer, tls=None):
    """Takes calls and lets `answer(stream, protocol, request)` deal with each."""

    async def take(stream):
        if tls is not None:
            stream = trio.SSLStream(stream, tls, server_side=True, https_compatible=True)
        protocol = ServerProtocol()
        try:
            async with stream:
                requests = []
                while not requests:
                    protocol.receive_data(await stream.receive_some() or b"\r\n\r\n")
                    requests = protocol.events_received()
                here.requests += requests
                await answer(stream, protocol, requests[0])
        except trio.BrokenResourceError:
            pass

    with trio.fail_after(PATIENCE_S):
        async with trio.open_nursery() as nursery:
            port = await listen(nursery, take)
            here = Agent(port)
            yield here
            nursery.cancel_scope.cancel()


async def accept(stream, protocol, request):
    """An upgrade, and from then on an echo."""
    protocol.send_response(protocol.accept(request))
    await send(stream, protocol)
    while protocol.state is State.OPEN:
        protocol.receive_data(await stream.receive_some())
        for frame in protocol.events_received():
            if frame.opcode is Opcode.BINARY:
                protocol.send_binary(frame.data)
        await send(stream, protocol)


async def send(stream, protocol):
    data = b"".join(protocol.data_to_send())
    if data:
        await stream.send_all(data)


def answering(data):
    async def answer(stream, protocol, request):
        await stream.send_all(data)

    return answer


async def failure_of(dialler, url, headers=()):
    with trio.fail_after(PATIENCE_S), pytest.raises(SimulationFailed) as caught:
        await dialler.dial(url, headers)
    return caught.value.kind, caught.value.message
