import os
import selectors
import socket
from itertools import pairwise

import attrs
import pytest
import trio
from agent_end import connect, pair, settle

from coval_load.engine.reactor import open_reactor
from coval_load.engine.readiness import SelectorReadiness


@attrs.define(eq=False)
class Ear:
    """Reads a byte whenever there is one."""

    socket: socket.socket
    reactor: object
    heard: bytes = b""
    stamps: list = attrs.field(factory=list)
    faults: list = attrs.field(factory=list)
    outbox: bytes = b""
    written: int = 0
    then: object = None

    def fileno(self):
        return self.socket.fileno()

    def readable(self, at):
        self.stamps.append(at)
        try:
            byte = self.socket.recv(1)
        except BlockingIOError:  # it may be asked in vain
            return
        self.heard += byte
        if not byte:
            self.leave()
        elif self.then is not None:
            self.then(byte)

    def writable(self):
        self.written += 1
        self.outbox = self.outbox[self.socket.send(self.outbox[:1000]) :]
        if not self.outbox:
            self.reactor.wants_to_write(self, False)

    def broke(self, error):
        self.faults.append(error)

    def leave(self):
        self.reactor.forget(self)
        self.socket.close()


@pytest.fixture(params=["one-task", "one-task-by-selectors", "a-task-each"])
async def reactor(request):
    async with open_reactor(request.param != "a-task-each") as reactor:
        if request.param == "one-task-by-selectors":
            reactor.close()
            reactor._readiness = SelectorReadiness()  # before it begins to wait
        yield reactor


@pytest.fixture
def ears(reactor):
    """Makes ears that listen, each with the other end of its socket."""
    made = []

    def make():
        ours, theirs = pair()
        ear = Ear(ours, reactor)
        reactor.watch(ear)
        made.append((ear, theirs))
        return ear, theirs

    yield make
    for ear, theirs in made:
        ear.leave()
        theirs.close()


async def test_what_arrives_is_read_whole_and_stamped(reactor, ears):
    before = trio.current_time()
    several = [ears() for _ in range(5)]
    for number, (_, far) in enumerate(several):
        far.send(b"abc%d" % number)
    await settle()
    for number, (ear, _) in enumerate(several):
        assert ear.heard == b"abc%d" % number
        assert before <= min(ear.stamps) <= max(ear.stamps) <= trio.current_time()
        assert ear.faults == []


async def test_a_closed_connection_is_forgotten_and_the_others_go_on(reactor, ears):
    (one, far_one), (other, far_other) = ears(), ears()
    far_one.close()
    await settle()
    assert one.fileno() == -1
    far_other.send(b"x")
    await settle()
    assert other.heard == b"x"
    assert one.faults == other.faults == []


async def test_its_number_may_go_to_another_connection(reactor, ears):
    """The kernel gives the lowest free descriptor: what waited on the old one must not hold the new one up."""
    one, far_one = ears()
    number = one.fileno()
    one.outbox = bytes(100)
    reactor.wants_to_write(one, True)
    await settle()
    for _ in range(3):
        one.leave()
        far_one.close()
        one, far_one = ears()
        assert one.fileno() == number
        far_one.send(b"y")
        reactor.wants_to_write(one, True)
        one.outbox = b"z"
        await settle()
        assert (one.heard, one.written, far_one.recv(9)) == (b"y", 1, b"z")


@attrs.define(eq=False)
class Broken:
    """What there is nothing to be read from but what is wrong with it."""

    number: int
    reactor: object
    told: list = attrs.field(factory=list)

    def fileno(self):
        return self.number

    def readable(self, at):
        self.told.append("readable")
        self.reactor.forget(self)

    def writable(self):
        self.told.append("writable")

    def broke(self, error):
        self.told.append(error)


async def test_a_hang_up_without_anything_to_read_is_read(reactor):
    """Of a socket that was never connected nothing is said but EPOLLHUP."""
    with socket.socket() as lonely:
        lonely.setblocking(False)
        broken = Broken(lonely.fileno(), reactor)
        reactor.watch(broken)
        with trio.fail_after(5):
            await settle()
        assert broken.told == ["readable"]


async def test_an_error_without_anything_to_read_is_read(reactor, ears):
    """Of a pipe that nobody reads nothing is said but EPOLLERR."""
    reading, writing = os.pipe()
    broken = Broken(writing, reactor)
    reactor.watch(broken)
    await settle()
    assert broken.told == []
    os.close(reading)
    with trio.fail_after(5):
        await settle()
    assert broken.told == ["readable"]
    os.close(writing)
    ear, far = ears()
    far.send(b"x")
    await settle()
    assert ear.heard == b"x"


@pytest.mark.parametrize("waits_to_write", [False, True])
async def test_its_number_may_go_to_another_within_one_batch(reactor, waits_to_write):
    """Of two that are ready together, the first puts a third in the place of the second."""
    said, placed = [], []

    def replace(gone):
        def take(payload, is_text, at):
            said.append(payload)
            if placed:
                return
            number = gone.call.link.fileno()
            gone.call.link.abort()
            third = connect(reactor)
            assert third.link.fileno() == number
            placed.append(third)

        return take

    class Place:
        call = None

    one, other = Place(), Place()
    one.call, other.call = (connect(reactor, on_message=replace(gone)) for gone in (other, one))
    for each in (one, other):
        if waits_to_write:
            each.call.link.send_nowait(bytes(60_000), False)
            assert each.call.link._outbox
            each.call.agent.read()
        each.call.agent.text(b"now")
    await settle()
    (third,) = placed
    assert said == [b"now"]
    assert third.owner.told == []
    third.agent.text(b"me")
    third.link.send_nowait(b"you", True)
    await settle()
    assert third.owner.messages == [(b"me", True)]
    assert third.agent.texts == [b"you"]
    for call in (one.call, other.call, third):
        assert call.owner.ends == []
        call.link.abort()
        call.agent.socket.close()


async def test_who_did_not_ask_to_write_is_not_told_because_another_did(ears, reactor):
    """It would take what it wrote for written only now."""
    thirds = []
    (one, far_one), (other, far_other) = ears(), ears()

    def replace(gone):
        number = gone.fileno()
        gone.leave()
        thirds.append(ears()[0])
        assert thirds[0].fileno() == number

    one.then = lambda byte: thirds or replace(other)
    other.then = lambda byte: thirds or replace(one)
    for ear, far in ((one, far_one), (other, far_other)):
        reactor.wants_to_write(ear, True)
        far.send(b"1")
    await settle()
    (third,) = thirds
    assert (third.written, third.heard) == (0, b"")
    assert one.faults == other.faults == third.faults == []


async def test_forgotten_in_its_own_callback(reactor, ears):
    ear, far = ears()
    ear.then = lambda byte: reactor.forget(ear)
    far.send(b"abc")
    await settle()
    assert ear.heard == b"a"
    assert ear.faults == []
    reactor.forget(ear)


async def test_closed_in_the_callback_of_another(reactor, ears):
    (one, far_one), (other, far_other) = ears(), ears()
    one.then = lambda byte: other.leave()
    other.then = lambda byte: one.leave()
    far_one.send(b"1")
    far_other.send(b"2")
    await settle()
    assert sorted([one.heard, other.heard]) in ([b"", b"1"], [b"", b"2"])
    assert one.faults == other.faults == []
    third, far = ears()
    far.send(b"3")
    await settle()
    assert third.heard == b"3"


async def test_what_a_callback_raises_is_that_connections_alone(reactor, ears):
    (one, far_one), (other, far_other) = ears(), ears()

    def fail(byte):
        raise ValueError("not today")

    one.then = fail
    far_one.send(b"1")
    far_other.send(b"2")
    await settle()
    assert [str(error) for error in one.faults] == ["not today"]
    assert other.heard == b"2"
    assert other.faults == []


async def test_written_until_there_is_nothing_left(reactor, ears):
    ear, far = ears()
    ear.outbox = bytes(200_000)
    reactor.wants_to_write(ear, True)
    arrived = 0
    while arrived < 200_000:
        await settle()
        arrived += len(far.recv(1 << 20))
    await settle()
    written = ear.written
    assert written >= 200
    await settle()
    assert ear.written == written
    assert ear.faults == []
    ear.outbox = b"once more"
    reactor.wants_to_write(ear, True)
    await settle()
    assert far.recv(99) == b"once more"


async def test_it_reads_while_it_waits_to_write(reactor, ears):
    ear, far = ears()
    ear.outbox = bytes(1 << 20)
    reactor.wants_to_write(ear, True)
    await settle()
    assert ear.outbox
    far.send(b"hello")
    await settle()
    assert ear.heard == b"hello"


async def test_forgotten_while_it_waits_to_write(reactor, ears):
    ear, far = ears()
    ear.outbox = bytes(1 << 20)
    reactor.wants_to_write(ear, True)
    await settle()
    ear.leave()
    written = ear.written
    far.recv(1 << 20)
    await settle()
    assert ear.written == written
    assert ear.faults == []


async def test_a_flood_lets_other_tasks_run(reactor, ears):
    """However many sockets always have something to read, another task gets its turn in between."""
    several = [ears() for _ in range(200)]
    for _, far in several:
        far.send(bytes(50))
    heard = [0]
    while heard[-1] < 200 * 50:
        await trio.lowlevel.checkpoint()
        heard.append(sum(len(ear.heard) for ear, _ in several))
    in_a_turn = [after - before for before, after in pairwise(heard)]
    assert 0 < max(in_a_turn) <= (200 if reactor.one_task else 400)


async def test_in_a_flood_each_is_read_in_its_turn(reactor, ears):
    several = [ears() for _ in range(250)]
    for _, far in several:
        far.send(bytes(50))
    while True:
        await trio.lowlevel.checkpoint()
        heard = [len(ear.heard) for ear, _ in several]
        assert max(heard) - min(heard) <= (1 if reactor.one_task else 3)
        if min(heard) == 50:
            break


async def test_whoever_borrows_the_reading_does_all_of_it(ears, reactor):
    ear, far = ears()
    if not reactor.lend():
        assert not reactor.one_task
        return
    far.send(b"abc")
    await settle()
    assert ear.heard in (b"", b"a")  # it may have been about to read
    reactor.drain()
    reactor.drain()
    assert ear.heard[:2] == b"ab"
    reactor.take_back()
    await settle()
    assert ear.heard == b"abc"


def test_the_platform_says_which_way():
    async def main():
        async with open_reactor() as reactor:
            assert reactor.one_task == hasattr(selectors.DefaultSelector, "fileno")

    trio.run(main)


@pytest.mark.parametrize("one_task", [True, False])
def test_opened_and_closed_at_once(one_task):
    async def main():
        async with open_reactor(one_task):
            pass

    trio.run(main)
