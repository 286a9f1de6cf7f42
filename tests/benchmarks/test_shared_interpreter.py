"""What a shared interpreter costs: both ways of running the engine in a Dask worker are measured, and compared."""

import subprocess
import sys
from pathlib import Path

FILE = Path(__file__).parents[2] / "benchmarks" / "shared_interpreter.py"


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
        of_due, heard_a_second, pieces_up, errors = row[11:]
        assert float(of_due.strip("%")) > 50
        assert float(heard_a_second) >= 1
        assert int(pieces_up) >= 1
        assert errors == "0"
    assert told.startswith("20 callers, beside to apart, median of 1: late_p50 ")
