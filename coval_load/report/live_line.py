"""The line that says how a run is going: rewritten in place on a small terminal, one every 5 s elsewhere."""

import os
import shutil
from collections.abc import Callable, Mapping
from typing import TextIO

import attrs
import trio

from coval_load.report.paint import one_line
from coval_load.report.units import clock, duration
from coval_load.report.visible import visible

ON_TERMINAL_S = 0.25
ELSEWHERE_S = 5.0
LOOKED_S = 0.25
"""How often somebody looks whether a first simulation is over, where lines are further apart than that."""

_CLEAR = "\r\x1b[K"
_PLAIN_WIDTH = 200


@attrs.frozen
class Progress:
    """How a run is going; times in seconds, percentiles None where nothing was measured yet.

    `total` is how many simulations there will be and `duration_s` how long the run may take; None where
    the plan does not say. `dropped` simulations were due and left out, as an open load may ask. `lately` is the last
    ten seconds. `errors` counts them by kind, `messages` has the latest one of each kind.
    """

    running: int
    queued: int
    completed: int
    failed: int
    elapsed_s: float
    total: int | None = None
    duration_s: float | None = None
    response_latency_p50_s: float | None = None
    response_latency_p95_s: float | None = None
    send_lateness_p99_s: float | None = None
    dropped: int = 0
    response_latency_lately_p95_s: float | None = None
    errors: Mapping[str, int] = attrs.field(factory=dict)
    messages: Mapping[str, str] = attrs.field(factory=dict)

    @property
    def done(self) -> int:
        """Simulations that are over, one way or the other."""
        return self.completed + self.failed


def render(progress: Progress, width: int, colour: bool) -> str:
    """One line without its end, of at most `width - 1` columns: the last one makes some terminals wrap."""
    parts = [
        clock(progress.elapsed_s) + _of(progress),
        f"{progress.done:,}" + (f"/{progress.total:,}" if progress.total else "") + " done",
        f"{progress.failed:,} failed",
        f"{progress.running:,} running"
        + (f" {progress.queued:,} queued" if progress.queued else "")
        + (f" {progress.dropped:,} dropped" if progress.dropped else ""),
    ]
    if progress.response_latency_p50_s is not None:
        low, high = duration(progress.response_latency_p50_s), duration(progress.response_latency_p95_s)
        lately = progress.response_latency_lately_p95_s
        parts.append(f"response p50 {low} p95 {high}" + (f" lately {duration(lately)}" if lately is not None else ""))
    if progress.send_lateness_p99_s is not None:
        parts.append(f"late p99 {duration(progress.send_lateness_p99_s)}")
    if progress.errors:
        by_count = sorted(progress.errors.items(), key=lambda item: (-item[1], item[0]))
        parts.append(", ".join(f"{count:,} {kind}" for kind, count in by_count))
    line = " · ".join(parts)[: max(width - 1, 0)]
    failed = f"{progress.failed:,} failed"
    if colour and progress.failed and failed in line:
        line = line.replace(f" · {failed}", f" · \x1b[31m{failed}\x1b[0m", 1)
    return line


def _of(progress: Progress) -> str:
    if progress.duration_s is None:
        return ""
    over = progress.elapsed_s > progress.duration_s
    return " (no new ones, the rest finishes)" if over else f"/{clock(progress.duration_s)}"


async def show_progress(
    snapshot: Callable[[], Progress],
    stream: TextIO,
    interval: float | None = None,
    *,
    plain: bool = False,
    terminal_width: Callable[[], int] = lambda: shutil.get_terminal_size().columns,
    environment: Mapping[str, str] = os.environ,
) -> None:
    """Show `snapshot()` on `stream` until cancelled, each `interval` seconds.

    On a terminal the line is rewritten in place four times a second and taken away at the end; a stream
    that is none gets a plain line each 5 s, one as soon as a first simulation is over, and one more for each kind of
    error that comes up. `plain`, or `NO_COLOR` set to anything, turns colour and rewriting off.
    A stream that can't be written to any more (a pipe that was closed) ends the display, not the run.
    """
    live = stream.isatty() and not plain and not environment.get("NO_COLOR")
    every = interval if interval is not None else ON_TERMINAL_S if live else ELSEWHERE_S
    due = trio.current_time()
    known: set[str] = set()
    try:
        shown = snapshot()
        while _write(stream, _line(shown, terminal_width()) if live else _lines(shown, known)):
            if trio.current_time() >= due:
                due = max(due + every, trio.current_time())
            shown = await _next(snapshot, shown, due)
    finally:
        if live:
            _write(stream, _CLEAR)


async def _next(snapshot: Callable[[], Progress], shown: Progress, due: float) -> Progress:
    """How it goes at `due`, or as soon as a first simulation is over: people wait for that."""
    while not shown.done and (due_to_look := trio.current_time() + LOOKED_S) < due:
        await trio.sleep_until(due_to_look)
        if (seen := snapshot()).done:
            return seen
    await trio.sleep_until(due)
    return snapshot()


def _line(progress: Progress, terminal_width: int) -> str:
    return _CLEAR + render(progress, terminal_width, colour=True)


def _lines(progress: Progress, known: set[str]) -> str:
    """The line, after one for each kind of error that is not among the `known` ones, which it then is."""
    lines = []
    for kind in progress.errors:
        if kind not in known:
            known.add(kind)
            said = visible(f"error {kind}: {progress.messages.get(kind, '')}")
            lines.append(one_line(said.replace("##[", "## ["), _PLAIN_WIDTH))  # logs of CI fold and colour by it
    return "\n".join((*lines, render(progress, _PLAIN_WIDTH, colour=False))) + "\n"


def _write(stream: TextIO, text: str) -> bool:
    try:
        stream.write(text)
        stream.flush()
    except (OSError, ValueError):  # the reader of the pipe is gone, or the stream was closed
        return False
    return True
