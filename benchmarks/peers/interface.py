"""What `compare.py` asks of a peer: each folder beside this file has a `peer.py` with `PEERS`, a tuple of `Peer`."""

import re
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import attrs

WORKS = ("frames", "chat", "connections", "http_chat")


@attrs.frozen
class Job:
    """What a peer is to do, and against which agent.

    `work` is one of `WORKS`, see README.md. `endpoint` is a WebSocket URL (`wss://127.0.0.1:PORT/`, `ws:` without TLS),
    for `http_chat` an HTTP one that ends in `/chat`. `ca_file` is a PEM file with the authority that issued the agent's
    certificate (valid for 127.0.0.1), None without TLS. `sessions` are held at once, begun as fast as the peer can.
    `seconds` is how long the peer works, counted from its own start: long enough for all that is measured; the harness
    ends it by its `stop_signal` before that. `interval_s` separates the frames of a session, `turns` is the number of
    messages in a conversation. `folder` is empty and the peer's own: it is the working directory, for plans, logs and
    results.
    """

    work: str
    endpoint: str
    ca_file: Path | None
    sessions: int
    seconds: float
    interval_s: float
    turns: int
    folder: Path


@attrs.frozen
class Start:
    """How to start the peer for a job. It runs in `job.folder`, pinned to one core, with its output kept.

    `environment` is added to this process's own.
    """

    command: Sequence[str]
    environment: Mapping[str, str] = attrs.field(factory=dict)


def reported_on_last_line(job: Job, printed: str) -> Mapping[str, int]:
    """Errors by kind from lines `errors: KIND=NUMBER ...`, the last of which counts; as our scripts print them.

    No such line is an error too: whoever was ended by its signal has to say how it went.
    """
    lines = [line for line in printed.splitlines() if line.startswith("errors:")]
    if not lines:
        return {"nothing reported": 1}
    return {kind: int(number) for kind, number in re.findall(r"(\S+)=(\d+)", lines[-1])}


@attrs.frozen
class Peer:
    """A load generator: a row in each table whose work it does.

    `name` is the row's label and what `--peers` takes; `works` the works it can do at all; `about` one line on its
    version and settings. `missing()` says what has to be installed, or None when all is there: it must be quick, must
    not load anything heavy and never installs. `start(job)` writes what the peer needs into `job.folder` and says how
    it is started. `errors(job, printed)` is what the peer itself reports as errors, by kind, after it ended; `printed`
    are its standard output and error, the last 64 KiB. `stop_signal` asks it to end in order: it has `stop_s` seconds
    before its processes are killed. `connect_s` is how long it may take from its start to its last session.
    `only_handshakes` is for a floor that closes after the TLS handshake, which the agent then counts; it is left out
    without TLS.
    """

    name: str
    works: frozenset[str] = attrs.field(converter=frozenset)
    about: str
    missing: Callable[[], str | None]
    start: Callable[[Job], Start]
    errors: Callable[[Job, str], Mapping[str, int]] = reported_on_last_line
    stop_signal: signal.Signals = signal.SIGINT
    stop_s: float = 10.0
    connect_s: float = 60.0
    only_handshakes: bool = False


def arguments(job: Job) -> list[str]:
    """For scripts of ours: WORK ENDPOINT CA_FILE|- SESSIONS SECONDS INTERVAL_SECONDS TURNS."""
    ca_file = str(job.ca_file or "-")
    return [job.work, job.endpoint, ca_file, *map(str, (job.sessions, job.seconds, job.interval_s, job.turns))]


def installed(*distributions: str) -> str:
    """Their names and versions, for `about`; without a version where one is not installed."""
    known = []
    for name in distributions:
        try:
            known.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            known.append(name)
    return ", ".join(known)


def missing_modules(*names: str) -> str | None:
    """What to install for Python modules that are not there; they are looked for, not imported."""
    absent = [name for name in names if find_spec(name) is None]
    return f"{', '.join(absent)} not installed: pip install -r requirements-bench.txt" if absent else None


def missing_program(command: Sequence[str], advice: str) -> str | None:
    """`advice` when `command` (such as `["tsung", "-v"]`) can't be run or fails within 20 s."""
    try:
        done = subprocess.run(command, capture_output=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return advice
    return advice if done.returncode else None
