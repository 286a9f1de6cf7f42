"""`make test`: the tests in several processes at once. Three mostly wait and measure, the others mostly compute.

Those that compute give way (`nice`), so that what is measured at the same time is not late because of them, and no core
is idle while others wait. Those that hold our clock against an agent's come when the others that wait are done.
"""

import math
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import trio

ROOT = Path(__file__).parents[1]
MEASURING = ["tests/end_to_end/test_starved.py", "tests/end_to_end/test_truth.py"]
COMPUTING = [
    ["tests/report"],
    ["tests/cluster"],
    ["tests/codecs", "tests/agents", "tests/actors"],
    ["tests/engine"],
    ["tests/reference"],
    ["tests/plans"],
]
"""What takes long goes first; before them all goes whatever is in none of these, which waits, too."""
ALSO_WAITING = [
    "tests/cluster/test_dask_post.py",
    "tests/test_docs_cluster.py",
]
"""Beside those of tests/end_to_end: for processes that come up, and end."""
SECONDS: Mapping[str, float] = {
    "test_docs_cluster": 30,
    "test_dask_post": 40,
    "test_cut_off": 36,
    "test_realtime_conversations": 45,
    "test_without_room": 10,
    "test_worker_faults": 26,
    "test_broken_terminal": 20,
    "test_dashboard": 20,
    "test_report_page": 55,
    "test_interrupts": 17,
    "test_readme": 22,
    "test_live_terminal": 16,
    "test_full_disk": 15,
    "test_realtime_guide": 15,
    "test_colours": 11,
    "test_worker_limits": 26,
    "test_worker_runs": 22,
    "test_kept_conversations": 10,
    "test_misbehaviour": 10,
    "test_http_attacks": 9,
    "test_http_misbehaviour": 10,
    "test_resume_time": 8,
    "test_commands": 7,
    "test_docs_http": 7,
    "test_http_cuts": 7,
    "test_reconnects": 7,
    "test_voice_conversations": 8,
    "test_a2a_conversations": 6,
    "test_aligned_recordings": 6,
    "test_durability": 6,
    "test_loads": 6,
    "test_monitoring": 6,
    "test_soak_command": 6,
    "test_cuts": 5,
    "test_deadlines": 4,
    "test_resume_cut_off": 4,
    "test_resume_refused": 4,
    "test_chat_conversations": 3,
    "test_exports": 3,
    "test_plan_command": 3,
    "test_secrets_stay": 3,
}
"""About how long files take that wait long, on a machine of two cores."""
OTHER_S = 1.5
CORES = 2
GIVES_WAY = ["nice", "-n", "10"] if shutil.which("nice") else []


def found(pattern: str) -> list[str]:
    """Paths from the root of the repository."""
    return sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob(pattern))


def waiting_shares(count: int = 3) -> list[list[str]]:
    """The end-to-end tests but those that measure, and others that wait, in shares that take equally long."""
    paths = {*found("tests/end_to_end/test_*.py"), *ALSO_WAITING} - {*MEASURING}
    shares: list[list[str]] = [[] for _ in range(count)]
    for path in sorted(paths, key=lambda path: (-seconds([path]), path)):
        min(shares, key=seconds).append(path)
    return [sorted(share) for share in shares]


def seconds(paths: Iterable[str]) -> float:
    return math.fsum(SECONDS.get(Path(path).stem, OTHER_S) for path in paths)


def computing_shares() -> list[list[str]]:
    """Folders and files with all other tests."""
    taken = {"tests/end_to_end", *(path for share in COMPUTING for path in share)}
    folders = {str(Path(path).parent) for path in found("tests/*/**/test_*.py")}
    others = {folder for folder in folders if not any(Path(folder).is_relative_to(path) for path in taken)}
    return [_that_compute(share) for share in ({*others, *found("tests/test_*.py")}, *COMPUTING)]


def _that_compute(share: Iterable[str]) -> list[str]:
    """A share without what waits; a folder that has some of that is told file by file."""
    paths = {path for one in share for path in (found(f"{one}/**/test_*.py") if _has_waiting(one) else [one])}
    return sorted(paths - {*ALSO_WAITING})


def _has_waiting(folder: str) -> bool:
    return any(Path(path).is_relative_to(folder) and path != folder for path in ALSO_WAITING)


class Suite:
    """What runs at the moment, and whether all went well so far."""

    def __init__(self, to_compute: Sequence[Sequence[str]], options: Sequence[str]) -> None:
        self.to_compute = list(to_compute)
        self.options = options
        self.worst = 0

    async def take(self, paths: Sequence[str], before: Sequence[str] = ()) -> None:
        """Run pytest, and print what it said once it is over."""
        environment = {"OPENBLAS_NUM_THREADS": "1", **os.environ}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # or each of hundreds of processes compiles all it imports
        command = [*before, sys.executable, "-m", "pytest", *self.options, *paths]
        done = await trio.run_process(
            command, cwd=ROOT, env=environment, check=False, capture_stdout=True, stderr=subprocess.STDOUT
        )
        sys.stdout.buffer.write(done.stdout)
        sys.stdout.flush()
        self.worst = max(self.worst, abs(done.returncode))

    async def compute(self) -> None:
        """One share after the other, as long as there are any."""
        while self.to_compute:
            await self.take(self.to_compute.pop(0), GIVES_WAY)

    async def run(self) -> None:
        """All of it."""
        async with trio.open_nursery() as computing:
            for _ in range(CORES):
                computing.start_soon(self.compute)
            async with trio.open_nursery() as waiting:
                for share in waiting_shares():
                    waiting.start_soon(self.take, share)
            await self.take(MEASURING)


if __name__ == "__main__":
    suite = Suite(computing_shares(), sys.argv[1:])
    trio.run(suite.run)
    sys.exit(suite.worst)
