"""The link against a model of it: any order of what both sides do, the bytes chopped anywhere."""

import itertools
import struct
from contextlib import suppress

import attrs
import trio
from agent_end import Call, calling, connect, settle
from hypothesis import event, given
from hypothesis import strategies as st
from websockets.frames import Opcode
from websockets.protocol import State

from coval_load.engine.outcome import ErrorKind
from coval_load.engine.plain_frames import is_between_frames
from coval_load.engine.reactor import open_reactor

PAYLOADS = st.binary(max_size=20) | st.integers(0, 4_000).map(bytes)
CODES = st.sampled_from([1000, 1001, 1008, 1011, 3000, 4000, 4999, None])
STEPS = st.one_of(
    st.tuples(st.just("agent_says"), st.booleans(), st.lists(PAYLOADS, min_size=1, max_size=3)),
    st.tuples(st.just("arrives"), st.integers(1, 5_000)),
    st.tuples(st.just("arrives"), st.integers(1, 6)),
    st.tuples(st.just("caller_says"), st.booleans(), PAYLOADS),
    st.tuples(st.just("agent_reads"), st.integers(1, 5_000)),
    st.tuples(st.just("caller_pings")),
    st.tuples(st.just("agent_pings"), st.binary(max_size=20)),
)
ENDINGS = st.one_of(
    st.tuples(st.just("agent_closes"), CODES),
    st.tuples(st.just("caller_closes"), st.sampled_from([1000, 1001, 4000])),
    st.tuples(st.just("agent_drops")),
    st.tuples(st.just("caller_hangs_up")),
)


@attrs.define
class Conversation:
    """What both sides did, and what the model says that each must have noticed of it."""

    call: Call
    nursery: trio.Nursery
    on_the_way: bytearray = attrs.field(factory=bytearray)
    written: int = 0
    arrived: int = 0
    agent_said: list = attrs.field(factory=list)
    """(bytes that must have arrived, payload, is_text)."""
    caller_said: list = attrs.field(factory=list)
    pings: list = attrs.field(factory=list)
    close_at: float = float("inf")
    code: int | None = None
    caller_closed: bool = False
    gone: bool = False

    def agent_says(self, is_text, parts):
        protocol = self.call.agent.protocol
        if protocol.state is not State.OPEN:
            return
        (protocol.send_text if is_text else protocol.send_binary)(parts[0], fin=len(parts) == 1)
        for number, part in enumerate(parts[1:], 2):
            protocol.send_continuation(part, fin=number == len(parts))
        self.write()
        self.agent_said.append((self.written, b"".join(parts), is_text))

    def agent_pings(self, payload):
        if self.call.agent.protocol.state is State.OPEN:
            self.call.agent.protocol.send_ping(payload)
            self.write()
            self.pings.append((self.written, payload))

    def agent_closes(self, code):
        if self.call.agent.protocol.state is State.OPEN:
            self.call.agent.protocol.send_close(code)
            self.write()

    def write(self):
        for chunk in self.call.agent.protocol.data_to_send():
            self.on_the_way += chunk
            self.written += len(chunk)
        sent = self.call.agent.protocol.close_sent
        if sent is not None and self.code is None:
            self.close_at, self.code = self.written, int(sent.code)

    def arrives(self, limit):
        data = self.on_the_way[:limit]
        del self.on_the_way[:limit]
        if data and not self.gone:
            self.call.agent.raw(data)
            self.arrived += len(data)

    def agent_reads(self, limit):
        self.call.agent.read(limit)
        self.write()

    def caller_says(self, is_text, payload):
        self.call.link.send_nowait(payload, is_text)
        if not (self.caller_closed or self.gone or self.call.owner.ends):
            self.caller_said.append((Opcode.TEXT if is_text else Opcode.BINARY, payload))

    def caller_pings(self):
        self.call.link.ping(trio.current_time())

    def caller_closes(self, code):
        self.nursery.start_soon(self.call.link.close, code)
        self.caller_closed = True

    def agent_drops(self):
        self.call.agent.socket.shutdown(1)
        self.gone = True

    def caller_hangs_up(self):
        self.call.link.abort()
        self.gone = True

    def check(self):
        knows_its_state(self.call.link)
        owner = self.call.owner
        readable = min(self.arrived, self.close_at)
        assert owner.messages == [(payload, text) for at, payload, text in self.agent_said if at <= readable]
        assert len(owner.ends) == (self.arrived >= self.close_at)
        if owner.ends:
            assert owner.end.close_code == (self.code or 1005)
            assert owner.end.failure.kind is ErrorKind.CONNECTION_CLOSED
            assert owner.end.clean == (self.code in (1000, 1001, 1005))
            assert owner.told[-1] == "end"
        heard = self.heard()
        assert heard == self.caller_said[: len(heard)]

    def heard(self):
        frames = self.call.agent.frames
        return [(f.opcode, bytes(f.data)) for f in frames if f.opcode in (Opcode.TEXT, Opcode.BINARY)]

    async def finish(self):
        """Everything arrives, everything is read."""
        await settle()
        before = None
        while before != (before := (self.arrived, len(self.call.agent.frames))) or self.on_the_way:
            self.agent_reads(1 << 20)
            self.arrives(1 << 20)
            await settle()


def knows_its_state(link):
    """What it keeps, so as not to ask at each frame, is what the protocol would say."""
    protocol = link._protocol
    is_open = protocol.state is State.OPEN and link.fileno() != -1
    assert link._is_open is is_open
    assert link._is_between_frames is (is_open and is_between_frames(protocol))


@given(steps=st.lists(STEPS, max_size=25), ending=ENDINGS, more=st.lists(STEPS, max_size=8), one_task=st.booleans())
def test_any_order_of_events(steps, ending, more, one_task):
    async def main():
        async with calling(one_task) as call, trio.open_nursery() as nursery:
            talk = Conversation(call, nursery)
            for name, *values in steps:
                getattr(talk, name)(*values)
                await settle()
                talk.check()
            name, *values = ending
            event(name)
            await talk.finish()
            talk.check()
            assert talk.heard() == talk.caller_said
            assert [payload for _, payload in talk.pings] == call.agent.said(Opcode.PONG)
            assert len(call.owner.pongs) == len(call.agent.said(Opcode.PING))
            getattr(talk, name)(*values)
            await settle()
            for step, *arguments in more:
                if talk.gone:
                    break
                getattr(talk, step)(*arguments)
                await settle()
                talk.check()
            await talk.finish()
            if talk.gone:
                assert len(call.owner.ends) == (name == "agent_drops")
                assert call.link.fileno() == -1
            else:
                talk.check()
                assert len(call.owner.ends) == 1
                assert talk.heard() == talk.caller_said
                call.agent.hang_up()
                await settle()
                assert call.link.fileno() == -1
            assert call.link.end is (call.owner.ends or [None])[0]
            call.link.abort()

    trio.run(main)


FRAMES = st.builds(
    lambda first, length, data: bytes([first]) + length + data,
    st.integers(0, 255),
    st.integers(0, 255).map(lambda one: bytes([one]))
    | st.integers(0, 2**16 - 1).map(lambda two: b"\x7e" + struct.pack("!H", two))
    | st.integers(0, 2**64 - 1).map(lambda eight: b"\x7f" + struct.pack("!Q", eight)),
    st.binary(max_size=130),
)
GOOD_FRAMES = st.builds(
    lambda first, data: bytes([first, len(data)]) + data,
    st.sampled_from([0x01, 0x02, 0x00, 0x80, 0x81, 0x82, 0x88, 0x89, 0x8A]),
    st.binary(max_size=125),
)
BYTES = st.lists(GOOD_FRAMES | FRAMES | st.binary(max_size=200), max_size=8).map(b"".join)


@given(data=BYTES, cuts=st.lists(st.integers(1, 60), min_size=1, max_size=6), eof=st.booleans(), one_task=st.booleans())
def test_whatever_an_agent_sends_is_an_outcome_or_waits_for_more(data, cuts, eof, one_task):
    async def main():
        async with calling(one_task, number=2) as (call, other):
            at = number = 0
            while at < len(data):
                size = cuts[number % len(cuts)]
                call.agent.raw(data[at : at + size])
                at, number = at + size, number + 1
                await settle()
                knows_its_state(call.link)
                assert len(call.link._protocol.reader.buffer) + len(call.link._fragments) <= at
            if call.owner.ends:
                event(f"ended as {call.owner.end.failure.kind}")
                assert call.owner.told[-1] == "end"
                call.agent.raw(bytes(5_000))
                await settle()
                assert len(call.link._protocol.reader.buffer) == 0
                assert call.agent.said(Opcode.CLOSE) or call.agent.protocol.parser_exc
            if eof:
                call.agent.hang_up()
                await settle()
                assert len(call.owner.ends) == 1
                assert call.link.fileno() == -1
                knows_its_state(call.link)
            else:
                assert len(call.owner.ends) <= 1
            other.agent.text(b"still there?")
            await settle()
            assert other.owner.messages == [(b"still there?", True)]

    trio.run(main)


ACTS = st.one_of(
    st.tuples(st.just("bytes"), BYTES.filter(bool)),
    st.tuples(st.just("bytes"), st.binary(max_size=20).map(lambda text: b"\x81" + bytes([len(text)]) + text)),
    st.tuples(st.just("say"), st.sampled_from([b"hi", bytes(100_000), bytes(300_000)])),
    st.tuples(st.sampled_from(["ping", "goodbye", "hang_up", "abort", "drop", "broke"])),
)


@given(acts=st.lists(ACTS, max_size=8), at_a_message=st.dictionaries(st.integers(0, 5), ACTS, max_size=2))
def test_it_knows_its_state_whatever_is_done_and_when(acts, at_a_message):
    """Also by its owner in the middle of a batch, and while nothing is read."""

    async def main():
        async with open_reactor() as reactor:
            heard = itertools.count()

            def act(name, *values):
                link = call.link
                match name:
                    case "bytes" if call.agent.socket.fileno() != -1:
                        with suppress(OSError):
                            call.agent.raw(*values)
                    case "say":
                        link.send_nowait(*values, True)
                    case "ping":
                        link.ping(0.0)
                    case "goodbye":
                        link.say_goodbye()
                    case "hang_up" | "abort":
                        getattr(link, name)()
                    case "broke":
                        link.broke(ValueError("not today"))
                    case "drop":
                        call.agent.socket.close()
                knows_its_state(link)

            def take(payload, is_text, at):
                act(*at_a_message.get(next(heard), ["nothing"]))

            call = connect(reactor, on_message=take)
            knows_its_state(call.link)
            for step in acts:
                act(*step)
                await settle()
                knows_its_state(call.link)
            failed = [end.failure for end in call.owner.ends if isinstance(end.failure.__cause__, AssertionError)]
            assert not failed, failed
            call.link.abort()
            knows_its_state(call.link)
            call.agent.socket.close()

    trio.run(main)
