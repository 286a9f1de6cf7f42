"""Requests by way of the pool, over TLS, and what keeps a connection from being opened."""

import errno
import os
import socket
import ssl
from contextlib import asynccontextmanager
from functools import partial

import attrs
import outcome
import pytest
import trio
import trustme
from http_end import PATIENCE_S, answer

from coval_load.engine import connecting
from coval_load.engine.connecting import Opener
from coval_load.engine.http_connection import StaleConnection
from coval_load.engine.http_pool import HttpPool, open_pool
from coval_load.engine.names import Resolver
from coval_load.engine.outcome import ErrorKind, SimulationFailed
from coval_load.engine.reactor import open_reactor


@attrs.define
class Server:
    """Answers each request of a connection by what `replies` say in order, and hangs up where they end."""

    replies: list
    url: str = ""
    requests: int = 0
    heads: list = attrs.field(factory=list)
    connections: int = 0
    open: int = 0

    async def take(self, stream):
        self.connections += 1
        self.open += 1
        try:
            while b"\r\n\r\n" in (request := await stream.receive_some()):
                self.requests += 1
                self.heads.append(bytes(request))
                if not self.replies:
                    break
                await stream.send_all(self.replies.pop(0))
        except trio.BrokenResourceError:
            pass
        finally:
            self.open -= 1
            await trio.aclose_forcefully(stream)

    async def until_all_left(self):
        while self.open:
            await trio.lowlevel.checkpoint()


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def our_tls(authority):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture
def serving(authority, our_tls):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)

    @asynccontextmanager
    async def serving(*replies):
        server = Server(list(replies))

        async def take(stream):
            await server.take(trio.SSLStream(stream, context, server_side=True, https_compatible=True))

        with trio.fail_after(PATIENCE_S):
            async with trio.open_nursery() as nursery:
                (listener, *_) = await nursery.start(partial(trio.serve_tcp, take, 0, host="127.0.0.1"))
                server.url = f"https://localhost:{listener.socket.getsockname()[1]}/chat"
                async with open_reactor() as reactor, open_pool(reactor, Opener(Resolver(), our_tls)) as pool:
                    yield server, pool
                nursery.cancel_scope.cancel()

    return serving


async def test_requests_share_a_connection(serving):
    async with serving(*[answer(b"%d" % number) for number in range(5)]) as (server, pool):
        for number in range(5):
            assert (await pool.ask("POST", server.url, [("A", "b")], b"{}")).body == b"%d" % number
        assert (server.connections, server.requests) == (1, 5)


async def test_as_many_connections_as_requests_at_once(serving):
    async with serving(*[answer(b"x")] * 60) as (server, pool):
        for _ in range(2):
            async with trio.open_nursery() as nursery:
                for _ in range(30):
                    nursery.start_soon(pool.ask, "POST", server.url, (), b"{}")
        assert (server.connections, server.requests) == (30, 60)


async def test_a_stale_connection_is_tried_once_more(serving):
    """The server reads the second request and hangs up, as one does that closes it while the request is on its way."""
    async with serving(answer(b"1")) as (server, pool):
        assert (await pool.ask("POST", server.url, iter([("A", "b")]), b"{}")).body == b"1"
        server.replies = _Late([answer(b"2")])
        assert (await pool.ask("POST", server.url, iter([("A", "b")]), b"{}")).body == b"2"
        assert (server.connections, server.requests) == (2, 3)
        assert len(set(server.heads)) == 1
        assert b"A: b\r\n" in server.heads[0]
        assert (await pool.ask("POST", server.url, (), b"{}")).body == b"3"
        assert server.connections == 2


class _Late(list):
    """Replies that are there from the second request on."""

    asked = 0

    def __bool__(self):
        self.asked += 1
        return self.asked > 1

    def pop(self, _):
        return answer(b"%d" % self.asked)


async def test_but_no_more_than_once(serving):
    async with serving(answer(b"1")) as (server, pool):
        await pool.ask("POST", server.url, (), b"{}")
        with pytest.raises(SimulationFailed) as caught:
            await pool.ask("POST", server.url, (), b"{}")
        assert not isinstance(caught.value, StaleConnection)
        assert caught.value.kind is ErrorKind.CONNECTION_CLOSED
        assert (server.connections, server.requests) == (2, 3)


async def test_who_no_longer_waits_leaves_no_connection_behind(serving):
    async with serving(b"HTTP/1.1 200 OK\r\n", answer(b"2")) as (server, pool):
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(pool.ask, "POST", server.url, (), b"{}")
                while not server.requests:
                    await trio.lowlevel.checkpoint()
                scope.cancel()
        await server.until_all_left()
        assert (await pool.ask("POST", server.url, (), b"{}")).body == b"2"
        assert server.connections == 2


async def test_the_bound_and_the_callbacks_are_passed_on(serving):
    heads, pieces = [], []
    async with serving(answer(b"12345"), answer(b"123456")) as (server, pool):
        ask = partial(pool.ask, "GET", server.url, (), None, most_bytes=5)
        await ask(on_head=heads.append, on_body=lambda data, at: pieces.append(data))
        with pytest.raises(SimulationFailed, match="at most 5 bytes"):
            await ask()
    assert [head.status for head in heads] == [200]
    assert pieces == [b"12345"]


# What keeps one from being opened


async def failure_of(url, tls=None, resolver=None):
    opener = Opener(resolver or Resolver(), tls or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    with trio.fail_after(PATIENCE_S):
        async with open_reactor() as reactor:
            came = await outcome.acapture(HttpPool(reactor, opener).connect, url)
    with pytest.raises(SimulationFailed) as caught:
        came.unwrap()
    return caught.value.kind, caught.value.message


async def test_nobody_listens():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        kind, message = await failure_of(f"https://127.0.0.1:{port}/")
    assert kind is ErrorKind.CONNECTION_REFUSED
    assert message.startswith("Connection refused")
    assert f"127.0.0.1 port {port}" in message


async def test_nobody_has_the_name():
    kind, _ = await failure_of("https://nobody.invalid/")
    assert kind is ErrorKind.DNS_FAILED


async def test_plain_text_behind_https():
    async def plain(stream):
        await stream.receive_some()
        await stream.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with trio.open_nursery() as nursery:
        (listener, *_) = await nursery.start(partial(trio.serve_tcp, plain, 0, host="127.0.0.1"))
        kind, message = await failure_of(f"https://127.0.0.1:{listener.socket.getsockname()[1]}/")
        nursery.cancel_scope.cancel()
    assert kind is ErrorKind.TLS_FAILED
    assert "check that the port speaks TLS" in message
    assert "set targets.allow_plaintext: true in the plan (or give --allow-plaintext)" in message
    assert "targets.allow_plaintext" in message
    assert "http://" in message


@pytest.mark.parametrize(
    ("code", "kind", "said"),
    [
        (errno.ETIMEDOUT, ErrorKind.CONNECT_TIMEOUT, "Timeout connecting to 127.0.0.1 port 9"),
        (errno.EMFILE, ErrorKind.INTERNAL, "ulimit -n"),
        (errno.ENETUNREACH, ErrorKind.CONNECTION_REFUSED, "Connection refused"),
    ],
)
async def test_what_the_system_says(monkeypatch, code, kind, said):
    async def fail(address):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(connecting, "_connect_to", fail)
    got, message = await failure_of("http://127.0.0.1:9/")
    assert got is kind
    assert said in message
    assert "WebSocket" not in message
