"""HTTP as the agents speak it, byte by byte."""

import ssl

import pytest
import trio
from http_callers import A2A, AT_ONCE, HTTP_CHAT, client_of, user
from reference_callers import PATIENCE_S

BODY = b'{"messages": [{"role": "user", "content": "hi"}]}'
REQUEST = b"POST /chat HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)


async def exchange(agent, data, answers=1, piece=None):
    """What comes back for these bytes, up to the end of so many answers or of the connection."""
    back = b""
    step = piece or len(data)
    with trio.fail_after(PATIENCE_S):
        async with await agent.connect() as tcp:
            for at in range(0, len(data), step):
                await tcp.send_all(data[at : at + step])
            while back.count(b"You said: hi") < answers and (more := await tcp.receive_some()):
                back += more
    return back


async def test_requests_may_come_in_pieces_or_at_once(agent_here):
    async with agent_here(HTTP_CHAT, AT_ONCE, "--no-tls") as agent:
        in_pieces = await exchange(agent, REQUEST, piece=7)
        at_once = await exchange(agent, REQUEST * 3, answers=3)
    assert in_pieces.startswith(b"HTTP/1.1 200 OK\r\n")
    assert at_once.count(b"HTTP/1.1 200 OK\r\n") == 3
    assert [stamp["connection"] for stamp in agent.stamped("message_in")] == [0, 1, 1, 1]


async def test_one_connection_carries_many_requests_over_tls(agent_here):
    async with agent_here(HTTP_CHAT, AT_ONCE) as agent, client_of(agent) as client:
        for _ in range(5):
            answer = await client.post("/chat", json={"messages": [user("hi")]})
            assert "connection" not in answer.headers
    assert {stamp["connection"] for stamp in agent.stamped("message_in")} == {0}


async def test_a_connection_is_closed_where_the_caller_asks_for_it(agent_here):
    asks = REQUEST.replace(b"Host: x\r\n", b"Host: x\r\nConnection: close\r\n")
    async with agent_here(HTTP_CHAT, AT_ONCE, "--no-tls") as agent:
        back = await exchange(agent, asks + REQUEST, answers=2)
    assert back.count(b"You said: hi") == 1
    assert b"\r\nconnection: close\r\n" in back.lower()


async def test_a_caller_may_wait_to_be_told_to_go_on(agent_here):
    waits = REQUEST.replace(b"Host: x\r\n", b"Host: x\r\nExpect: 100-continue\r\n").removesuffix(BODY)
    async with agent_here(HTTP_CHAT, AT_ONCE, "--no-tls") as agent, await agent.connect() as tcp:
        await tcp.send_all(waits)
        with trio.fail_after(PATIENCE_S):
            assert (await tcp.receive_some()).startswith(b"HTTP/1.1 100 ")
            await tcp.send_all(BODY)
            assert (await tcp.receive_some()).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("model_type", [HTTP_CHAT, A2A])
async def test_what_is_not_http_is_told_so_and_hung_up_on(agent_here, model_type):
    async with agent_here(model_type, AT_ONCE, "--no-tls") as agent:
        assert (await exchange(agent, b"\x00\x01 nonsense\r\n\r\n")).startswith(b"HTTP/1.1 400 ")
        assert await exchange(agent, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + b"\x00\r\n\r\n") != b""


async def test_a_body_without_end_is_refused(agent_here):
    async with agent_here(HTTP_CHAT, "--no-tls") as agent, await agent.connect() as tcp:
        await tcp.send_all(b"POST /chat HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n")
        back = b""
        with trio.fail_after(PATIENCE_S):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(send_for_ever, tcp)
                while not back:
                    back += await tcp.receive_some()
                nursery.cancel_scope.cancel()
    assert back.startswith(b"HTTP/1.1 413 ")


async def send_for_ever(tcp):
    try:
        while True:
            await tcp.send_all(b" " * 100_000)
    except trio.BrokenResourceError:
        pass


async def test_callers_that_go_away_disturb_nobody(agent_here):
    async with agent_here(HTTP_CHAT, "--delay=20ms") as agent, client_of(agent) as client:
        for junk in (b"", b"\x00" * 50, REQUEST):
            async with await agent.connect() as tcp:
                await tcp.send_all(junk)
        tls = trio.SSLStream(await agent.connect(), agent.trust, server_hostname="127.0.0.1", https_compatible=True)
        await tls.send_all(REQUEST)
        await tls.aclose()
        answer = await client.post("/chat", json={"messages": [user("hi")]})
    assert answer.status_code == 200


async def test_callers_must_speak_tls_where_the_agent_does(agent_here):
    async with agent_here(HTTP_CHAT) as agent:
        assert not (await exchange(agent, REQUEST)).startswith(b"HTTP/")
        tls = trio.SSLStream(await agent.connect(), ssl.create_default_context(), server_hostname="127.0.0.1")
        with pytest.raises(trio.BrokenResourceError):
            await tls.do_handshake()
        await trio.aclose_forcefully(tls)
