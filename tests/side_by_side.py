"""`make test`: the tests in three processes at once. Two mostly wait and measure, the third mostly computes.

Those that compute give way (`nice`), so that what is measured at the same time is not late because of them; those that
hold our clock against an agent's come last, when only these are left.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
MEASURING = ["tests/end_to_end/test_starved.py", "tests/end_to_end/test_truth.py"]
WAITING = [*sorted(str(path.relative_to(ROOT)) for path in (ROOT / "tests/end_to_end").glob("test_*.py"))]
WAITING = [path for path in [*WAITING, "tests/test_readme.py"] if path not in MEASURING]


def start(arguments: list[str], before: list[str]) -> subprocess.Popen:
    """pytest with `arguments`; what it says is kept until it is asked for."""
    command = [*before, sys.executable, "-m", "pytest", *sys.argv[1:], *arguments]
    environment = {"OPENBLAS_NUM_THREADS": "1", **os.environ}
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment)


def main() -> int:
    """Runs them, prints what each said once it is over; the exit code is 0 only if all have it."""
    gives_way = ["nice", "-n", "10"] if shutil.which("nice") else []
    computing = ["tests", "--ignore=tests/end_to_end", "--ignore=tests/test_readme.py"]
    computing_ones = start(computing, gives_way)
    running = [computing_ones, start(WAITING[::2], []), start(WAITING[1::2], [])]
    try:
        for process in running[1:]:
            finish(process)
        running.append(start(MEASURING, []))
        for process in (running[-1], computing_ones):
            finish(process)
    finally:
        for process in running:
            if process.poll() is None:
                process.terminate()
                process.wait()
    return max(process.returncode for process in running)


def finish(process: subprocess.Popen) -> None:
    """Print what it said when it is over."""
    said, _ = process.communicate()
    sys.stdout.buffer.write(said)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
