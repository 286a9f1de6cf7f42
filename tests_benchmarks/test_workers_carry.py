"""The comparison of one worker with two: rows are measured, and no ratio is told where something else was the limit."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def load(name):
    spec = importlib.util.spec_from_file_location(name, BENCHMARKS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


held = load("held")
workers = load("workers")
TINY = ["--rounds", "1", "--seconds", "0.3", "--settle", "0", "--sessions", "4", "--callers", "2", "--share", "0"]


def printed_by(*options):
    command = [sys.executable, str(BENCHMARKS / "workers.py"), *TINY, *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def figures(row):
    """Units a second, microseconds for each, and the shares of the workers."""
    return float(row[4].replace(",", "")), float(row[5]), [int(share.strip("%")) for share in row[6].split("+")]


def test_what_is_measured_has_a_row():
    _, line = printed_by("--work", "chat", "--workers", "2").splitlines()
    row = line.split()
    assert row[1:3] == ["workers", "2"]
    units_a_second, us_a_unit, each = figures(row)
    assert units_a_second > 10
    assert us_a_unit > 5
    assert len(each) == 2
    assert row[12:] == ["-"], line


def row(units, us, *limit, idle=0.0):
    return {"units_a_second": units, "us_a_unit": us, "limit": limit, "idle": idle}


def test_the_ratio_is_the_median_of_rounds_in_which_the_workers_were_the_limit():
    fair = [(row(100, 10, 1.0), row(rate, 10.5, 0.9, 1.0)) for rate in (180, 190, 198)]
    unfair = [(row(100, 10, 0.95), row(120, 10, 0.1, 1.0)), (row(100, 10, 0.2), row(200, 10, 1.0, 1.0))]
    assert [workers.is_fair(pair) for pair in fair + unfair] == [True] * 3 + [False] * 2
    assert workers.told(fair, 5, 2).startswith("1.90 times the units a second; for the same CPU time 0.95 times")
    assert "3 of 5 rounds" in workers.told(fair, 5, 2)
    assert workers.told([], 2, 2).startswith("nothing can be said: in each of 2 rounds")


def test_where_nobody_is_held_only_the_cost_is_told_and_no_round_of_a_busy_machine_counts():
    free, busy = row(100, 10, idle=0.5), row(200, 20, idle=0.02)
    assert workers.is_fair((free, row(200, 12.5, idle=0.2)))
    assert not workers.is_fair((free, busy))
    said = workers.told([(free, row(200, 12.5, idle=0.2))], 3, 2)
    assert said == "for the same CPU time 0.80 times the units, so with 2 times the CPU 1.60 (median of 1 of 3 rounds)"


@pytest.mark.skipif(held.why_not() is not None, reason="takes root and cgroups of version 1")
def test_who_is_held_is_throttled_and_let_go():
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        with held.hold(0.1, "test") as hold:
            hold.take([busy.pid])
            while hold.counts().throttled < 3:
                assert busy.poll() is None
                os.sched_yield()
            assert hold.counts().periods >= 3
        assert not hold.folder.exists()
        assert held.own_group() in Path(f"/proc/{busy.pid}/cgroup").read_text()
    finally:
        busy.kill()
        busy.wait()


def test_where_nobody_can_be_held_it_is_said_why(monkeypatch, tmp_path):
    monkeypatch.setattr(held, "CPU", tmp_path / "none")
    assert held.why_not().startswith("expected to make a group with a share of the CPU under")
