"""An agent that counts its callers, and what is left of the run that they belong to."""

import json

import attrs
import trio
import trio_websocket

from coval_load.engine.run_folder import read_rows

QUICK = {"coalesce_timeout_seconds": 0}
LIMIT = 8
"""What is usual for chat over WebSocket."""
A_CLOCK_S = 0.02
"""Clocks of processes of one machine are told to be less apart than this."""


@attrs.define
class Crowd:
    """An agent that counts who is on the line, at each instant; `reached` is set when there are `many`.

    It answers after `delay_s`, or once `answers` is set.
    """

    many: int
    delay_s: float = 0.0
    at_once: int = 0
    most: int = 0
    calls: int = 0
    called: trio.Event = attrs.field(factory=trio.Event)
    reached: trio.Event = attrs.field(factory=trio.Event)
    answers: trio.Event = attrs.field(factory=trio.Event)
    empty: trio.Event = attrs.field(factory=trio.Event)

    async def calls_more(self, count):
        """Waits for so many calls from now on."""
        wanted = self.calls + count
        with trio.fail_after(60):
            while self.calls < wanted:
                self.called = trio.Event()
                await self.called.wait()

    async def take(self, call):
        self.at_once += 1
        self.calls += 1
        self.called.set()
        self.most = max(self.most, self.at_once)
        if self.at_once == self.many:
            self.reached.set()
        self.empty = trio.Event()
        try:
            await call.hear()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._answer, call)
                await call.stay()
        except* trio_websocket.ConnectionClosed:
            pass
        finally:
            self.at_once -= 1
            if not self.at_once:
                self.empty.set()

    async def _answer(self, call):
        with trio.move_on_after(self.delay_s):
            await self.answers.wait()
        await call.say("hi")


def rows_of(folder):
    return list(read_rows(folder / "run" / "simulations.jsonl"))


def summary_of(folder):
    return json.loads((folder / "run" / "summary.json").read_text())


def assert_none_was_early(rows):
    """Nobody is called before it is due, by whatever is measured."""
    for row in rows:
        assert min(row["metrics"].values()) > -A_CLOCK_S, row
        assert row["started_at"] - row["scheduled_at"] > -A_CLOCK_S, row
