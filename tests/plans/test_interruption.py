import signal

import attrs
import pytest
import trio
import trio.testing

from coval_load.engine.plan import Timeouts
from coval_load.plans.interruption import heed_interrupts


@attrs.define
class Runner:
    """Keeps what it was told."""

    running: int = 3
    timeouts: Timeouts = attrs.field(factory=lambda: Timeouts(grace_s=12))
    told: list = attrs.field(factory=list)

    def stop(self):
        self.told.append("stop")

    def cut(self):
        self.told.append("cut")


async def test_nobody_there_to_read_it(monkeypatch):
    class Gone:
        def write(self, text):
            raise BrokenPipeError

    monkeypatch.setattr("sys.stderr", Gone())
    runner = Runner()
    async with trio.open_nursery() as nursery:
        interrupts = await nursery.start(heed_interrupts, runner)
        signal.raise_signal(signal.SIGHUP)
        while not runner.told:
            await trio.lowlevel.checkpoint()
        assert (interrupts.interrupted, runner.told) == (True, ["stop"])
        nursery.cancel_scope.cancel()


async def test_a_terminal_that_goes_is_not_minded_under_nohup():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        runner = Runner()
        async with trio.open_nursery() as nursery:
            interrupts = await nursery.start(heed_interrupts, runner)
            signal.raise_signal(signal.SIGHUP)
            await trio.testing.wait_all_tasks_blocked(0.01)
            assert not interrupts.interrupted
            nursery.cancel_scope.cancel()
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_first_stop_then_cut(number, capsys):
    runner = Runner()
    async with trio.open_nursery() as nursery:
        interrupts = await nursery.start(heed_interrupts, runner)
        assert not interrupts.interrupted
        for told in (["stop"], ["stop", "cut"], ["stop", "cut", "cut"]):
            signal.raise_signal(number)
            while runner.told != told:
                await trio.lowlevel.checkpoint()
            assert interrupts.interrupted
        nursery.cancel_scope.cancel()
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert "3 running ones have 12 s" in said.err


async def test_afterwards_signals_are_what_they_were():
    before = signal.getsignal(signal.SIGTERM)
    async with trio.open_nursery() as nursery:
        await nursery.start(heed_interrupts, Runner())
        assert signal.getsignal(signal.SIGTERM) is not before
        nursery.cancel_scope.cancel()
    assert signal.getsignal(signal.SIGTERM) is before
