"""What the live terminal costs beside a busy run: 1,000 modelled conversations, their values, eight kinds of errors.

    python benchmarks/live_terminal.py [--seconds 20] [--columns 120] [--lines 40]

The display, the runner, results and pulses are the real ones, on a terminal of its own that a `cat` reads;
conversations only take time. Each step that the display's task takes on the event loop is timed, in seconds of the CPU,
so that other processes don't count. Prints a table, and exits with 1 where the display took more than 2 % of a core or
held the loop for more than 5 ms.
"""

import fcntl
import gc
import os
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import attrs
import click
import trio

from coval_load.engine import metrics
from coval_load.engine.labels import Selector
from coval_load.engine.modelled import ModelledCast, Script, TurnByTurn, Uniform
from coval_load.engine.outcome import ErrorKind, Failure, Outcome, Stage
from coval_load.engine.plan import Timeouts
from coval_load.engine.pulse import Pulse, Pulses, Waiting
from coval_load.engine.results import Results
from coval_load.engine.runner import Runner
from coval_load.engine.scenario import Scenario
from coval_load.engine.shapes.constant import Constant
from coval_load.engine.shapes.interface import Shape
from coval_load.engine.shapes.ramp import Ramp
from coval_load.engine.shapes.ramp import Stage as RampStage
from coval_load.engine.thresholds import Threshold, prepare
from coval_load.report.terminal.display import show_run
from coval_load.report.terminal.gathering import Gathering, Subject
from coval_load.report.terminal.screen import Screen, open_screen

AT_ONCE = 1_000
FRAMES_PER_S = 50 * AT_ONCE
TURNS_PER_S = AT_ONCE // 5
MOST_OF_A_CORE, LONGEST_HOLD_S = 0.02, 0.005


class Nobody:
    """Sees conversations begin and end."""

    def began(self, agent: str) -> None:
        """Nothing is done about it."""

    def ended(self, agent: str) -> None:
        """Nothing is done about it."""


@attrs.define(eq=False)
class Steps(trio.abc.Instrument):
    """How long each step took of the tasks whose name contains `of`."""

    of: str
    lasted_s: list[float] = attrs.field(factory=list, init=False)
    began: float = attrs.field(default=0.0, init=False)

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """Called by Trio."""
        self.began = time.thread_time()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        """Called by Trio."""
        if self.of in task.name:
            self.lasted_s.append(time.thread_time() - self.began)


def _scenario(name: str, shape: Shape, results: Results) -> Scenario:
    lengths = TurnByTurn(Uniform(0.4, 1.2))
    cast = ModelledCast(name, results, lambda _: ("agent", Script(3.0, 3)), lengths, Nobody(), trio.sleep)
    return Scenario(name, shape, cast)


def _thresholds() -> list[Threshold]:
    told = {"response_latency": ("p95", "p99"), "turn_time": ("p50", "p99"), "ttft": ("p95", "mean")}
    return [
        Threshold(name, Selector(), None, aggregate, "<", 1.0, f"{aggregate} < 1s")
        for name, aggregates in told.items()
        for aggregate in aggregates
    ]


async def _busy(results: Results) -> None:
    """Values as 1,000 speaking callers make them, and a failure ten times a second."""
    random, kinds, due = Random(7), list(ErrorKind)[:8], trio.current_time()
    while True:
        results.record_many(metrics.SEND_LATENESS, (random.expovariate(1000) for _ in range(FRAMES_PER_S // 10)))
        results.record_many(metrics.LOOP_LAG, (random.expovariate(1000) for _ in range(10)))
        for name in (metrics.RESPONSE_LATENCY, metrics.TTFB_AUDIO, metrics.TTFT, metrics.TURN_TIME):
            results.record_many(name, (random.lognormvariate(-1, 0.5) for _ in range(TURNS_PER_S // 10)))
        failure = Failure(random.choice(kinds), Stage.CONVERSATION, f"expected an answer; got {random.random()}")
        results.finished(Outcome("failed", failure))
        due += 0.1
        await trio.sleep_until(due)


@contextmanager
def _terminal(columns: int, lines: int) -> Iterator[Screen]:
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    with (
        subprocess.Popen(["cat"], stdin=ours, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as reader,
        os.fdopen(theirs, "w", encoding="utf-8") as stream,
    ):
        screen = open_screen(stream, {"TERM": "xterm"})
        assert screen is not None
        yield screen
        reader.kill()
    os.close(ours)


async def _measure(seconds: float, screen: Screen) -> tuple[Steps, list[float]]:
    results, thresholds, felt = Results(), _thresholds(), list[float]()
    prepare(thresholds, results)
    ramp = Ramp((RampStage(seconds / 2, AT_ONCE // 2), RampStage(seconds / 2, AT_ONCE // 2)), AT_ONCE // 4)
    shapes = {"steady": Constant(AT_ONCE // 2, seconds), "ramp": ramp}
    scenarios = [_scenario(name, shape, results) for name, shape in shapes.items()]
    runner = Runner(scenarios, Timeouts(grace_s=1.0), {}, results, lambda _: None)
    waiting = Waiting(simulation_output_id="0" * 36, agent="agent", test_case="a", turn=2, since_s=0.0)
    pulses = Pulses(runner, results, lambda: waiting)
    subject = Subject("a busy run", runner, results, pulses, thresholds, None, seconds, "coval-runs/busy")
    feel = Gathering.feel

    def timed(self: Gathering, pulse: Pulse) -> None:
        began = time.thread_time()
        feel(self, pulse)
        felt.append(time.thread_time() - began)

    Gathering.feel = timed  # type: ignore[method-assign]
    steps = Steps("show_run")
    trio.lowlevel.add_instrument(steps)
    async with trio.open_nursery() as background:
        background.start_soon(show_run, subject, screen)
        background.start_soon(pulses.run)
        background.start_soon(_busy, results)
        await runner.run()
        background.cancel_scope.cancel()
    trio.lowlevel.remove_instrument(steps)
    return steps, felt


@click.command()
@click.option("--seconds", default=20.0, show_default=True)
@click.option("--columns", default=120, show_default=True)
@click.option("--lines", default=40, show_default=True)
def main(**options: Any) -> None:
    """Measure, and print a table."""
    seconds = options["seconds"]
    gc.disable()  # what a thousand modelled callers leave behind would be taken for the screen's own work
    with _terminal(options["columns"], options["lines"]) as screen:
        steps, felt = trio.run(_measure, seconds, screen)
        frames = screen.frames
    spent, longest = sum(steps.lasted_s) + sum(felt), max(*steps.lasted_s, *felt)
    print(f"{AT_ONCE:,} simulations for {seconds:g} s, a terminal of {options['columns']} x {options['lines']}")
    rows = {
        "redraws": f"{frames:,}",
        "a redraw": f"{sum(steps.lasted_s) / frames * 1e6:,.0f} us",
        "steps of one": f"{len(steps.lasted_s) / frames:.0f}",
        "a pulse taken in": f"{sum(felt) / len(felt) * 1e6:,.0f} us",
        "of a core": f"{spent / seconds:.2%}",
        "longest hold": f"{longest * 1e3:.2f} ms",
    }
    print("\n".join(f"{name:20}{value:>10}" for name, value in rows.items()))
    sys.exit(spent / seconds > MOST_OF_A_CORE or longest > LONGEST_HOLD_S)


if __name__ == "__main__":
    main()
