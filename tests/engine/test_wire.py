"""The two calls of a socket, plain or TLS: what they raise, and that a closed one touches no other's connection."""

import errno
import os
import socket
import struct

import pytest
import trio
from agent_end import URI, Owner, pair, settle
from tls_pair import VERSIONS, received, say_goodbye, secured_pair
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

from coval_load.engine.http_connection import HttpConnection
from coval_load.engine.link import Link
from coval_load.engine.outcome import ErrorKind
from coval_load.engine.wire import Socket

WAYS = {"plain": pair, **{version: lambda version=version: secured_pair(version) for version in VERSIONS}}


@pytest.fixture(params=WAYS)
def ends(request):
    """A wire and the agent's end of it."""
    ours, theirs = WAYS[request.param]()
    wire = Socket(ours)
    yield wire, theirs
    wire.close()
    theirs.close()


@pytest.fixture(params=VERSIONS)
def secured(request):
    """Likewise, with TLS."""
    ours, theirs = secured_pair(request.param)
    wire = Socket(ours)
    yield wire, theirs
    wire.close()
    theirs.close()


def test_bytes_go_both_ways(ends):
    wire, agent = ends
    assert wire.fileno() == wire.raw.fileno() >= 0
    assert (wire.send(b"to the agent"), wire.send(bytearray(b", ")), wire.send(memoryview(b"all"))) == (12, 2, 3)
    assert received(agent) == b"to the agent, all"
    agent.send(b"to the caller")
    assert wire.recv(6) + wire.recv(100) == b"to the caller"


def test_nothing_to_read_is_said_as_a_socket_says_it(ends):
    wire, _ = ends
    with pytest.raises((BlockingIOError, OSError)) as refused:
        wire.recv(10)
    assert isinstance(refused.value, BlockingIOError) or "did not complete" in str(refused.value)


def test_a_closed_one_neither_reads_nor_writes(ends):
    wire, _ = ends
    wire.close()
    assert wire.fileno() == -1
    for call in (lambda: wire.recv(10), lambda: wire.send(b"x"), lambda: wire.send(b"")):
        with pytest.raises(OSError, match="closed") as refused:
            call()
        assert refused.value.errno == errno.EBADF
        assert not isinstance(refused.value, BlockingIOError)
    wire.close()


@pytest.mark.parametrize("is_secured", [False, True])
def test_a_closed_one_touches_no_connection_that_has_its_number(ends, is_secured):
    """OpenSSL would go on with the number, and read what is another caller's."""
    wire, agent = ends
    agent.send(b"never read")
    number = wire.fileno()
    wire.close()
    ours, theirs = secured_pair() if is_secured else pair()
    taken = ours.fileno() == number or os.dup2(ours.fileno(), number)
    with ours, theirs:
        theirs.send(b"for the other alone")
        for call in (lambda: wire.recv(100), lambda: wire.send(b"stray")):
            with pytest.raises(OSError, match="closed"):
                call()
        assert received(ours) == b"for the other alone"
        ours.send(b"in order")
        assert received(theirs) == b"in order"
    if taken is not True:
        os.close(number)


def test_a_close_notify_is_the_end(secured):
    wire, agent = secured
    agent.send(b"last words")
    say_goodbye(agent)
    assert wire.recv(100) == b"last words"
    assert wire.recv(100) == wire.recv(100) == b""


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_record_leaves_nothing_that_no_selector_sees(reactor, version):
    """The longest record comes out at once, though no more bytes follow on the socket."""
    link, owner, agent = open_link(reactor, version)
    for size in (16_380, 2 * 16_384 - 4, 9_000):
        pending = memoryview(frame(bytes(size)))
        while pending:
            pending = pending[agent.send(pending[:16_384]) :]
            await settle()
        assert [len(payload) for payload, _ in owner.messages[-1:]] == [size]
    link.abort()
    agent.close()


def frame(payload, opcode=Opcode.BINARY):
    return Frame(opcode, payload).serialize(mask=False)


def open_link(reactor, version):
    ours, theirs = secured_pair(version)
    owner = Owner()
    protocol = ClientProtocol(URI, state=State.OPEN)
    link = Link(Socket(ours), protocol, reactor, on_message=owner.message, on_end=owner.ended, on_pong=owner.pong)
    link.start(trio.current_time())
    return link, owner, theirs


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("says_goodbye", [False, True])
async def test_a_link_that_is_cut_ends_without_an_errors_text(reactor, version, says_goodbye):
    link, owner, agent = open_link(reactor, version)
    agent.send(frame(b"hello") + frame(b"half of this")[:5])
    await settle()
    if says_goodbye:
        say_goodbye(agent)
    agent.close()
    await settle()
    assert owner.messages == [(b"hello", False)]
    failure = owner.end.failure
    assert (failure.kind, owner.end.clean, owner.end.close_code) == (ErrorKind.CONNECTION_CLOSED, False, None)
    assert "was dropped without a close frame: look for" in failure.message
    assert link.fileno() == -1


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_link_that_was_closed_by_its_frame_and_then_cut_ended_by_its_frame(reactor, version):
    link, owner, agent = open_link(reactor, version)
    agent.send(frame(struct.pack("!H", 1001) + b"later", Opcode.CLOSE))
    agent.close()
    await settle()
    assert (owner.end.close_code, owner.end.clean, owner.end.reason) == (1001, True, "later")
    link.abort()
    assert owner.told == ["end"]


@pytest.mark.parametrize("version", VERSIONS)
async def test_what_waits_for_a_slow_agent_comes_whole(reactor, version):
    link, owner, agent = open_link(reactor, version)
    texts = [b"%d." % number * 3_000 for number in range(20)]
    for text in texts:
        link.send_nowait(text, True)
    assert link._outbox
    came = b""
    while link._outbox:
        await settle()
        came += received(agent)
    await settle()
    came += received(agent)
    protocol = ServerProtocol(state=State.OPEN)
    protocol.receive_data(came)
    assert [bytes(frame.data) for frame in protocol.events_received()] == texts
    assert owner.ends == []
    link.abort()
    agent.close()


@pytest.mark.parametrize("version", VERSIONS)
async def test_bytes_that_are_no_tls_are_told_as_what_they_are(reactor, version):
    link, owner, agent = open_link(reactor, version)
    raw = socket.socket(fileno=agent.detach())
    raw.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await settle()
    assert owner.end.failure.kind is ErrorKind.CONNECTION_CLOSED
    assert "close frame (" in owner.end.failure.message
    assert link.fileno() == -1
    raw.close()


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("says_goodbye", [False, True])
async def test_an_answer_that_lasts_until_the_end_is_whole_when_cut(reactor, version, says_goodbye):
    """HTTP/1.0 and `Connection: close` without a length: as with a plain socket, however TLS ends (RFC 9112 9.8)."""
    ours, agent = secured_pair(version)
    connection = HttpConnection(("https", "agent.example", 443), Socket(ours), reactor, 0.0, lambda _: None)

    async def answer():
        await settle()
        assert b"POST /talk" in received(agent)
        agent.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\nhello")
        if says_goodbye:
            say_goodbye(agent)
        agent.close()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer)
        with trio.fail_after(5):
            answered = await connection.exchange("POST", "https://agent.example/talk", (), b"hi")
    assert (answered.status, answered.body) == (200, b"hello")
    assert connection.fileno() == -1
