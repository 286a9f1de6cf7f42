"""The folder that a run leaves behind: `run.json`, `summary.json`, `simulations.jsonl`, `recordings/`."""

import functools
import os
import platform
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO

import attrs
import orjson

from coval_load import __version__
from coval_load.engine.plain_json import dump_json
from coval_load.faults import Fault, Faulty

if sys.platform != "win32":
    import fcntl

RUNS = Path("coval-runs")
"""Where runs go that name no folder of their own."""

_VERSIONS_OF = ("trio", "websockets", "httptools", "orjson", "numpy", "samplerate", "av", "hdrhistogram")
_SLUG_AT_MOST = 60


@attrs.define
class RunFolder:
    """One run's folder. Made by `create`; the calls write small files and block for as long as that takes.

    Error handling: what the disk does not take is not raised, as what was measured must be shown all the same;
    after `finish`, `fault` says why `summary.json` and `run.json` are not there as they should be.
    """

    path: Path
    name: str
    started_utc: datetime
    fault: OSError | None = attrs.field(default=None, init=False)
    _lock: BinaryIO | None = attrs.field(default=None, init=False, repr=False)
    _run: dict[str, Any] = attrs.field(factory=dict, init=False, repr=False)

    @property
    def run_file(self) -> Path:
        """`run.json`."""
        return self.path / "run.json"

    @property
    def summary_file(self) -> Path:
        """`summary.json`."""
        return self.path / "summary.json"

    @property
    def simulations_file(self) -> Path:
        """`simulations.jsonl`."""
        return self.path / "simulations.jsonl"

    @property
    def timeline_file(self) -> Path:
        """`timeline.jsonl`."""
        return self.path / "timeline.jsonl"

    @property
    def fault_file(self) -> Path:
        """`faults.log`: tracebacks of faults of our own; there only if there were any."""
        return self.path / "faults.log"

    def recording(self, simulation_output_id: str) -> Path:
        """Where a simulation's recording goes; makes the folder of recordings."""
        folder = self.path / "recordings"
        folder.mkdir(exist_ok=True)
        return folder / f"{simulation_output_id}.wav"

    def begin(
        self,
        plan: Mapping[str, Any],
        monotonic_start: float,
        started_utc: datetime | None = None,
        *,
        run_id: str = "",
        source: Mapping[str, Any] | None = None,
    ) -> None:
        """Write `run.json`: `plan` as resolved and masked, the monotonic clock at the start in seconds.

        `started_utc` is the wall clock at that same instant, where the folder was made some time before. `source`
        says where the plan came from, so that the run can be resumed.
        """
        self.started_utc = started_utc or self.started_utc
        self._run = {
            "name": self.name,
            "run_id": run_id,
            "plan": dict(plan),
            "source": dict(source or {}),
            "versions": dict(versions()),
            "machine": _machine(),
            "started": iso_utc(self.started_utc),
            "monotonic_start": monotonic_start,
            "ended": None,
            "exit_code": None,
            "resumed": [],
        }
        self._write(self.run_file, self._run)

    def hold(self) -> None:
        """Keep other processes from resuming the run as long as this one lives. Raises Faulty where one does."""
        if sys.platform == "win32" or self._lock is not None:
            return
        try:
            lock = self.simulations_file.open("ab")
        except OSError:
            return  # what keeps rows from being written is told where they are
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise Faulty(
                [Fault("", f"expected a run that has ended in {self.path}, but another process still runs it")]
            ) from None
        except OSError:
            lock.close()  # a file system without locks
            return
        self._lock = lock

    def let_go(self) -> None:
        """The run is over."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def withdraw(self) -> None:
        """Take a new folder away again; it stays where anything was written to it."""
        with suppress(OSError):
            if self.run_file.exists() and not self.run_file.stat().st_size:
                self.run_file.unlink()
            self.path.rmdir()

    def resume(self, run: Mapping[str, Any], resumed_utc: datetime) -> None:
        """Go on with the run whose `run.json` is `run`; a `summary.json` of its earlier part is taken away."""
        resumed = [*run.get("resumed", ()), iso_utc(resumed_utc)]
        self._run = {**run, "resumed": resumed, "ended": None, "exit_code": None}
        self._write(self.run_file, self._run)
        # Should the disk take run.json at the end and no summary, the old one must not pass for the whole run's.
        with suppress(OSError):
            self.summary_file.unlink(missing_ok=True)

    def finish(
        self, summary: Mapping[str, Any], ended_utc: datetime, exit_code: int, *, unwritten: int | None = None
    ) -> dict[str, Any]:
        """Write `summary.json` and the end into `run.json`; returns the latter as written.

        `unwritten` is what the process exits with where the disk does not take the summary.
        """
        self.fault = None
        if not self._write(self.summary_file, dict(summary)) and unwritten is not None:
            exit_code = unwritten
        self._run |= {"ended": iso_utc(ended_utc), "exit_code": exit_code}
        self._write(self.run_file, self._run)
        return dict(self._run)

    def _write(self, path: Path, content: dict[str, Any]) -> bool:
        try:
            write_atomically(path, dump_json(content, indented=True))
        except OSError as error:
            self.fault = self.fault or error
            return False
        return True


def reopen(path: Path, run: Mapping[str, Any]) -> RunFolder:
    """The folder of a run that is to go on, whose `run.json` is `run`."""
    return RunFolder(path, str(run["name"]), datetime.fromisoformat(run["started"]))


def create(out: Path | None, name: str, started_utc: datetime) -> RunFolder:
    """Make the folder of a run: `out`, or `coval-runs/<UTC time>-<name>` where None.

    Error handling: Faulty where `out` has a run in it already, is a file, or can't be made.
    """
    try:
        path = _take(out) if out else _make_new(started_utc, name)
    except OSError as error:
        raise Faulty([_unusable(out or RUNS, f"the system said: {error.strerror or error}")]) from error
    return RunFolder(path, name, started_utc)


def _take(out: Path) -> Path:
    if out.exists() and not out.is_dir():
        raise Faulty([_unusable(out, "there is a file of that name")])
    out.mkdir(parents=True, exist_ok=True)
    for left_behind in ("run.json", "summary.json", "simulations.jsonl", "timeline.jsonl"):
        if (out / left_behind).exists():
            raise Faulty([_unusable(out, "it has a run in it already")])
    # Two runs that start at once find no run here; only one of them can make this file.
    try:
        (out / "run.json").touch(exist_ok=False)
    except FileExistsError:
        raise Faulty([_unusable(out, "another run took it just now")]) from None
    return out


def _make_new(started_utc: datetime, name: str) -> Path:
    stem = f"{started_utc.astimezone(UTC):%Y%m%dT%H%M%SZ}-{slug(name)}"
    RUNS.mkdir(parents=True, exist_ok=True)
    attempt = 1
    while True:
        path = RUNS / (stem if attempt == 1 else f"{stem}-{attempt}")
        try:
            path.mkdir()
        except FileExistsError:
            attempt += 1
        else:
            return path


def _unusable(folder: Path, why: str) -> Fault:
    return Fault("", f"expected a folder for this run at {folder}, but {why}; give another one with --out")


def slug(name: str) -> str:
    """`name` as it may stand in a path on any system; `run` where nothing of it may."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower())[:_SLUG_AT_MOST].strip("-") or "run"


def iso_utc(moment: datetime) -> str:
    """ISO 8601 in UTC with milliseconds: `2026-01-02T03:04:05.678Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def write_atomically(path: Path, content: bytes) -> None:
    """Replace `path` with `content`: a reader, or a crash, finds the old file or the new one, whole."""
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError:
        with suppress(OSError):  # on a full disk what is left of it would take room, too
            part.unlink(missing_ok=True)
        raise


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of `simulations.jsonl`, one at a time; a last line that a kill tore off is left out.

    Error handling: ValueError, naming the line, where any other line is no JSON object.
    """
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                return
            if line == b"\n":
                continue
            yield _row(path, number, line)


def _row(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"{path}, line {number}: expected JSON, got {line[:80]!r}: {error}") from error
    if not isinstance(row, dict):
        raise ValueError(f"{path}, line {number}: expected a JSON object, got {line[:80]!r}")
    return row


@functools.cache
def versions() -> Mapping[str, str]:
    """What this process runs on, by name."""
    found = {"coval_load": __version__, "python": platform.python_version()}
    for package in _VERSIONS_OF:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return MappingProxyType(found)


def _machine() -> dict[str, Any]:
    usable = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count()
    return {
        "platform": platform.platform(),
        "architecture": platform.machine(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "cpus": os.cpu_count(),
        "cpus_usable": usable,
    }
