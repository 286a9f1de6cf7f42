import socket
import ssl
import struct

import pytest
import trio
import trustme
from agent_end import Owner
from dialled_agent import PATIENCE_S, accept, agent, failure_of, listen, wait

from coval_load.engine.connecting import Opener
from coval_load.engine.deadlines import within
from coval_load.engine.dialling import Dialler
from coval_load.engine.link import Link
from coval_load.engine.names import Resolver
from coval_load.engine.outcome import ErrorKind, SimulationFailed
from coval_load.engine.reactor import open_reactor


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def agents_tls(authority):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    return context


@pytest.fixture(scope="module")
def our_tls(authority):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture
def dialler(our_tls):
    return Dialler(Opener(Resolver(), our_tls))


@pytest.fixture
def deaf():
    """A listener whose queue is full: who dials it waits."""
    with socket.socket() as listener, socket.socket() as first:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        first.connect(listener.getsockname())
        with socket.socket() as second:
            second.setblocking(False)
            second.connect_ex(listener.getsockname())
            yield listener.getsockname()[1]


def free_port(ip="127.0.0.1"):
    with socket.socket() as taken:
        taken.bind((ip, 0))
        return taken.getsockname()[1]


# Getting there


async def test_refused(dialler):
    port = free_port()
    kind, message = await failure_of(dialler, f"ws://127.0.0.1:{port}/")
    assert kind is ErrorKind.CONNECTION_REFUSED
    assert message.startswith("Connection refused: ")
    assert f"127.0.0.1 port {port}" in message


async def test_a_name_that_nobody_has(dialler):
    kind, message = await failure_of(dialler, "wss://nobody.invalid/talk")
    assert kind is ErrorKind.DNS_FAILED
    assert "nobody.invalid" in message


async def test_a_private_address_is_refused_after_resolution(our_tls):
    """`localhost` is the name here; what counts is where it leads."""
    async with agent(accept) as here:
        dialler = Dialler(Opener(Resolver(lambda ip: ip in ("127.0.0.1", "::1")), our_tls))
        for host in ("localhost", "127.0.0.1"):
            kind, message = await failure_of(dialler, f"ws://{host}:{here.port}/")
            assert kind is ErrorKind.DNS_FAILED
            assert "private" in message
            assert "targets.allow_private" in message
        assert here.requests == []


async def test_nobody_takes_the_call_in_time(dialler, deaf, autojump_clock):
    started_at = trio.current_time()
    with pytest.raises(TimeoutError, match="too slow"), within(10, lambda: TimeoutError("too slow")):
        await dialler.dial(f"ws://127.0.0.1:{deaf}/", ())
    assert trio.current_time() - started_at == pytest.approx(10)


class Names(trio.abc.HostnameResolver):
    """Several addresses for every name."""

    def __init__(self, *ips):
        self.ips = ips

    async def getaddrinfo(self, host, port, family=0, type=0, proto=0, flags=0):  # noqa: A002
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in self.ips]

    async def getnameinfo(self, sockaddr, flags):
        raise NotImplementedError


async def test_the_next_address_is_tried(our_tls):
    async with agent(accept) as here:
        trio.socket.set_custom_hostname_resolver(Names("127.0.0.9", "127.0.0.1"))
        wire, _ = await Dialler(Opener(Resolver(), our_tls)).dial(f"ws://agent.example:{here.port}/", ())
        wire.close()
        assert len(here.requests) == 1


async def test_where_all_refuse_the_last_is_told(our_tls):
    trio.socket.set_custom_hostname_resolver(Names("127.0.0.9", "127.0.0.8"))
    kind, message = await failure_of(Dialler(Opener(Resolver(), our_tls)), f"ws://agent.example:{free_port()}/")
    assert kind is ErrorKind.CONNECTION_REFUSED
    assert "127.0.0.8" in message


async def test_an_address_that_does_not_answer_leaves_time_for_the_next(our_tls, deaf, autojump_clock):
    trio.socket.set_custom_hostname_resolver(Names("127.0.0.1", "127.0.0.9"))
    with trio.fail_after(10):
        kind, message = await failure_of(Dialler(Opener(Resolver(), our_tls)), f"ws://agent.example:{deaf}/")
    assert trio.current_time() == pytest.approx(5)
    assert kind is ErrorKind.CONNECTION_REFUSED
    assert "127.0.0.9" in message


# TLS


async def test_tls_with_an_authority_that_is_trusted(dialler, agents_tls):
    """And frames of every size get through it, both ways, whole."""
    async with agent(accept, agents_tls) as here, open_reactor() as reactor:
        wire, protocol = await dialler.dial(f"wss://localhost:{here.port}/talk?to=me", ())
        owner = Owner()
        link = Link(wire, protocol, reactor, owner.message, owner.ended, owner.pong)
        link.start(trio.current_time())
        sizes = [0, 1, 125, 126, 16_383, 16_384, 16_385, 65_536, 200_000]
        for size in sizes:
            link.send_nowait(bytes(size), False)
            link.ping(trio.current_time())
        while len(owner.messages) < len(sizes):
            await trio.lowlevel.checkpoint()
            assert owner.ends == []
        assert [len(payload) for payload, _ in owner.messages] == sizes
        await link.close()
        assert owner.end.close_code == 1000
        assert here.requests[0].path == "/talk?to=me"


async def test_nothing_is_written_to_tls_that_was_closed(dialler, agents_tls):
    async with agent(accept, agents_tls) as here, open_reactor() as reactor:
        wire, protocol = await dialler.dial(f"wss://localhost:{here.port}/", ())
        owner = Owner()
        link = Link(wire, protocol, reactor, owner.message, owner.ended, owner.pong)
        link.start(trio.current_time())
        link.abort()
        link.send_nowait(b"x", False)
        link.ping(0.0)
        link.hang_up()
        await link.close()
        assert owner.told == []


async def test_tls_with_an_authority_nobody_knows(agents_tls):
    async with agent(accept, agents_tls) as here:
        dialler = Dialler(Opener(Resolver(), ssl.create_default_context()))
        kind, message = await failure_of(dialler, f"wss://localhost:{here.port}/")
    assert kind is ErrorKind.TLS_FAILED
    assert "unable to get local issuer certificate" in message
    assert "tls.ca_file in the plan (or give --ca-file)" in message
    assert here.requests == []


async def test_tls_under_another_name(dialler, agents_tls):
    async with agent(accept, agents_tls) as here:
        kind, message = await failure_of(dialler, f"wss://127.0.0.1:{here.port}/")
    assert kind is ErrorKind.TLS_FAILED
    assert "IP address mismatch" in message


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"", b"\x16\x03\x03"])
async def test_plain_behind_wss(dialler, answer):
    async def plain(stream):
        await stream.receive_some()
        if answer:
            await stream.send_all(answer)
        await stream.aclose()

    with trio.fail_after(PATIENCE_S):
        async with trio.open_nursery() as nursery:
            port = await listen(nursery, plain)
            kind, message = await failure_of(dialler, f"wss://localhost:{port}/")
            nursery.cancel_scope.cancel()
    assert kind is ErrorKind.TLS_FAILED
    assert "check that the port speaks TLS" in message


async def test_reset_at_any_time_before_tls_is_a_failure_of_tls(dialler):
    """The reset may come before the handshake has begun: that moment has an error of its own in Python."""

    async def reset(stream):
        await stream.send_all(b"go away")
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await stream.aclose()

    with trio.fail_after(PATIENCE_S):
        async with trio.open_nursery() as nursery:
            port = await listen(nursery, reset)
            for _ in range(40):
                kind, _ = await failure_of(dialler, f"wss://localhost:{port}/")
                assert kind is ErrorKind.TLS_FAILED
            nursery.cancel_scope.cancel()


def test_reset_just_before_tls(dialler):
    ours = socket.socket()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        ours.connect(listener.getsockname())
        theirs, _ = listener.accept()
        theirs.send(b"go away")
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        theirs.close()
    with ours, pytest.raises(SimulationFailed) as caught:
        trio.run(dialler.opener._secure, ours, "localhost", "")
    assert caught.value.kind is ErrorKind.TLS_FAILED


async def test_tls_that_never_answers_can_be_left(dialler, autojump_clock):
    async with trio.open_nursery() as nursery:
        port = await listen(nursery, wait)
        with pytest.raises(TimeoutError), within(10, TimeoutError):
            await dialler.dial(f"wss://localhost:{port}/", ())
        nursery.cancel_scope.cancel()


async def test_many_shake_hands_at_once(dialler, agents_tls):
    async with agent(accept, agents_tls) as here:
        wires = []

        async def one():
            wire, _ = await dialler.dial(f"wss://localhost:{here.port}/", ())
            wires.append(wire)

        async with trio.open_nursery() as nursery:
            for _ in range(30):
                nursery.start_soon(one)
        assert len(wires) == 30
        for wire in wires:
            wire.close()
