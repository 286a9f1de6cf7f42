"""What a shared interpreter costs: both ways of running the engine in a Dask worker are measured, and compared."""

import importlib
import subprocess
import sys
from pathlib import Path

FILE = Path(__file__).parents[1] / "benchmarks" / "shared_interpreter.py"


def test_either_way_the_callers_speak_and_the_coordinator_is_heard():
    options = [
        "--simulations",
        "20",
        "--seconds",
        "1",
        "--settle",
        "0",
        "--rounds",
        "1",
        "--ways",
        "apart,beside",
        "--plain",
    ]
    done = subprocess.run([sys.executable, FILE, *options], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    *_, apart, beside, told = done.stdout.splitlines()
    for way, line in (("apart", apart), ("beside", beside)):
        row = line.split()
        assert row[:2] == [way, "20"]
        of_due, heard_a_second, pieces_up, errors = row[12:]
        assert float(of_due.strip("%")) > 50
        assert float(heard_a_second) >= 1
        assert int(pieces_up) >= 1
        assert errors == "0"
    assert told.startswith("20 callers, beside to apart: ")


def row(late_s, others):
    names = ("late_p50_s", "late_p99_s", "late_max_s", "lag_p99_s", "us_a_pair")
    return {"others": others, **dict.fromkeys(names, late_s)}


def test_a_round_in_which_others_had_the_core_is_not_compared(monkeypatch):
    monkeypatch.syspath_prepend(FILE.parent)
    told = importlib.import_module("shared_interpreter").told
    quiet = [(row(0.002, 0.01), row(late_s, 0.02)) for late_s in (0.004, 0.006, 0.030)]
    busy = [(row(0.002, 0.4), row(0.9, 0.0)), (row(0.002, 0.0), row(0.9, 0.4))]
    assert "late_p99 3.00," in told(quiet + busy)
    assert told(quiet + busy).endswith("(median of 3 of 5 rounds)")
    assert told(busy).startswith("nothing can be said: in each of 2 rounds")
