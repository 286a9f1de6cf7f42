"""One connection, exchange after exchange, and each way it can end; on a real socket, in both ways of reading."""

import gc
import weakref

import outcome
import pytest
import trio
from http_end import ADDED, PATIENCE_S, URL, answer, connect
from trio.testing import wait_all_tasks_blocked

from coval_load.engine.http_connection import StaleConnection
from coval_load.engine.outcome import ErrorKind, SimulationFailed

CLOSED = ErrorKind.CONNECTION_CLOSED


@pytest.fixture
async def end(reactor):
    end = connect(reactor)
    with trio.fail_after(PATIENCE_S):
        yield end
    end.connection.close()
    await end.stream.aclose()


@pytest.fixture
async def other(reactor):
    """Another connection on the same reactor, which must notice nothing."""
    other = connect(reactor)
    yield other
    assert other.connection.is_open
    other.connection.close()
    await other.stream.aclose()


def post(end, body=b"{}", headers=(), url=URL, **options):
    return end.connection.exchange("POST", url, headers, body, **options)


async def exchange(end, agent, *arguments, **options):
    """What came of it, with `agent(end)` at the other end."""
    came = []

    async def ask():
        came.append(await outcome.acapture(post, end, *arguments, **options))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        await agent(end)
    return came[0]


def answering(data):
    async def agent(end):
        await end.take(data)

    return agent


async def failure_of(end, agent, **options):
    with pytest.raises(SimulationFailed) as caught:
        (await exchange(end, agent, **options)).unwrap()
    assert not end.connection.is_open
    assert end.closed == [end.connection]
    return caught.value.kind, caught.value.message


# What is asked


@pytest.mark.parametrize(
    ("method", "url", "headers", "body", "sent"),
    [
        ("POST", URL, (("X-A", "1"), ("x-a", "2")), b"{}", "/chat|X-A: 1\r\nx-a: 2\r\n+Content-Length: 2\r\n|{}"),
        ("GET", "https://agent.example:8443", (), None, "/|+|"),
        ("POST", "https://agent.example?a=b%20c", (), None, "/?a=b%20c|+Content-Length: 0\r\n|"),
        ("PUT", "https://agent.example/a//b/?", (), b"", "/a//b/|+Content-Length: 0\r\n|"),
    ],
)
async def test_the_request(end, method, url, headers, body, sent):
    target, lines, content = sent.split("|")
    host = url.split("/")[2].split("?")[0]
    expected = f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n{lines.replace('+', ADDED)}\r\n{content}".encode()
    asked = []

    async def agent():
        asked.append(await end.take(answer()))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(agent)
        got = await end.connection.exchange(method, url, headers, body)
    assert asked == [expected]
    assert got.bytes_sent == len(expected)


async def test_headers_of_ones_own_stand(end):
    own = (("host", "elsewhere"), ("accept-ENCODING", "identity"), ("User-Agent", "me"))
    asked = []

    async def agent(end):
        asked.append(await end.take(answer()))

    (await exchange(end, agent, b"x", own)).unwrap()
    lines = b"host: elsewhere\r\naccept-ENCODING: identity\r\nUser-Agent: me\r\nContent-Length: 1\r\n\r\nx"
    assert asked == [b"POST /chat HTTP/1.1\r\n" + lines]


async def test_a_request_longer_than_the_kernel_takes(end, other):
    body, began_at = bytes(range(256)) * 40_000, trio.current_time()
    read_at = []

    async def agent(end):
        await wait_all_tasks_blocked()
        assert end.connection.is_busy
        read_at.append(trio.current_time())
        assert (await end.take(answer(b"thanks"))).endswith(body)

    got = (await exchange(end, agent, body)).unwrap()
    assert got.body == b"thanks"
    assert began_at < read_at[0] < got.sent_at <= got.head_at
    assert end.connection.is_open
    await wait_all_tasks_blocked()  # nobody waits for the kernel to take more
    got = (await exchange(end, answering(answer(b"again")))).unwrap()
    assert got.body == b"again"


# What is answered


async def test_one_answer_after_the_other(end):
    for number in range(3):
        before = trio.current_time()
        data = answer(b"%d" % number, f"X-Number: {number}")
        got = (await exchange(end, answering(data))).unwrap()
        assert (got.status, got.headers["x-number"], got.body) == (200, str(number), b"%d" % number)
        assert before <= got.sent_at <= got.head_at <= got.ended_at <= trio.current_time()
        assert got.bytes_received == len(data)
    assert end.connection.is_open
    assert not end.connection.is_busy


async def test_a_stream_is_told_as_it_comes(end):
    told, go_on = [], trio.Event()

    def on_body(data, at):
        told.append((data, at))
        go_on.set()

    async def agent(end):
        nonlocal go_on
        await end.take(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for number in range(3):
            await end.send(b"3\r\n<%d>\r\n" % number)
            await go_on.wait()
            go_on = trio.Event()
        await end.send(b"0\r\n\r\n")

    heads = []
    got = (await exchange(end, agent, on_head=heads.append, on_body=on_body)).unwrap()
    assert [data for data, _ in told] == [b"<0>", b"<1>", b"<2>"]
    stamps = [got.sent_at, got.head_at, *(at for _, at in told), got.ended_at]
    assert stamps == sorted(stamps)
    assert len(set(stamps[2:])) == 4
    assert heads == [got]
    assert got.body == b""


async def test_interim_answers_and_refusals(end):
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    got = (await exchange(end, answering(early + answer(b"no", status="503 Busy")))).unwrap()
    assert (got.status, got.body) == (503, b"no")
    assert "link" not in got.headers
    got = (await exchange(end, answering(answer(b"", "Location: https://b.example/", status="302 Found")))).unwrap()
    assert (got.status, got.headers["location"]) == (302, "https://b.example/")
    assert end.connection.is_open


async def test_a_head_has_no_body(end):
    async with trio.open_nursery() as nursery:
        nursery.start_soon(end.take, b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
        got = await end.connection.exchange("HEAD", URL, (), None)
    assert (got.status, got.body) == (200, b"")


@pytest.mark.parametrize(
    "data",
    [
        answer(b"last", "Connection: close"),
        answer(b"last", version="1.0"),
        answer(b"last") + b"HTTP/1.1 408 Too slow\r\n",
    ],
)
async def test_a_connection_that_ends_with_its_answer(end, data):
    got = (await exchange(end, answering(data))).unwrap()
    assert got.body == b"last"
    assert end.closed == [end.connection]


async def test_an_answer_that_ends_with_its_connection(end):
    async def agent(end):
        await end.take(b"HTTP/1.1 200 OK\r\n\r\nall ")
        await end.send(b"there is")
        await end.hang_up()

    got = (await exchange(end, agent)).unwrap()
    assert got.body == b"all there is"
    assert end.closed == [end.connection]


async def test_an_answer_before_the_request_was_read(end):
    async def agent(end):
        await wait_all_tasks_blocked()
        await end.send(answer(b"too long", status="413 Too long"))

    got = (await exchange(end, agent, bytes(10_000_000))).unwrap()
    assert (got.status, got.body) == (413, b"too long")
    assert got.sent_at <= got.head_at
    assert not end.connection.is_open


# How it fails


@pytest.mark.parametrize("scheme", ["https", "http"])
async def test_an_agent_that_hangs_up_without_an_answer(end, other, scheme):
    async def agent(end):
        await end.request()
        await end.hang_up()

    kind, message = await failure_of(end, agent, url=f"{scheme}://agent.example/chat")
    assert kind is CLOSED
    assert f"POST {scheme}://agent.example/chat" in message
    assert "without an answer" in message
    assert ("or for a port that speaks https://" in message) == (scheme == "http")


@pytest.mark.parametrize("reset", [False, True])
async def test_an_answer_that_breaks_off(end, other, reset):
    async def agent(end):
        await end.take(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345")
        await wait_all_tasks_blocked()
        await (end.reset() if reset else end.hang_up())

    kind, message = await failure_of(end, agent)
    assert kind is CLOSED
    assert "after 44 bytes of it" in message
    assert ("Connection reset" in message) == reset


async def test_a_query_is_in_no_message(end):
    async def agent():
        await end.request()
        await end.hang_up()

    with pytest.RaisesGroup(pytest.RaisesExc(SimulationFailed, check=lambda error: "s3cret" not in error.message)):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(agent)
            await end.connection.exchange("GET", URL + "?token=s3cret", (), None)


async def test_what_is_no_http(end, other):
    kind, message = await failure_of(end, answering(b"SSH-2.0-OpenSSH_9.6\r\n"))
    assert kind is ErrorKind.INVALID_MESSAGE
    assert "expected an HTTP/1.1 answer; got b'SSH-2.0-OpenSSH_9.6" in message


async def test_an_answer_that_is_too_long(end, other):
    kind, message = await failure_of(end, answering(answer(bytes(11))), most_bytes=10)
    assert kind is ErrorKind.INVALID_MESSAGE
    assert "at most 10 bytes" in message


@pytest.mark.parametrize("which", ["on_head", "on_body"])
async def test_what_a_callback_raises_is_raised_here(end, other, which):
    def refuse(*_):
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        (await exchange(end, answering(answer(b"x")), **{which: refuse})).unwrap()
    assert end.closed == [end.connection]


async def test_who_no_longer_waits_closes_it(end, other):
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(post, end)
            await end.take(b"HTTP/1.1 200 OK\r\nContent-Le")
            scope.cancel()
    assert scope.cancelled_caught
    assert end.closed == [end.connection]
    with pytest.raises(StaleConnection):
        await post(end)


async def test_whoever_closes_it_ends_the_exchange(end):
    async def agent(end):
        await end.request()
        end.connection.close()
        end.connection.close()

    kind, _ = await failure_of(end, agent)
    assert kind is CLOSED


# Idle


async def test_that_it_ended_while_idle_is_noticed_at_once(end, other):
    (await exchange(end, answering(answer()))).unwrap()
    await end.hang_up()
    await end.until_closed()
    assert end.closed == [end.connection]
    with pytest.raises(StaleConnection) as caught:
        await post(end)
    assert caught.value.kind is CLOSED


@pytest.mark.parametrize("reset", [False, True])
async def test_that_it_is_told_something_unasked_or_reset_while_idle(end, other, reset):
    await (end.reset() if reset else end.send(answer(status="408 Too slow")))
    await end.until_closed()
    assert end.closed == [end.connection]


@pytest.mark.parametrize("reset", [False, True])
async def test_one_used_before_that_ends_without_an_answer_is_stale(end, other, reset):
    (await exchange(end, answering(answer()))).unwrap()
    end.connection.connect_s = None

    async def agent(end):
        await end.request()
        await (end.reset() if reset else end.hang_up())

    with pytest.raises(StaleConnection):
        (await exchange(end, agent)).unwrap()
    assert end.closed == [end.connection]


async def test_one_used_before_that_ends_within_an_answer_is_not(end):
    end.connection.connect_s = None

    async def agent(end):
        await end.take(b"H")
        await end.hang_up()

    with pytest.raises(SimulationFailed, match="after 1 bytes of it") as caught:
        (await exchange(end, agent)).unwrap()
    assert not isinstance(caught.value, StaleConnection)
    with pytest.raises(StaleConnection):
        await post(end)


async def test_an_exchange_leaves_nothing_to_the_collector(end):
    seen = []

    def on_head(_):
        seen.append(weakref.ref(end.connection._reading))

    gc.disable()
    try:
        await exchange(end, answering(answer(b"x")), on_head=on_head)
        await trio.lowlevel.checkpoint()
        assert seen[0]() is None
    finally:
        gc.enable()
