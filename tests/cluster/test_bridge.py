"""One worker's process, carried to and from; with queues of this process, so no Dask."""

import os
import queue
import signal
import sys
import threading
from collections import deque
from pathlib import Path

import attrs
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.cluster import bridge
from coval_load.cluster.bridge import END, KILL, LARGEST_ITEM, Pieces, carry, describe_end, fitting

ECHO = (sys.executable, str(Path(__file__).with_name("echo_worker.py")))


class Cut(Exception):
    """The scheduler is gone."""


@attrs.define
class FakeQueue:
    """`distributed.Queue`, as far as it is used: whoever waits in one that is cut off hears of it."""

    items: queue.SimpleQueue = attrs.field(factory=queue.SimpleQueue)
    is_cut: bool = False

    def put(self, value, timeout=None, callback_timeout=None):
        if self.is_cut:
            raise Cut("closed")
        self.items.put(value)

    def get(self):
        item = self.items.get(timeout=20)
        if item is Cut:
            raise Cut("closed")
        return item

    def cut(self):
        self.is_cut = True
        self.items.put(Cut)


class Bridged:
    """A bridge in a thread of its own."""

    def __init__(self, command=ECHO):
        self.inbox, self.outbox = FakeQueue(), FakeQueue()
        self.why = None
        self.thread = threading.Thread(target=self.run, args=(command,), daemon=True)
        self.thread.start()
        self.pieces = deque()
        self.pid, *self.others = map(int, self.piece().split()[1:])

    def run(self, command):
        self.why = carry("worker-1", self.inbox, self.outbox, command)

    def piece(self):
        while not self.pieces:
            worker, pieces = self.outbox.get()
            assert worker == "worker-1"
            self.pieces.extend(pieces)
        return self.pieces.popleft()

    def ended(self):
        self.thread.join(20)
        assert not self.thread.is_alive()
        assert not psutil.pid_exists(self.pid)
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("worker-1")]
        return self.why


@pytest.fixture
def quick_end(monkeypatch):
    monkeypatch.setattr(bridge, "END_WITHIN_S", 0.1)


@pytest.fixture
def bridged():
    return Bridged()


def test_pieces_go_in_and_come_out_in_order(bridged):
    sent = [b"%d" % number for number in range(200)]
    for start in range(0, 200, 20):
        bridged.inbox.put(sent[start : start + 20])
    assert [bridged.piece() for _ in sent] == sent
    large = os.urandom(3 * 1024 * 1024)
    bridged.inbox.put([large, b"", large])
    assert [bridged.piece() for _ in range(3)] == [large, b"", large]
    bridged.inbox.put([b"last"])
    bridged.inbox.put(END)
    assert bridged.ended() == "its process ended with exit code 0"
    assert bridged.piece() == b"last"
    assert bridged.outbox.get() == ("worker-1", "its process ended with exit code 0", True)


def test_the_process_is_out_of_the_terminals_reach(bridged):
    assert os.getsid(bridged.pid) == bridged.pid != os.getsid(0)
    bridged.inbox.put(END)
    bridged.ended()


def test_an_end_of_its_own_is_told_and_waits_for_nobody(bridged):
    bridged.inbox.put([b"exit 3"])
    assert bridged.ended() == "its process ended with exit code 3"
    assert bridged.outbox.get() == ("worker-1", "its process ended with exit code 3", True)


def test_what_a_process_puts_aside_goes_with_it(bridged):
    folder = Path(psutil.Process(bridged.pid).environ()["TMPDIR"])
    (folder / "aside").write_text("half a recording")
    os.kill(bridged.pid, signal.SIGKILL)
    bridged.thread.join(20)
    assert not folder.exists()


def test_a_process_that_was_killed_is_told(bridged):
    os.kill(bridged.pid, signal.SIGKILL)
    assert bridged.ended() == "its process was killed by SIGKILL"


@pytest.mark.parametrize("before", [b"stop", b"linger"])
def test_a_process_that_hangs_can_be_killed(bridged, before):
    bridged.inbox.put([before, *[b"x" * 100_000] * 20])
    bridged.inbox.put(KILL)
    assert bridged.ended() == "it was killed, as the coordinator asked for"


def test_a_process_that_does_not_end_is_killed(quick_end, bridged):
    bridged.inbox.put([b"linger", *[b"x" * 100_000] * 20])
    bridged.inbox.put(END)
    assert bridged.ended() == "it was killed, since it did not end within 0.1 s of being asked to"


def test_a_process_that_does_not_read_is_killed(monkeypatch):
    monkeypatch.setattr(bridge.Pieces, "offer", lambda pieces, more: more[0] != b"too much")
    bridged = Bridged()
    bridged.inbox.put([b"too much"])
    assert "bytes unread" in bridged.ended()


def test_what_is_no_piece_ends_the_process(bridged):
    bridged.inbox.put([b"garbage"])
    assert "can't be read: expected at most" in bridged.ended()


@pytest.mark.parametrize("lost", ["inbox", "outbox", "both"])
@pytest.mark.parametrize("before", [b"go on", b"linger"])
def test_without_the_scheduler_it_ends(quick_end, bridged, lost, before):
    bridged.inbox.put([before])
    if lost != "outbox":
        bridged.inbox.cut()
    if lost != "inbox":
        bridged.outbox.cut()
        os.kill(bridged.pid, signal.SIGTERM) if before == b"linger" and lost == "outbox" else None
    why = bridged.ended()
    assert "SIGTERM" in why if lost == "outbox" and before == b"linger" else "can't be reached: Cut: closed" in why


def test_what_it_started_keeps_nobody_waiting(quick_end):
    script = (
        "import os, subprocess, sys; child = subprocess.Popen(['sleep', '30']);"
        "said = b'pid %d %d' % (os.getpid(), child.pid);"
        "os.write(1, len(said).to_bytes(4, 'big') + said); sys.stdin.read()"
    )
    bridged = Bridged((sys.executable, "-c", script))
    bridged.inbox.put(END)
    bridged.thread.join(20)
    assert bridged.why == "its process ended with exit code 0"
    assert not psutil.pid_exists(bridged.pid)
    os.kill(bridged.others[0], signal.SIGKILL)


def test_what_can_not_be_started_is_an_error():
    with pytest.raises(OSError, match="No such file"):
        carry("worker-1", FakeQueue(), FakeQueue(), ["/no/such/program"])


@given(st.lists(st.integers(0, LARGEST_ITEM + 10), max_size=6))
def test_items_are_of_bounded_size_and_lose_nothing(sizes):
    class Sized(bytes):
        size = 0

        def __len__(self):
            return self.size

    def sized(size):
        piece = Sized()
        piece.size = size
        return piece

    left = deque(map(sized, sizes))
    items = []
    while left:
        items.append(fitting(left))
    assert [len(piece) for item in items for piece in item] == sizes
    assert all(len(item) == 1 or sum(map(len, item)) <= LARGEST_ITEM for item in items)
    assert fitting(left) == []


def test_pieces_on_their_way_are_bounded():
    pieces = Pieces(most=10)
    assert pieces.offer([b"x" * 20])  # alone, however large
    assert not pieces.offer([b"y"])
    assert pieces.take() == [b"x" * 20]
    assert pieces.offer([b"x" * 6])
    waiting = threading.Thread(target=pieces.put, args=(b"z" * 6,))
    waiting.start()
    assert pieces.take() == [b"x" * 6]
    waiting.join(20)
    assert pieces.take() == [b"z" * 6]
    pieces.close()
    assert pieces.offer([b"late"])
    pieces.put(b"late")
    assert pieces.take() == []


def test_exit_statuses_in_words():
    assert describe_end(0) == "its process ended with exit code 0"
    assert describe_end(-9) == "its process was killed by SIGKILL"
    assert describe_end(-64 - 50) == "its process was killed by signal 114"


def test_a_process_that_stands_still_is_killed_when_nothing_is_heard_of_the_coordinator(monkeypatch):
    monkeypatch.setattr(bridge, "LEASE_S", 0.2)
    monkeypatch.setattr(bridge, "_LATER_S", 0.1)
    bridged = Bridged()
    os.kill(bridged.pid, signal.SIGSTOP)
    bridged.thread.join(20)
    assert not bridged.thread.is_alive()
    assert bridged.why == "it was killed, since nothing was heard of the coordinator for 0.2 s"
