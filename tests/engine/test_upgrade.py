"""The upgrade: what is asked, and what each answer is called."""

import ssl

import pytest
import trio
from agent_end import Owner
from dialled_agent import accept, agent, answering, failure_of
from websockets.datastructures import Headers
from websockets.http11 import Response

from coval_load.engine.connecting import Opener
from coval_load.engine.dialling import Dialler
from coval_load.engine.link import Link
from coval_load.engine.names import Resolver
from coval_load.engine.outcome import ErrorKind
from coval_load.engine.reactor import open_reactor


@pytest.fixture
def dialler():
    return Dialler(Opener(Resolver(), ssl.create_default_context()))


async def test_the_request_and_its_headers(dialler):
    async with agent(accept) as here:
        headers = [
            ("X-One", "1"),
            ("x-one", "2"),
            ("host", "elsewhere"),
            ("Authorization", "Bearer z"),
            ("User-Agent", "me"),
        ]
        wire, _ = await dialler.dial(f"ws://127.0.0.1:{here.port}", headers)
        wire.close()
        (request,) = here.requests
    sent = list(request.headers.raw_items())
    assert request.path == "/"
    names = [name.lower() for name, _ in sent]
    assert len(set(names)) == len(names)
    assert request.headers["X-One"] == "2"
    assert request.headers["Host"] == "elsewhere"
    assert request.headers["Authorization"] == "Bearer z"
    assert request.headers["Sec-WebSocket-Version"] == "13"


@pytest.mark.parametrize("chosen", ["chat.v1", None])
async def test_a_subprotocol_is_offered_and_held_to(dialler, chosen):
    async def choose(stream, protocol, request):
        response = protocol.accept(request)
        if chosen is not None:
            response.headers["Sec-WebSocket-Protocol"] = chosen
        protocol.send_response(response)
        await stream.send_all(b"".join(protocol.data_to_send()))
        await stream.receive_some()

    async with agent(choose) as here:
        offer = [("Sec-WebSocket-Protocol", "chat.v2, chat.v1")]
        wire, protocol = await dialler.dial(f"ws://127.0.0.1:{here.port}", offer)
        wire.close()
        (request,) = here.requests
    assert request.headers["Sec-WebSocket-Protocol"] == "chat.v2, chat.v1"
    assert protocol.subprotocol == chosen


async def test_a_subprotocol_that_was_not_offered_is_refused(dialler):
    async def choose(stream, protocol, request):
        response = protocol.accept(request)
        response.headers["Sec-WebSocket-Protocol"] = "other"
        protocol.send_response(response)
        await stream.send_all(b"".join(protocol.data_to_send()))
        await stream.receive_some()

    async with agent(choose) as here:
        offer = [("Sec-WebSocket-Protocol", "chat.v1")]
        kind, message = await failure_of(dialler, f"ws://127.0.0.1:{here.port}", offer)
    assert kind is ErrorKind.UPGRADE_REFUSED
    assert "other" in message


async def test_no_two_requests_have_the_same_key(dialler):
    async with agent(accept) as here:
        for _ in range(5):
            wire, _ = await dialler.dial(f"ws://127.0.0.1:{here.port}", ())
            wire.close()
        assert len({request.headers["Sec-WebSocket-Key"] for request in here.requests}) == 5
        assert {request.headers["Host"] for request in here.requests} == {f"127.0.0.1:{here.port}"}


async def test_an_answer_in_single_bytes_and_what_comes_behind_it(dialler):
    async def slowly(stream, protocol, request):
        protocol.send_response(protocol.accept(request))
        protocol.send_text(b"hello")
        for byte in b"".join(protocol.data_to_send()):
            await stream.send_all(bytes([byte]))
        await stream.receive_some()

    async with agent(slowly) as here, open_reactor() as reactor:
        wire, protocol = await dialler.dial(f"ws://127.0.0.1:{here.port}", ())
        owner = Owner()
        link = Link(wire, protocol, reactor, owner.message, owner.ended, owner.pong)
        link.start(trio.current_time())
        while not owner.messages:
            await trio.lowlevel.checkpoint()
        assert owner.messages == [(b"hello", True)]
        link.abort()


def http(status, *headers, body=b""):
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


DENIED = ErrorKind.AUTHENTICATION_FAILED
REFUSED = ErrorKind.UPGRADE_REFUSED


@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        (http("401 Who"), DENIED, ["Authentication failed", "401 Unauthorized", "authorization_header"]),
        (http("403 No", body=b"not you"), DENIED, ["Authentication failed", "403 Forbidden", "not you"]),
        (http("429 Slow"), ErrorKind.RATE_LIMITED, ["429 Too Many Requests", "lower the concurrency"]),
        (http("500 Oops", body=b"x" * 1000), REFUSED, ["500 Internal Server Error", "x" * 200]),
        (http("302 Found", "Location: wss://there/"), REFUSED, ["302 Found", "points to wss://there/"]),
        (http("200 OK", body="grüß".encode() + b"\xff"), REFUSED, ["200 OK", "grüß"]),
        (http("404 Gone"), REFUSED, ["404 Not Found", "the endpoint's path"]),
        (http("599 Hm"), REFUSED, ["got 599"]),
        (b"HTTP/1.1 503 Busy\r\n\r\nuntil the end", REFUSED, ["503", "until the end"]),
        (b"SSH-2.0-OpenSSH_9.6\r\n", REFUSED, ["valid HTTP response"]),
        (bytes(range(256)) * 100, REFUSED, ["expected a WebSocket upgrade"]),
        (b"", REFUSED, ["closed the connection without an answer"]),
        (b"HTTP/1.1 101 Switch", REFUSED, ["closed the connection"]),
        (http("101 Switching Protocols"), REFUSED, ["Connection"]),
        (
            http("101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Accept: bm8="),
            ErrorKind.UPGRADE_REFUSED,
            ["Sec-WebSocket-Accept"],
        ),
    ],
)  # fmt: skip
async def test_any_other_answer_has_its_name(dialler, answer, kind, said):
    async with agent(answering(answer)) as here:
        got, message = await failure_of(dialler, f"ws://127.0.0.1:{here.port}/talk")
    assert got is kind
    for words in said:
        assert words in message
    assert len(message) < 500


async def test_a_refusal_of_no_stated_length_on_a_connection_kept_open(dialler):
    async def keep_open(stream, protocol, request):
        await stream.send_all(b"HTTP/1.1 401 Who\r\nServer: mine\r\n\r\n")
        await stream.receive_some()

    async with agent(keep_open) as here:
        got, message = await failure_of(dialler, f"ws://127.0.0.1:{here.port}/talk")
    assert got is DENIED
    assert "401 Unauthorized" in message


def chunked(count):
    return b"HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n" + b"4\r\nno! \r\n" * count


@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        (chunked(200_000), DENIED, ["403 Forbidden", "no! "]),
        (http("401 Who", body=b"x" * 3_000_000), DENIED, ["401 Unauthorized", "xxx"]),
        (b"HTTP/1.1 401 Who\r\nContent-Length: 999999999999\r\n\r\nwho", DENIED, ["401 Unauthorized", "who"]),
        (b"HTTP/1.1 429 Slow\r\nContent-Length: 10\r\n\r\nslow", ErrorKind.RATE_LIMITED, ["429", "slow"]),
        (b"HTTP/1.1 500 Oops\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", REFUSED, ["500 Internal"]),
        (b"HTTP/1.0 403 No\r\n\r\nold", DENIED, ["403 Forbidden", "old"]),
        (http("302 Found", "Location: wss://one/", "Location: wss://two/"), REFUSED, ["points to wss://one/"]),
        (b"HTTP/1.1 101 Switch\r\n" + b"X-Much: more\r\n" * 100_000, REFUSED, ["valid HTTP response"]),
    ],
)  # fmt: skip
async def test_a_refusal_has_its_name_however_long_it_is(dialler, answer, kind, said):
    async with agent(answering(answer)) as here:
        with trio.fail_after(1):  # reading the first to its end took half a minute
            got, message = await failure_of(dialler, f"ws://127.0.0.1:{here.port}/talk")
    assert got is kind
    for words in said:
        assert words in message
    assert len(message) < 500


async def test_a_secret_query_is_in_no_message(dialler):
    async with agent(answering(http("403 No"))) as here:
        _, message = await failure_of(dialler, f"ws://127.0.0.1:{here.port}/talk?token=s3cret")
    assert "s3cret" not in message


async def test_an_upgrade_that_is_never_answered_can_be_left(dialler):
    async def never(stream, protocol, request):
        left.cancel()
        await stream.receive_some()

    async with agent(never) as here:
        with trio.CancelScope() as left:
            await dialler.dial(f"ws://127.0.0.1:{here.port}", ())
        assert left.cancelled_caught


async def test_an_extension_nobody_asked_for_is_refused(dialler):
    async def deflate(stream, protocol, request):
        response = protocol.accept(request)
        response.headers["Sec-WebSocket-Extensions"] = "permessage-deflate"
        await stream.send_all(Response(101, "", Headers(response.headers)).serialize())

    async with agent(deflate) as here:
        kind, message = await failure_of(dialler, f"ws://127.0.0.1:{here.port}")
    assert kind is ErrorKind.UPGRADE_REFUSED
    assert "extensions" in message
