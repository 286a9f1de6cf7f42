import struct

import pytest
import trio
from agent_end import connect, settle
from websockets.frames import Opcode

from coval_load.engine.link import MAX_MESSAGE_BYTES
from coval_load.engine.outcome import ErrorKind


async def closed(call, code=1000):
    with trio.fail_after(5):
        await call.link.close(code)


async def test_the_caller_closes(call):
    async with trio.open_nursery() as nursery:
        nursery.start_soon(closed, call)
        await settle()
        assert call.agent.said(Opcode.CLOSE) == [struct.pack("!H", 1000)]
        call.agent.flush()
        await settle()
        assert call.owner.end.close_code == 1000
        call.agent.hang_up()
    assert call.link.fileno() == -1


async def test_the_agent_goes_on_talking_until_it_has_read_the_close(call):
    async with trio.open_nursery() as nursery:
        nursery.start_soon(closed, call)
        call.agent.text(b"as I said")
        await settle()
        call.link.send_nowait(b"too late", True)
        call.agent.read()
        call.agent.flush()
        call.agent.hang_up()
    assert call.owner.told == ["message", "end"]
    assert call.agent.texts == []


@pytest.mark.parametrize(
    ("code", "clean"), [(1000, True), (1001, True), (None, True), (1011, False), (1008, False), (4000, False)]
)
async def test_the_agent_closes(call, code, clean):
    call.agent.text(b"bye")
    call.agent.close(code, "tired" if code else "")
    await settle()
    end = call.owner.end
    assert (end.close_code, end.clean) == (code or 1005, clean)
    assert end.failure.kind is ErrorKind.CONNECTION_CLOSED
    assert f"with code {code or 1005}" in end.failure.message
    assert ("(tired)" in end.failure.message) is bool(code)
    assert ("see its log" in end.failure.message) is (code == 1011)
    assert call.owner.told == ["message", "end"]
    assert len(call.agent.said(Opcode.CLOSE)) == 1
    call.agent.flush()
    call.agent.hang_up()
    await closed(call)
    assert len(call.owner.ends) == 1


async def test_a_long_reason_is_cut(call):
    call.agent.close(4000, "x" * 123)
    await settle()
    assert "x" * 120 in call.owner.end.failure.message
    assert "x" * 121 not in call.owner.end.failure.message


async def test_both_close_at_once(call):
    call.agent.close(4001)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(closed, call)
        await settle()
        call.agent.read()
        call.agent.hang_up()
    assert call.owner.end.close_code == 4001


async def test_dropped_without_a_close_frame(call, other):
    call.agent.text(b"half a w", fin=False)
    call.agent.hang_up()
    await settle()
    end = call.owner.end
    assert (end.failure.kind, end.close_code, end.clean) == (ErrorKind.CONNECTION_CLOSED, None, False)
    assert "without a close frame" in end.failure.message
    assert call.link.fileno() == -1
    assert call.owner.messages == []


async def test_reset(reactor, other):
    """A reset is told as what it is, and the link is let go of."""
    call = connect(reactor)
    call.link.send_nowait(b"never read", True)
    call.agent.hang_up()
    await settle()
    assert "connection was dropped without a close frame" in call.owner.end.failure.message
    assert call.link.fileno() == -1


TOO_LONG = b"\x82\x7f" + struct.pack("!Q", MAX_MESSAGE_BYTES + 1)


@pytest.mark.parametrize(
    ("data", "code", "said"),
    [
        (b"\x81\x82mask..", 1002, "masking"),
        (b"\x83\x00", 1002, "opcode"),
        (b"\xc1\x00", 1002, "reserved bits"),
        (b"\x80\x00", 1002, "continuation"),
        (b"\x01\x01a\x81\x01b", 1002, "continuation"),
        (b"\x09\x00", 1002, "fragmented control"),
        (b"\x89\x7e\x00\x7e" + bytes(126), 1002, "control frame too long"),
        (b"\x88\x01\x03", 1002, "close frame"),
        (b"\x88\x02\x00\x00", 1002, "status code"),
        (b"\x88\x03\x03\xe8\xff", 1007, "utf-8"),
        (b"\x01\x01a\x88\x02\x03\xe8", 1002, "incomplete fragmented message"),
        (TOO_LONG, 1009, str(MAX_MESSAGE_BYTES)),
    ],
)
async def test_what_breaks_the_protocol_ends_the_link(call, other, data, code, said):
    call.agent.text(b"before")
    call.agent.raw(data)
    await settle()
    end = call.owner.end
    assert end.failure.kind is ErrorKind.INVALID_MESSAGE
    assert said in end.failure.message.lower()
    assert not end.clean
    assert call.owner.told == ["message", "end"]
    (farewell,) = call.agent.said(Opcode.CLOSE)
    assert struct.unpack("!H", farewell[:2]) == (code,)
    call.agent.raw(b"\x81\x01x" * 1000)
    await settle()
    assert call.owner.told == ["message", "end"]
    other.agent.text(b"well?")
    await settle()
    assert other.owner.messages == [(b"well?", True)]
