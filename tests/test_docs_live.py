"""The example screen of the documentation has the labels that the screen has, and the lines those of a pipe."""

import re
import sys
from pathlib import Path

import attrs
from docs_pages import blocks, page

sys.path.insert(0, str(Path(__file__).parent / "report" / "terminal"))

from shown import BUSY

from coval_load.report.live_line import Progress, render
from coval_load.report.terminal.view import LEAST_COLUMNS, LEAST_LINES, lines_of

SCREEN, LINES = (text for _, text in blocks("live"))
PROGRESS = Progress(
    running=43,
    queued=0,
    completed=1200,
    failed=12,
    elapsed_s=95.0,
    duration_s=600.0,
    response_latency_p50_s=0.55,
    response_latency_p95_s=0.7,
    send_lateness_p99_s=0.0005,
    response_latency_lately_p95_s=0.782,
    errors={"connection_closed": 12},
)


def labels(lines):
    return [re.match(r" *([a-z_]*(?: [a-z]+)?)", line)[1] for line in lines if line.strip()]


def test_the_example_is_what_is_shown():
    snapshot = attrs.evolve(BUSY, dashboard=None)
    lines = [line.plain.rstrip() for line in lines_of(snapshot, 118, 33)]
    assert labels(SCREEN.splitlines()) == labels(lines)
    assert "\n".join(lines) + "\n" == SCREEN


def test_each_label_is_explained():
    explained = page("live").split("| --- |")[1]
    for label in (
        "running",
        "completed",
        "failed",
        "queued",
        "dropped",
        "latency",
        "generator",
        "errors",
        "thresholds",
    ):
        assert f"`{label}`" in explained
        assert label in SCREEN


def test_the_lines_of_a_pipe():
    assert render(PROGRESS, 200, colour=False) == LINES.splitlines()[1]
    assert LINES.startswith("error connection_closed: expected ")


def test_the_least_size():
    assert f"{LEAST_COLUMNS} columns and {LEAST_LINES} lines" in page("live")
