import socket
import struct
import sys

import pytest
import trio
from agent_end import calling, connect, settle
from websockets.frames import Opcode

from coval_load.engine.link import MAX_MESSAGE_BYTES, OUTBOX_BYTES
from coval_load.engine.outcome import ErrorKind, SimulationFailed
from coval_load.engine.reactor import open_reactor


async def test_messages_go_both_ways(call):
    call.agent.text(b"hello")
    call.agent.binary(b"\x00\xff")
    call.agent.text(b"")
    call.link.send_nowait(b"hi", True)
    call.link.send_nowait(b"\x01", False)
    await settle()
    assert call.owner.messages == [(b"hello", True), (b"\x00\xff", False), (b"", True)]
    assert call.agent.texts == [b"hi"]
    assert call.agent.said(Opcode.BINARY) == [b"\x01"]
    link = call.link
    assert (link.messages_sent, link.bytes_sent, link.messages_received, link.bytes_received) == (2, 3, 3, 7)


async def test_payloads_are_bytes_of_their_own(call):
    call.agent.text(b"one")
    call.agent.text(b"two", fin=False)
    call.agent.more(b"2", fin=True)
    await settle()
    assert [type(payload) for payload, _ in call.owner.messages] == [bytes, bytes]


@pytest.mark.parametrize("head", [b"\x82\x07", b"\x82\x7e\x00\x07", b"\x82\x7f" + struct.pack("!Q", 7)])
async def test_a_head_that_comes_alone_belongs_to_what_follows(call, head):
    """Though what follows looks like a frame itself, as audio may."""
    for part in (head, b"\x82\x05audio", b"\x82\x04next"):
        call.agent.raw(part)
        await settle()
    assert call.owner.messages == [(b"\x82\x05audio", False), (b"next", False)]


async def test_fragments_are_put_together_around_other_frames(call):
    call.agent.text(b"a", fin=False)
    call.agent.ping(b"in between")
    call.agent.more(b"", fin=False)
    call.agent.more(b"b", fin=False)
    await settle()
    assert call.owner.messages == []
    call.agent.more(b"c", fin=True)
    call.agent.binary(b"1", fin=False)
    call.agent.more(b"2", fin=True)
    await settle()
    assert call.owner.messages == [(b"abc", True), (b"12", False)]
    assert call.agent.said(Opcode.PONG) == [b"in between"]


async def test_fragments_take_no_more_memory_than_their_bytes(call):
    call.agent.binary(b"x", fin=False)
    for _ in range(20):
        call.agent.raw(b"\x00\x00" * 5_000)
        await settle()
    assert sys.getsizeof(call.link._fragments) < 1_000
    call.agent.raw(b"\x80\x01y")
    await settle()
    assert call.owner.messages == [(b"xy", False)]


async def test_what_came_with_the_upgrade_is_handled_at_the_start(reactor):
    call = connect(reactor, start=False)
    call.agent.protocol.send_text(b"greeting")
    call.agent.protocol.send_ping(b"there?")
    for chunk in call.agent.protocol.data_to_send():
        call.link._protocol.receive_data(chunk)
    call.link.start(5.0)
    assert call.owner.messages == [(b"greeting", True)]
    await settle()
    assert call.agent.said(Opcode.PONG) == [b"there?"]
    call.link.abort()
    call.agent.hang_up()


async def test_pings_are_answered_and_pongs_are_timed(call):
    call.agent.ping(b"are you there")
    call.link.ping(trio.current_time() - 3)
    await settle()
    call.agent.read()
    call.agent.flush()
    await settle()
    assert call.agent.said(Opcode.PONG) == [b"are you there"]
    assert call.owner.pongs == [pytest.approx(3, abs=0.5)]


async def test_only_one_ping_is_under_way(call):
    for _ in range(3):
        call.link.ping(trio.current_time())
    call.agent.protocol.send_pong(b"not asked for")
    call.agent.flush()
    await settle()
    assert call.owner.pongs == []
    assert len(call.agent.said(Opcode.PING)) == 1
    call.agent.flush()
    await settle()
    assert len(call.owner.pongs) == 1
    call.link.ping(trio.current_time())
    assert len(call.agent.said(Opcode.PING)) == 2


async def test_what_the_kernel_does_not_take_waits_and_comes_whole(call):
    texts = [b"%d." % number * 3_000 for number in range(20)]
    for text in texts:
        call.link.send_nowait(text, True)
    assert call.link._outbox
    call.link.ping(trio.current_time())
    while len(call.agent.texts) < len(texts):
        await settle()
    assert call.agent.texts == texts
    await settle()
    assert not call.link._outbox
    call.link.send_nowait(b"after", True)
    assert call.agent.texts[-1] == b"after"


async def closed(call, code=1000):
    with trio.fail_after(5):
        await call.link.close(code)


async def test_what_waits_is_sent_before_the_close(call):
    texts = [b"%d." % number * 10_000 for number in range(8)]
    for text in texts:
        call.link.send_nowait(text, True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(closed, call)
        while not call.agent.said(Opcode.CLOSE):
            await settle()
        call.agent.flush()
        call.agent.hang_up()
    assert call.agent.texts == texts


async def test_an_agent_that_does_not_read(call, other):
    frame = bytes(8_000)
    sent = 0
    while not call.owner.ends:
        call.link.send_nowait(frame, False)
        sent += 1
    assert OUTBOX_BYTES < sent * len(frame) < 2 * OUTBOX_BYTES
    end = call.owner.end
    assert (end.failure.kind, end.clean, end.close_code) == (ErrorKind.AGENT_NOT_READING, False, None)
    assert call.link.fileno() == -1
    call.link.send_nowait(frame, False)
    call.link.ping(0.0)
    call.link.hang_up()
    await settle()
    assert call.link.messages_sent == sent
    assert len(call.owner.ends) == 1
    assert not call.link._outbox


async def test_pongs_that_are_not_read_are_bounded_too(call):
    flood = b"\x89\x7d" + bytes(125)
    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        for _ in range(10_000):
            try:
                call.agent.socket.send(flood * 50)
            except BlockingIOError:
                await settle()
    assert call.owner.end.failure.kind is ErrorKind.AGENT_NOT_READING


async def test_the_longest_message(call):
    whole = bytes(range(256)) * (MAX_MESSAGE_BYTES // 256)
    first, rest = whole[: 1 << 20], whole[1 << 20 :]
    data = b"\x02\x7f" + struct.pack("!Q", len(first)) + first + b"\x80\x7f" + struct.pack("!Q", len(rest)) + rest
    view = memoryview(data)
    while view:
        view = view[call.agent.socket.send(view) :]
        await settle()
    assert [len(payload) for payload, _ in call.owner.messages] == [MAX_MESSAGE_BYTES]
    assert call.owner.messages[0][0] == whole
    call.agent.raw(b"\x01\x01a\x00\x7f" + struct.pack("!Q", MAX_MESSAGE_BYTES))
    await settle()
    assert call.owner.end.failure.kind is ErrorKind.INVALID_MESSAGE


async def test_an_exception_in_a_callback_is_its_own_links(reactor, other):
    def fail(payload, is_text, at):
        raise ValueError("out of order")

    call = connect(reactor, on_message=fail)
    call.agent.text(b"x")
    other.agent.text(b"y")
    await settle()
    end = call.owner.end
    assert end.failure.kind is ErrorKind.INTERNAL
    assert "out of order" in end.failure.message
    assert isinstance(end.failure.__cause__, ValueError)
    assert call.link.fileno() == -1
    assert other.owner.messages == [(b"y", True)]
    call.agent.hang_up()


async def test_a_failure_raised_in_a_callback_is_told_as_it_is(reactor):
    failure = SimulationFailed(ErrorKind.AGENT_ERROR, "it says no")

    def fail(payload, is_text, at):
        raise failure

    call = connect(reactor, on_message=fail)
    call.agent.text(b"x")
    await settle()
    assert call.owner.end.failure is failure
    call.agent.hang_up()


@pytest.mark.parametrize("how", ["abort", "hang_up"])
async def test_nothing_comes_after_the_caller_has_gone(reactor, other, how):
    """Gone in the middle of a batch: what lies behind is not delivered, nothing is sent, no end is told."""

    def leave(payload, is_text, at):
        call.owner.message(payload, is_text, at)
        getattr(call.link, how)()

    call = connect(reactor, on_message=leave)
    call.agent.protocol.send_text(b"1")
    call.agent.protocol.send_ping(b"?")
    call.agent.protocol.send_text(b"2")
    call.agent.protocol.send_close(1000)
    call.agent.raw(b"".join(call.agent.protocol.data_to_send()))
    await settle()
    assert call.owner.told == ["message"]
    for again in ("hang_up", "abort", "hang_up"):
        getattr(call.link, again)()
    call.link.send_nowait(b"x", True)
    call.link.ping(1.0)
    await closed(call)
    assert call.owner.told == ["message"]
    assert call.link.messages_sent == 0
    assert call.agent.texts == []
    assert call.agent.sees_eof or call.agent.frames == []
    call.agent.socket.close()


async def test_gone_while_it_waits_to_write(reactor):
    call = connect(reactor, on_message=lambda *message: call.link.abort())
    call.link.send_nowait(bytes(100_000), False)
    await settle()
    assert call.link._outbox
    call.agent.text(b"x")
    call.agent.read()
    await settle()
    assert call.link.fileno() == -1
    assert call.owner.ends == []
    call.agent.socket.close()


async def test_hang_up_says_goodbye(call):
    call.link.hang_up()
    assert call.agent.said(Opcode.CLOSE) == [struct.pack("!H", 1000)]
    assert call.agent.sees_eof
    assert call.link.fileno() == -1


async def test_hang_up_after_the_agent_closed(call):
    call.agent.close(4000)
    await settle()
    call.link.hang_up()
    assert len(call.agent.said(Opcode.CLOSE)) == 1
    assert call.owner.end.close_code == 4000


async def test_a_thousand_come_and_go():
    """Descriptors are used again at once; what belonged to one link must not reach the next."""
    for one_task in (True, False):
        async with open_reactor(one_task) as reactor:
            numbers = set()
            for number in range(300):
                call = connect(reactor)
                numbers.add(call.link.fileno())
                call.agent.text(b"%d" % number)
                if number % 3:
                    await settle()
                    assert call.owner.messages == [(b"%d" % number, True)]
                (call.link.abort, call.link.hang_up, call.agent.hang_up)[number % 3]()
                if number % 2:
                    await settle()
                call.link.abort()
                call.agent.socket.close()
            assert len(numbers) < 10


async def test_several_calls_do_not_mix():
    async with calling(number=20) as calls:
        for number, call in enumerate(calls):
            call.agent.text(b"%d" % number)
            call.link.send_nowait(b"%d" % -number, True)
        await settle()
        for number, call in enumerate(calls):
            assert call.owner.messages == [(b"%d" % number, True)]
            assert call.agent.texts == [b"%d" % -number]


def test_sockets_are_what_they_seem():
    """The pair of the tests is as small as they need it."""
    from agent_end import pair

    ours, theirs = pair()
    with ours, theirs:
        assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) < OUTBOX_BYTES / 4
