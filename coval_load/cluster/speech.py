"""What a worker's process hears and says over its standard input and output."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import attrs
import trio

from coval_load.cluster.messages import FromWorker, ToWorker, decode_to_worker, encode_from_worker
from coval_load.cluster.pipes import Frames, frame

UNSAID_AT_MOST = 64 * 1024 * 1024
"""Bytes that wait for a pipe that nobody empties, beyond which `say` raises."""
GATHERING_S = 0.005
"""What is said within so long goes as one piece: each costs as much as some twenty messages."""
_RECEIVE_BYTES = 1024 * 1024
_PIECE_AT_MOST = 1024
"""Messages in one piece."""


@contextmanager
def taken_pipes() -> Iterator[tuple[int, int]]:
    """Standard input and output for nobody else: what is printed goes to standard error, what is read is nothing."""
    incoming, outgoing, nowhere = os.dup(0), os.dup(1), os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, 0)
    os.dup2(2, 1)
    os.close(nowhere)
    yield incoming, outgoing


@attrs.define(eq=False)
class Speech:
    """Messages over a pair of pipes; `say` never waits, `run` writes in the background."""

    incoming: trio.abc.ReceiveStream
    outgoing: trio.abc.SendStream
    _unsaid: list[FromWorker] = attrs.field(factory=list, init=False)
    _unwritten: int = attrs.field(default=0, init=False)
    _news: trio.Event = attrs.field(factory=trio.Event, init=False)
    _silence: trio.Event = attrs.field(factory=trio.Event, init=False)

    def __attrs_post_init__(self) -> None:
        self._silence.set()

    def say(self, message: FromWorker, size: int = 200) -> None:
        """Have `message` of about `size` bytes sent. Raises BrokenPipeError where far too much waits already."""
        self._unwritten += size
        if self._unwritten > UNSAID_AT_MOST:
            raise BrokenPipeError(f"expected a coordinator that reads; {self._unwritten} bytes wait for it")
        self._unsaid.append(message)
        self._silence = trio.Event() if self._silence.is_set() else self._silence
        self._news.set()

    async def said(self) -> None:
        """Until the pipe has taken all that was said."""
        await self._silence.wait()

    async def run(self) -> None:
        """Write until cancelled, or until nobody reads any more (BrokenResourceError)."""
        while True:
            await self._news.wait()
            await trio.sleep(GATHERING_S)
            self._news = trio.Event()
            while self._unsaid:
                gathered, self._unsaid = self._unsaid[:_PIECE_AT_MOST], self._unsaid[_PIECE_AT_MOST:]
                await self.outgoing.send_all(frame(encode_from_worker(gathered)))
            self._unwritten = 0
            self._silence.set()

    async def heard(self) -> AsyncIterator[ToWorker]:
        """Messages until the other side closes its pipe. Raises ValueError for what is none."""
        frames = Frames()
        while data := await self.incoming.receive_some(_RECEIVE_BYTES):
            for piece in frames.feed(bytes(data)):
                for message in decode_to_worker(piece):
                    yield message
