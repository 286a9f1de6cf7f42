"""The request before the WebSocket, against a server on the loopback, and the connector that fills it."""

import gzip
import json
import ssl
import tracemalloc
import zlib
from contextlib import asynccontextmanager, suppress
from functools import partial

import attrs
import h11
import outcome
import pytest
import trio

from coval_load.actors.http_first import SessionRequest, ask_for_url
from coval_load.actors.http_setup import MAX_ANSWER_BYTES
from coval_load.agents.addresses import Targets, check_url, is_private
from coval_load.engine.connecting import Opener
from coval_load.engine.http_pool import open_pool
from coval_load.engine.names import Resolver
from coval_load.engine.outcome import ErrorKind, SimulationFailed
from coval_load.engine.reactor import open_reactor

GOOD = json.dumps({"session": {"urls": ["wss://agent.example/s/1"]}, "count": 3}).encode()


@attrs.define
class Server:
    """What it was asked, and what it answers: bytes from the status line on."""

    answer: bytes
    url: str = ""
    requests: list = attrs.field(factory=list)

    async def take(self, stream):
        connection, body = h11.Connection(h11.SERVER), b""
        async with stream:
            while True:
                event = connection.next_event()
                if event is h11.NEED_DATA:
                    connection.receive_data(await stream.receive_some())
                elif isinstance(event, h11.Request):
                    request = event
                elif isinstance(event, h11.Data):
                    body += bytes(event.data)
                else:
                    break
            headers = [(name.decode(), value.decode()) for name, value in request.headers]
            self.requests.append((request.method.decode(), request.target.decode(), headers, body))
            with suppress(trio.BrokenResourceError):  # who asked may have heard enough
                await stream.send_all(self.answer)


def http(status, body=b"", *headers):
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


@asynccontextmanager
async def answering(answer):
    server = Server(answer)
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            (listener, *_) = await nursery.start(partial(trio.serve_tcp, server.take, 0, host="127.0.0.1"))
            server.url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}/start"
            yield server
            nursery.cancel_scope.cancel()


@asynccontextmanager
async def pool_of(resolver):
    opener = Opener(resolver, ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    async with open_reactor() as reactor, open_pool(reactor, opener) as pool:
        yield pool


async def ask(url, *, method="POST", headers=None, body=None, path="session.urls.0", resolver=None, targets=None):
    request = SessionRequest(method, url, headers or {}, body, path)
    wrong_with = partial(check_url, purpose="websocket", targets=targets or Targets())
    async with pool_of(resolver or Resolver()) as pool:
        came = await outcome.acapture(ask_for_url, pool, request, wrong_with)
    return came.unwrap()  # out here, where no nursery makes a group of it


async def failure_of(answer, **request):
    async with answering(answer) as server:
        with pytest.raises(SimulationFailed) as caught:
            await ask(server.url + "?token=s3cret", **request)
    assert "s3cret" not in caught.value.message
    assert len(caught.value.message) < 600
    return caught.value.kind, caught.value.message


async def test_the_url_at_the_path():
    async with answering(http("200 OK", GOOD)) as server:
        url = await ask(server.url + "?a=b", headers={"X-Key": "k"}, body={"grüße": [1, None]})
    assert url == "wss://agent.example/s/1"
    ((method, target, headers, body),) = server.requests
    assert (method, target, json.loads(body)) == ("POST", "/start?a=b", {"grüße": [1, None]})
    assert dict(headers)["x-key"] == "k"
    assert [value for name, value in headers if name == "content-type"] == ["application/json"]


async def test_headers_of_ones_own_stand():
    async with answering(http("201 Created", GOOD)) as server:
        await ask(server.url, headers={"content-TYPE": "application/vnd.x+json"}, body={})
    ((_, _, headers, _),) = server.requests
    assert [value for name, value in headers if name == "content-type"] == ["application/vnd.x+json"]


async def test_no_body_where_there_is_none():
    async with answering(http("200 OK", GOOD)) as server:
        await ask(server.url, method="GET")
    ((method, _, headers, body),) = server.requests
    assert (method, body) == ("GET", b"")
    assert not {"content-type", "content-length"} & {name for name, _ in headers}


async def test_an_answer_in_chunks():
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in GOOD) + b"0\r\n\r\n"
    async with answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks) as server:
        assert await ask(server.url) == "wss://agent.example/s/1"


async def test_no_caller_is_sent_with_the_cookies_of_another():
    async with answering(http("200 OK", GOOD, "Set-Cookie: session=1; Path=/")) as server, pool_of(Resolver()) as pool:
        request = SessionRequest("POST", server.url, {"Cookie": "own=1"}, None, "session.urls.0")
        for _ in range(2):
            await ask_for_url(pool, request, lambda url: None)
    sent = [[value for name, value in headers if name == "cookie"] for _, _, headers, _ in server.requests]
    assert sent == [["own=1"], ["own=1"]]


SETUP, DENIED = ErrorKind.SETUP_FAILED, ErrorKind.AUTHENTICATION_FAILED


@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        (http("401 No", b"who?"), DENIED, ["Authentication failed", "401", "who?", "http_headers"]),
        (http("403 No"), DENIED, ["Authentication failed", "403"]),
        (http("429 Slow"), ErrorKind.RATE_LIMITED, ["429", "lower the concurrency"]),
        (http("302 Found", b"", "Location: https://b.example/"), SETUP, ["302", "redirects are not followed"]),
        (http("500 Oops", b"<html>" + b"x" * 5_000), SETUP, ["500", "<html>"]),
        (http("404 Not Found"), SETUP, ["expected status 2xx", "404"]),
        (http("200 OK", b"<html>"), SETUP, ["expected JSON", "<html>"]),
        (http("204 No Content"), SETUP, ["expected JSON"]),
        (http("200 OK", b'{"session": {}}'), SETUP, ["session.urls.0", "websocket_url_response_path"]),
        (http("200 OK", b'{"session": {"urls": [7]}}'), SETUP, ["expected text", "got int"]),
        (http("200 OK", b'{"session": {"urls": [null]}}'), SETUP, ["expected text", "got NoneType"]),
        (http("200 OK", b"\xff\xfe" * 500), SETUP, ["expected JSON"]),
        (b"", SETUP, ["expected an answer", "closed by the agent without an answer"]),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", SETUP, ["expected an answer"]),
        (b"SSH-2.0\r\n\r\n", SETUP, ["expected an answer", "expected an HTTP/1.1 answer", "SSH-2.0"]),
    ],
)
async def test_any_other_answer_has_its_name(answer, kind, said):
    got, message = await failure_of(answer)
    assert got is kind
    for words in said:
        assert words in message


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
async def test_a_compressed_answer(pack):
    async with answering(http("200 OK", pack(GOOD), "Content-Encoding: gzip")) as server:
        assert await ask(server.url) == "wss://agent.example/s/1"
    ((_, _, headers, _),) = server.requests
    assert [value for name, value in headers if name == "accept-encoding"] == ["gzip"]


@pytest.mark.parametrize("encoding", ["gzip", "br", "gzip, gzip"])
async def test_an_answer_that_is_not_compressed_as_it_says(encoding):
    kind, message = await failure_of(http("200 OK", b"not gzip", f"Content-Encoding: {encoding}"))
    assert kind is SETUP
    assert "expected an answer" in message


async def test_a_compressed_answer_is_unpacked_no_further_than_it_may_be_long():
    bomb = gzip.compress(bytes(100_000_000))
    tracemalloc.start()
    try:
        kind, message = await failure_of(http("200 OK", bomb, "Content-Encoding: gzip"))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kind is SETUP
    assert str(MAX_ANSWER_BYTES) in message
    assert peak < 10_000_000


async def test_an_answer_that_is_too_long():
    kind, message = await failure_of(http("200 OK", b" " * MAX_ANSWER_BYTES + GOOD))
    assert kind is SETUP
    assert str(MAX_ANSWER_BYTES) in message
    async with answering(http("200 OK", GOOD + b" " * (MAX_ANSWER_BYTES - len(GOOD)))) as server:
        assert await ask(server.url) == "wss://agent.example/s/1"


@pytest.mark.parametrize(
    "url", ["wss://10.0.0.1/s", "wss://localhost/s", "ws://agent.example/s", "https://agent.example", "wss://[::1]", ""]
)
async def test_a_url_that_may_not_be_dialled(url):
    kind, message = await failure_of(http("200 OK", json.dumps({"session": {"urls": [url]}}).encode()))
    assert kind is SETUP
    assert "can't be dialled" in message


async def test_what_the_plan_permits_may_be_dialled():
    answer = http("200 OK", b'{"url": "ws://127.0.0.1:9/s"}')
    async with answering(answer) as server:
        assert await ask(server.url, path="url", targets=Targets(True, True)) == "ws://127.0.0.1:9/s"


async def test_a_private_set_up_endpoint_is_not_asked():
    async with answering(http("200 OK", GOOD)) as server:
        with pytest.raises(SimulationFailed, match="private") as caught:
            await ask(server.url, resolver=Resolver(is_private))
    assert caught.value.kind is SETUP
    assert server.requests == []


@pytest.mark.parametrize(
    ("url", "said"), [("http://127.0.0.1:1/", "Connection refused"), ("http://nobody.invalid/", "nobody.invalid")]
)
async def test_nobody_is_there(url, said):
    with trio.fail_after(10), pytest.raises(SimulationFailed, match=said) as caught:
        await ask(url)
    assert caught.value.kind is SETUP


async def test_that_this_machine_has_run_out_of_something_is_no_fault_of_the_agent():
    class Exhausted:
        async def resolve(self, host, port):
            raise SimulationFailed(ErrorKind.INTERNAL, "out of descriptors")

    with pytest.raises(SimulationFailed, match="out of descriptors") as caught:
        await ask("https://agent.example/start", resolver=Exhausted())
    assert caught.value.kind is ErrorKind.INTERNAL
