"""One worker: a process that carries out the simulations that its coordinator deals to it."""

import os
import platform
import signal
import socket
import sys
import tempfile
from functools import partial
from pathlib import Path

import attrs
import trio

from coval_load.cluster import messages as say
from coval_load.cluster.lease import LEASE_S
from coval_load.cluster.parcel import unpack
from coval_load.cluster.speech import Speech, taken_pipes
from coval_load.cluster.work import Work
from coval_load.engine import resources
from coval_load.engine.process_tuning import raise_descriptor_limit, spared_collector
from coval_load.engine.run_folder import versions

WATCH_EVERY_S = 1.0


def main() -> None:
    """Until the coordinator is done, or gone."""
    # Ctrl-C is the coordinator's to heed: it has simulations end in an orderly way.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise_descriptor_limit()
    with taken_pipes() as (incoming, outgoing):
        trio.run(partial(_run, incoming, outgoing))


async def _run(incoming: int, outgoing: int) -> None:
    async with trio.lowlevel.FdStream(incoming) as ears, trio.lowlevel.FdStream(outgoing) as mouth:
        await Worker(Speech(ears, mouth)).run()


@attrs.define(eq=False)
class Worker:
    """A worker's process, over `speech`."""

    speech: Speech
    _heard_at: float = attrs.field(factory=trio.current_time, init=False)
    _setting: say.Setting | None = attrs.field(default=None, init=False)
    _set: trio.Event = attrs.field(factory=trio.Event, init=False)
    _work: Work | None = attrs.field(default=None, init=False)

    async def run(self) -> None:
        """From hello to bye. Ends at once where the coordinator is gone, or was silent for its lease."""
        async with trio.open_nursery() as nursery:
            over = nursery.cancel_scope
            nursery.start_soon(self._speak, over)
            nursery.start_soon(self._listen, over)
            nursery.start_soon(self._watch_lease, over)
            self.speech.say(_hello())
            await self._set.wait()
            await self._carry_out()
            await self.speech.said()
            over.cancel()

    async def _carry_out(self) -> None:
        setting = self._setting
        assert setting is not None
        with tempfile.TemporaryDirectory(prefix="coval-load-worker-") as folder:
            try:
                ensemble = unpack(setting.plan, Path(folder))
            except Exception as error:  # noqa: BLE001 - whatever a package raises that is not the same here
                reason = f"expected a plan that can be loaded; got {type(error).__name__}: install the same packages"
                self.speech.say(say.Unable([f"{reason} as where the run is started"]))
                return
            with spared_collector():
                work = Work(ensemble, setting, self.speech)
                async with work.opened():
                    self._work = work
                    self.speech.say(say.Ready())
                    await work.finished()
            self._work = None

    async def _speak(self, over: trio.CancelScope) -> None:
        try:
            await self.speech.run()
        except trio.BrokenResourceError:
            over.cancel()

    async def _listen(self, over: trio.CancelScope) -> None:
        async for message in self.speech.heard():
            self._heard_at = trio.current_time()
            match message:
                case say.Ping(number, origin):
                    self.speech.say(say.Pong(number, trio.current_time()))
                    if origin is not None and self._work is not None:
                        self._work.take(say.Origin(origin))
                case say.Setting():
                    self._setting = message
                    self._set.set()
                case _ if self._work is not None:
                    self._work.take(message)
        over.cancel()

    async def _watch_lease(self, over: trio.CancelScope) -> None:
        # By the clock, not by what is heard: of a process that was stopped, what lay in the pipe is long out of date.
        while True:
            due = trio.current_time() + WATCH_EVERY_S
            await trio.sleep_until(due)
            now = trio.current_time()
            stood_still_s = now - due if self._work is not None else 0.0  # to load a plan may take its time
            if max(stood_still_s, now - self._heard_at) > LEASE_S:
                print(f"coval-load worker: nothing was heard of the coordinator for {LEASE_S:g} s", file=sys.stderr)
                over.cancel()
                return


def _hello() -> say.Hello:
    return say.Hello(
        host=socket.gethostname() or platform.node(),
        pid=os.getpid(),
        versions=dict(versions()),
        most_descriptors=resources.descriptor_limits()[1],
    )
