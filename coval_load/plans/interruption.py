"""Ctrl-C: first no new simulations, then, at the second, an end at once."""

import signal
import sys
from contextlib import suppress

import attrs
import trio

from coval_load.engine.runner import Runner

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def _heeded() -> tuple[signal.Signals, ...]:
    """Also that the terminal is gone, unless `nohup` says not to mind."""
    if sys.platform == "win32" or signal.getsignal(signal.SIGHUP) is not signal.SIG_DFL:
        return _SIGNALS
    return (*_SIGNALS, signal.SIGHUP)


@attrs.define
class Interrupts:
    """Whether the run was asked to stop."""

    runner: Runner
    interrupted: bool = False

    def stop(self) -> None:
        """No new simulations from now on, as at the first signal."""
        self.interrupted = True
        self.runner.stop()


async def heed_interrupts(
    runner: Runner, patient: bool = True, task_status: trio.TaskStatus[Interrupts] = trio.TASK_STATUS_IGNORED
) -> None:
    """Stop the runner at the first signal, cut it off at the second, or at the first unless `patient`.

    Runs until cancelled.
    """
    interrupts = Interrupts(runner)
    with trio.open_signal_receiver(*_heeded()) as signals:
        task_status.started(interrupts)
        async for _ in signals:
            if interrupts.interrupted or not patient:
                interrupts.interrupted = True
                runner.cut()
                continue
            interrupts.stop()
            with suppress(OSError, ValueError):  # who would have read it may have gone
                print(
                    f"stopping: no new simulations; {runner.running} running ones have {runner.timeouts.grace_s:g} s "
                    "to finish (again to cut them off)",
                    file=sys.stderr,
                    flush=True,
                )
