"""What the agent does wrong on purpose, as its callers see it."""

import json
import ssl
from fractions import Fraction

import httpx
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from reference_callers import CHAT, PATIENCE_S, QUICK, HungUp, Refused

from coval_load.reference.misbehaviour import KINDS, Misbehaviour, kinds_for

VOICE = "--model-type=MODEL_TYPE_WEBSOCKET"
READY = "--ready-message=session_ready"


@given(
    number=st.integers(0, 2000),
    share=st.fractions(0, 1) | st.decimals(0, 1, places=3, allow_nan=False).map(Fraction),
)
def test_a_share_of_the_connections_is_hit_exactly(number, share):
    misbehaviour = Misbehaviour("drop", share)
    assert sum(misbehaviour.strikes(each) for each in range(number)) == number * share // 1


@pytest.mark.parametrize(("text", "share"), [("drop", 1), ("drop:0.29", Fraction(29, 100)), ("drop:0", 0)])
def test_kind_and_share_are_read(text, share):
    assert Misbehaviour.parse(text) == Misbehaviour("drop", Fraction(share))


@pytest.mark.parametrize("text", ["", "drip", "drop:", "drop:x", "drop:1.5", "drop:-1", "drop:1/0", "drop:nan"])
def test_anything_else_is_refused(text):
    with pytest.raises(ValueError, match="expected"):
        Misbehaviour.parse(text)


def test_kinds_belong_to_a_moment():
    both = [Misbehaviour("drop"), Misbehaviour("status-500", Fraction(1, 2))]
    assert kinds_for(both, KINDS, 0) == {"drop"}
    assert kinds_for(both, KINDS, 1) == {"drop", "status-500"}
    assert kinds_for(both, {"status-500"}, 0) == frozenset()


async def test_refusing_everybody(agent_here):
    async with agent_here(CHAT, "--misbehave=refuse") as agent:
        with pytest.raises(OSError, match="attempts to connect") as failed:
            await agent.connect()
        assert [type(cause) for cause in failed.value.__cause__.exceptions] == [ConnectionRefusedError]


async def test_refusing_some(agent_here):
    async with agent_here(CHAT, "--no-tls", "--delay=0ms", "--misbehave=refuse:0.5") as agent:
        outcomes = []
        for _ in range(4):
            try:
                async with agent.call() as caller:
                    await caller.say({"type": "message", "text": "hello"})
                    outcomes.append((await caller.hear())["text"])
            except (Refused, trio.BrokenResourceError):
                outcomes.append("refused")
        assert outcomes == ["You said: hello", "refused"] * 2


async def test_broken_tls(agent_here):
    async with agent_here(CHAT, "--misbehave=tls-broken") as agent:
        tcp = await agent.connect()
        async with tcp:
            with trio.fail_after(PATIENCE_S), pytest.raises(trio.BrokenResourceError) as broken:
                await trio.SSLStream(tcp, agent.trust, server_hostname="127.0.0.1").do_handshake()
        assert isinstance(broken.value.__cause__, ssl.SSLError)


@pytest.mark.parametrize("status", [401, 429, 500])
async def test_a_status_instead_of_an_upgrade(agent_here, status):
    async with agent_here(CHAT, f"--misbehave=status-{status}") as agent:
        with pytest.raises(Refused) as refused:
            async with agent.call():
                pass
        assert refused.value.status == status
    assert agent.stamped("rejected")[0]["status"] == status


async def test_slow_loris(agent_here):
    async with agent_here(CHAT, "--no-tls", "--misbehave=slow-loris") as agent:
        tcp = await agent.connect()
        await tcp.send_all(
            b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        async with tcp:
            assert [await tcp.receive_some(100) for _ in range(2)] == [b"H", b"T"]


@pytest.mark.parametrize("arguments", [(VOICE, *QUICK), (CHAT, READY, "--delay=0ms")])
async def test_a_ready_message_without_a_session_id(agent_here, arguments):
    async with agent_here(*arguments, "--misbehave=no-session-id") as agent, agent.call() as caller:
        assert await caller.hear() == {"type": "session_ready"}


async def test_no_ready_message(agent_here):
    async with agent_here(*QUICK, "--misbehave=no-ready") as agent, agent.call() as caller:
        await caller.sound()
        assert (await caller.hear())["type"] == "audio_chunk"
    assert agent.stamped("ready") == []


async def test_an_agent_that_does_not_read(agent_here):
    async with agent_here(CHAT, "--no-tls", "--misbehave=not-reading") as agent:
        with trio.fail_after(PATIENCE_S):
            async with agent.call() as caller:
                waited = trio.CancelScope()
                while not waited.cancelled_caught:
                    with trio.move_on_after(0.3) as waited:
                        await caller.send("x" * 100_000)
                caller.gone = True
    assert agent.stamped("message_in") == []


async def test_silence(agent_here):
    misbehaving = agent_here(CHAT, "--delay=0ms", "--misbehave=silence:0.5")
    async with misbehaving as agent, agent.call() as answered, agent.call() as ignored:
        for caller in (ignored, answered):
            await caller.say({"type": "message", "text": "hello"})
        await answered.hear()
        with trio.move_on_after(0.05):
            pytest.fail(f"expected no answer; got {await ignored.hear()}")
    assert [stamp["connection"] for stamp in agent.stamped("misbehaved")] == [1]


async def first_answer(agent, arguments):
    """What follows a turn: a message as it came, or the code with which the connection ended."""
    async with agent.call() as caller:
        if VOICE in arguments:
            await caller.hear()
            await caller.sound()
        else:
            await caller.say({"type": "message", "text": "hello"})
        try:
            return await caller.receive()
        except HungUp as closed:
            return closed.code


ANSWERING = [(VOICE, *QUICK), (CHAT, "--delay=0ms")]


@pytest.mark.parametrize("arguments", ANSWERING)
async def test_garbage(agent_here, arguments):
    async with agent_here(*arguments, "--misbehave=garbage") as agent:
        with pytest.raises(json.JSONDecodeError):
            json.loads(await first_answer(agent, arguments))


@pytest.mark.parametrize("arguments", ANSWERING)
async def test_another_type(agent_here, arguments):
    async with agent_here(*arguments, "--misbehave=wrong-type") as agent:
        answer = json.loads(await first_answer(agent, arguments))
    assert answer["type"] not in ("audio_chunk", "message")
    assert answer.keys() & {"data", "text"}


@pytest.mark.parametrize("arguments", ANSWERING)
async def test_another_path(agent_here, arguments):
    async with agent_here(*arguments, "--misbehave=bad-path") as agent:
        answer = json.loads(await first_answer(agent, arguments))
    assert answer["type"] in ("audio_chunk", "message")
    assert not answer.keys() & {"data", "text"}


async def test_what_is_not_base64(agent_here):
    async with agent_here(*QUICK, "--misbehave=bad-base64") as agent:
        answer = json.loads(await first_answer(agent, (VOICE, *QUICK)))
    assert answer["type"] == "audio_chunk"
    assert "*" in answer["data"]


@pytest.mark.parametrize("arguments", ANSWERING)
@pytest.mark.parametrize("code", [1011, 4000])
async def test_a_close_code(agent_here, arguments, code):
    async with agent_here(*arguments, "--misbehave=wrong-close", f"--close-code={code}") as agent:
        assert await first_answer(agent, arguments) == code


@pytest.mark.parametrize("arguments", ANSWERING)
@pytest.mark.parametrize("kind", ["drop", "half-frame-drop"])
async def test_a_dropped_connection(agent_here, arguments, kind):
    async with agent_here(*arguments, f"--misbehave={kind}") as agent, agent.call() as caller:
        if VOICE in arguments:
            await caller.sound()
        else:
            await caller.say({"type": "message", "text": "hello"})
        heard = []
        with pytest.raises(HungUp) as closed:
            while True:
                heard.append(await caller.hear())
    assert closed.value.code == 1006
    assert len(heard) <= 2  # the ready message, and half of the reply


async def test_half_a_frame(agent_here):
    async with agent_here(CHAT, "--delay=0ms", "--misbehave=half-frame") as agent, agent.call() as caller:
        await caller.say({"type": "message", "text": "hello"})
        with trio.move_on_after(0.05):
            pytest.fail(f"expected no whole message; got {await caller.hear()}")


@pytest.mark.parametrize("kind", ["setup-500", "setup-garbage"])
async def test_a_failing_setup(agent_here, kind):
    misbehaving = agent_here(CHAT, "--http-first", f"--misbehave={kind}:0.5")
    async with misbehaving as agent, httpx.AsyncClient(verify=agent.trust) as client:
        good = await client.post(agent.process.setup_url, json={})
        bad = await client.post(agent.process.setup_url, json={})
    assert "websocket_url" in good.json()["data"]
    if kind == "setup-500":
        assert bad.status_code == 500
    else:
        with pytest.raises(json.JSONDecodeError):
            bad.json()


async def test_a_port_scan_disturbs_nobody(agent_here):
    async with agent_here(CHAT, "--delay=0ms") as agent, agent.call() as caller:
        for junk in (b"", b"\x00" * 50, b"GET / HTTP/1.1\r\n\r\n"):
            async with await agent.connect() as tcp:
                await tcp.send_all(junk)
        await caller.say({"type": "message", "text": "hello"})
        assert (await caller.hear())["text"] == "You said: hello"
