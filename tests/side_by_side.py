"""`make test`: the tests in three processes at once. Two mostly wait and measure, the third mostly computes.

Those that compute give way (`nice`), so that what is measured at the same time is not late because of them.
"""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
WAITING = [*sorted(str(path.relative_to(ROOT)) for path in (ROOT / "tests/end_to_end").glob("test_*.py"))]
WAITING += ["tests/test_readme.py"]


def start(arguments: list[str], before: list[str]) -> subprocess.Popen:
    """pytest with `arguments`; what it says is kept until it is asked for."""
    command = [*before, sys.executable, "-m", "pytest", *sys.argv[1:], *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def main() -> int:
    """Runs them, prints what each said once it is over; the exit code is 0 only if all have it."""
    gives_way = ["nice", "-n", "10"] if shutil.which("nice") else []
    computing = ["tests", "--ignore=tests/end_to_end", "--ignore=tests/test_readme.py"]
    running = [start(computing, gives_way), start(WAITING[::2], []), start(WAITING[1::2], [])]
    try:
        for process in running:
            said, _ = process.communicate()
            sys.stdout.buffer.write(said)
            sys.stdout.flush()
    finally:
        for process in running:
            if process.poll() is None:
                process.terminate()
                process.wait()
    return max(process.returncode for process in running)


if __name__ == "__main__":
    sys.exit(main())
