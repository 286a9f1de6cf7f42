"""Realtime agents in virtual time, on a line that is two lists."""

import json

import pybase64
import pytest
import trio
import trio_websocket
from reference_callers import KeptStamps, options_for, tone

from coval_load.reference.contradictions import contradictions
from coval_load.reference.line import Line

FRAME_S = 0.02


class Closed(Exception):
    """The agent closed the connection."""


class Wire:
    """Stands for a WebSocket connection: what arrives is fed in, what is sent is kept with its time."""

    def __init__(self):
        self._feed, self._fed = trio.open_memory_channel(float("inf"))
        self._news = trio.Event()
        self.start = trio.current_time()
        self.sent = []
        self.closed = None

    async def get_message(self):
        try:
            return await self._fed.receive()
        except trio.EndOfChannel:
            raise self._over() from None

    async def send_message(self, message):
        await trio.lowlevel.checkpoint()
        if self.closed:
            raise self._over()
        self.sent.append((trio.current_time() - self.start, message))
        self._news.set()
        self._news = trio.Event()
        # Who is at the other end may answer before the sender goes on.
        for _ in range(5):
            await trio.lowlevel.checkpoint()

    async def aclose(self, code, reason):
        self.closed = (code, reason)
        self.hang_up()

    def _over(self):
        return trio_websocket.ConnectionClosed(
            trio_websocket.CloseReason(self.closed[0] if self.closed else 1000, None)
        )

    def hang_up(self):
        self._feed.close()

    def say(self, message):
        self._feed.send_nowait(message if isinstance(message, str) else json.dumps(message))

    def events(self, kind=None):
        """What the agent sent so far, of one type or of all."""
        events = [json.loads(message) for _, message in self.sent]
        return [event for event in events if kind in (None, event.get("type"))]

    def types(self):
        return [event["type"] for event in self.events()]

    def times(self, kind):
        return [at for at, message in self.sent if json.loads(message).get("type") == kind]

    async def until(self, is_it):
        """The first event of all, sent already or still to come, of which `is_it` says yes."""
        seen = 0
        with trio.fail_after(1000):
            while True:
                news = self._news
                while seen < len(self.sent):
                    event = json.loads(self.sent[seen][1])
                    seen += 1
                    if is_it(event):
                        return event
                await news.wait()

    async def until_type(self, kind, nth=1):
        """The `nth` event of a type."""
        await self.until(lambda event: len(self.events(kind)) >= nth)
        return self.events(kind)[nth - 1]

    async def stream(self, audio, wrap, rate_hz, sample_bytes=2):
        """Sends audio as a caller does, a frame every 20 ms; `wrap` makes a message of each."""
        step = sample_bytes * round(rate_hz * FRAME_S)
        for at in range(0, len(audio), step):
            self.say(wrap(pybase64.b64encode(audio[at : at + step]).decode()))
            await trio.sleep(FRAME_S)


class Scene:
    """An agent with these arguments on a wire."""

    def __init__(self, agent_class, *arguments, headers=(), target="/"):
        self.options, _ = options_for(*arguments)
        assert contradictions(self.options) == []
        self.agent = agent_class(self.options)
        self.wire = Wire()
        self.stamps = KeptStamps()
        self.headers = dict(headers)
        self.target = target
        self.kinds = frozenset(m.kind for m in self.options.misbehaviours)

    async def play(self, script):
        """Runs `script(wire)` against the agent, then hangs up."""
        line = Line(self.wire, None, None, 0, self.stamps, self.kinds, self.options.seed)
        line.target, line.headers = self.target, self.headers
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.agent.converse, line)
            await script(self.wire)
            self.wire.hang_up()

    def at(self, what):
        """When it was stamped, each time, in seconds since the start."""
        return [stamp["at"] - self.wire.start for stamp in self.stamps.of(what)]


def about(value):
    return pytest.approx(value, abs=1e-3)


def silence(seconds, rate_hz):
    return bytes(len(tone(seconds, rate_hz)))
