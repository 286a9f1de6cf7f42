"""What `selectors` says of sockets and what `epoll` itself says come to the same."""

import os
import select
import selectors
import socket
import struct
from contextlib import ExitStack, contextmanager, suppress

import pytest
from agent_end import pair
from hypothesis import event, given
from hypothesis import strategies as st

from coval_load.engine.readiness import READ, WRITE, SelectorReadiness, has_one_descriptor, open_readiness

WAYS = [SelectorReadiness, *([select.epoll] if hasattr(select, "epoll") else [])]


def told(way, fd, events):
    """Whether `fd` can be read, and whether it can be written, as the reactor takes it."""
    readiness = way()
    try:
        readiness.register(fd, events)
        return meant(readiness.poll(0), fd, events)
    finally:
        readiness.close()


def meant(polled, fd, events=READ | WRITE):
    ready = dict(polled).get(fd)
    return (False, False) if ready is None else (ready != WRITE, ready != READ and bool(events & WRITE))


def idle(ours, theirs):
    pass


def has_bytes(ours, theirs):
    theirs.send(b"x")


def is_full(ours, theirs):
    with pytest.raises(BlockingIOError):
        while True:
            ours.send(bytes(10_000))


def half_closed(ours, theirs):
    theirs.shutdown(socket.SHUT_WR)


def we_half_closed(ours, theirs):
    ours.shutdown(socket.SHUT_WR)


def deaf(ours, theirs):
    theirs.shutdown(socket.SHUT_RD)


def hung_up(ours, theirs):
    theirs.close()


def reset(ours, theirs):
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    ours.send(b"never read")
    theirs.close()


ACTS = [has_bytes, is_full, half_closed, we_half_closed, deaf, hung_up, reset]


def tcp_pair():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        ours = socket.create_connection(listener.getsockname())
        theirs, _ = listener.accept()
    for end in (ours, theirs):
        end.setblocking(False)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
    return ours, theirs


@given(
    make=st.sampled_from([pair, tcp_pair]),
    acts=st.lists(st.sampled_from(ACTS), max_size=3),
    events=st.sampled_from([READ, READ | WRITE]),
)
def test_all_ways_tell_the_same(make, acts, events):
    ours, theirs = make()
    with ours, theirs:
        for act in acts:
            with suppress(OSError):  # one of the acts before ended the connection
                act(ours, theirs)
        said, again = [], None
        while again is None or said[0] != again:  # over TCP what was done may arrive in between
            said = [told(way, ours.fileno(), events) for way in WAYS]
            again = told(WAYS[0], ours.fileno(), events)
        event(str(again))
        assert set(said) == {again}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("act", "events", "expected"),
    [
        (idle, READ, (False, False)),
        (idle, READ | WRITE, (False, True)),
        (has_bytes, READ, (True, False)),
        (has_bytes, READ | WRITE, (True, True)),
        (is_full, READ | WRITE, (False, False)),
        (hung_up, READ, (True, False)),
        (half_closed, READ, (True, False)),
    ],
)
def test_what_each_way_says(way, act, events, expected):
    ours, theirs = pair()
    with ours, theirs:
        act(ours, theirs)
        assert told(way, ours.fileno(), events) == expected


@contextmanager
def unconnected():
    """A socket of which nothing is said but that it is hung up, where only reading is asked for."""
    with socket.socket() as lonely:
        yield lonely.fileno()


@contextmanager
def unread_pipe():
    """The writing end of a pipe of which nobody has the other: nothing is said of it but that there is an error."""
    reading, writing = os.pipe()
    os.close(reading)
    yield writing
    os.close(writing)


@pytest.mark.parametrize("make", [unconnected, unread_pipe])
@pytest.mark.parametrize("events", [READ, READ | WRITE])
def test_what_is_wrong_is_there_to_be_read(make, events):
    with make() as fd:
        assert {told(way, fd, events) for way in WAYS} == {(True, bool(events & WRITE))}


@pytest.mark.skipif(not hasattr(select, "epoll"), reason="no epoll here")
@pytest.mark.parametrize(("make", "bit"), [(unconnected, "EPOLLHUP"), (unread_pipe, "EPOLLERR")])
def test_what_is_wrong_may_be_all_that_is_said(make, bit):
    """So the tests around this one show what they are there for."""
    with make() as fd, select.epoll() as readiness:
        readiness.register(fd, READ)
        assert readiness.poll(0) == [(fd, getattr(select, bit))]


@pytest.mark.parametrize("way", WAYS)
def test_what_is_asked_can_change(way):
    with ExitStack() as afterwards:
        (ours, theirs), (more, _) = [[afterwards.enter_context(end) for end in pair()] for _ in range(2)]
        readiness = way()
        afterwards.callback(readiness.close)
        fd = ours.fileno()
        readiness.register(fd, READ)
        readiness.register(more.fileno(), READ)
        assert readiness.poll(0) == []
        readiness.modify(fd, READ | WRITE)
        assert readiness.poll(0) == [(fd, WRITE)]
        theirs.send(b"x")
        assert readiness.poll(0) == [(fd, READ | WRITE)]
        assert select.select([readiness.fileno()], [], [], 0)[0] == [readiness.fileno()]
        readiness.modify(fd, READ)
        assert readiness.poll(0) == [(fd, READ)]
        readiness.unregister(fd)
        assert readiness.poll(0) == []
        readiness.register(fd, READ)
        assert readiness.poll(0) == [(fd, READ)]


def test_the_quickest_way_is_taken():
    readiness = open_readiness()
    readiness.close()
    assert isinstance(readiness, WAYS[-1])
    assert has_one_descriptor() is hasattr(selectors.DefaultSelector, "fileno")
