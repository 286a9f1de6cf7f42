"""What two workers carry beside what one does, by the real command: `coval-load run plan.yaml --workers N`.

    python benchmarks/workers.py [--work chat,frames] [--workers 1,2] [--rounds 3] [--share 0.3] [--control]

The agent is `light_agent.py`: plain TCP, canned bytes, one `epoll` and no look into any message. What it took of a core
stands in each row, as what the coordinator's process took, and how much of the machine had nothing to do.

  chat     a closed loop: the same plan for any number of workers, `--sessions` chats at once of `--turns` turns without
           pauses. So that the machine has room for two workers, an agent and a coordinator, each worker (its Dask
           process and its engine) is held to `--share` of a core. `at limit` is in how many periods of 20 ms it would
           have taken more: near 100 % the workers are the limit, and turns a second are what they carry.
  frames   voice: `--callers` for each worker, nobody held, far from any limit: what a pair of frames, one out and one
           back, costs in CPU time of all the workers. Nothing else limits a worker that has a core of its own.
           `--held frames --callers 350` has more callers than a held worker can carry, as in `chat`.

Only rounds count in which the workers were the limit, or where they are not held, the machine was not. `--share 0`
holds nobody, for a machine with a core for everyone. `--control` measures as many commands that know nothing of each
other, each with its part of the load: what this machine gives to two processes for whatever reason.
"""

import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import attrs
import click
import psutil
from held import Counts, Hold, hold, why_not

HERE = Path(__file__).parent
COMMAND = str(Path(sys.executable).with_name("coval-load"))
START_S = 90.0
AT_LIMIT = 0.8
"""Of the periods: with less, it was the machine or the agent that was the limit."""
LEAST_IDLE = 0.1
"""Of the machine: with less, whoever is not held may have waited for a core."""
SPOKEN = {"type": "text", "text": "hello", "audio": "clip:pizza-order", "expects_reply": False}
VOICE = {
    "handshake_ready_message_type": "",
    "receive_sample_rate_hertz": 16000,
    "receive_audio_channels": 1,
    "pace_inbound_binary_audio": True,
}


@attrs.frozen
class Size:
    """How much of a work; `share` of a core for each worker, 0 for all it can get."""

    seconds: float
    settle_s: float
    share: float
    held: str
    pin: bool
    chats: int
    turns: int
    callers: int


def plan(work: str, endpoint: str, sessions: int, turns: int) -> dict:
    """As a user would write it."""
    model_type, metadata, said = {
        "chat": ("CHAT_WEBSOCKET", {"coalesce_timeout_seconds": 0}, chat_turns(turns)),
        "frames": ("WEBSOCKET", VOICE, [SPOKEN] * 1000),
    }[work]
    agent = {
        "display_name": "light",
        "model_type": f"MODEL_TYPE_{model_type}",
        "metadata": {"endpoint": endpoint, **metadata},
    }
    return {
        "name": work,
        "agents": [agent],
        "persona": {"wait_seconds": 0},
        "test_set": [{"id": "talk", "turns": said}],
        "load": {"concurrency": sessions, "duration": "10m"},
        "limits": {"per_agent": sessions},
        "timeouts": {"connect": "60s", "simulation": "30m", "grace": "100ms"},
        "targets": {"allow_private": True, "allow_plaintext": True},
    }


def chat_turns(turns: int) -> list[dict]:
    return [{"type": "text", "text": f"message {k} of a caller who wants a pizza"} for k in range(turns)]


@attrs.define
class Agent:
    process: subprocess.Popen
    endpoint: str

    def counts(self) -> dict[str, int]:
        self.process.stdin.write("?\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


@contextlib.contextmanager
def light_agent(work: str) -> Iterator[Agent]:
    pipe = subprocess.PIPE
    command = [sys.executable, str(HERE / "light_agent.py"), work]
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
    try:
        yield Agent(process, process.stdout.readline().strip())
    finally:
        process.kill()
        process.communicate()


@attrs.define(eq=False)
class Command:
    """A run: its own process coordinates, and of those that it starts, each that has children is a worker's.

    One without `--workers` is a worker itself.
    """

    root: subprocess.Popen
    out: Path
    workers: int | None

    def groups(self) -> list[set[int]]:
        """The processes of each worker that is up."""
        if self.workers is None:
            return [{self.root.pid}]
        with contextlib.suppress(psutil.NoSuchProcess):
            each = (tree(child) for child in psutil.Process(self.root.pid).children())
            return [pids for pids in each if len(pids) > 1]
        return []

    def end(self) -> None:
        """As by Ctrl-C, and for good."""
        everybody = tree(psutil.Process(self.root.pid))
        for _ in range(2):
            self.root.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.root.wait(20)
                return
        for pid in everybody:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.root.wait(5)

    def said(self) -> str:
        """What its summary says was wrong."""
        file = self.out / "run" / "summary.json"
        if not file.exists():
            return f"no summary: {(self.out / 'printed').read_text()[-300:]}"
        summary = json.loads(file.read_text())
        wrong = [f"{kind} {number}" for kind, number in summary["errors"].items() if number]
        return ", ".join(wrong) or "-"


def tree(process: psutil.Process) -> set[int]:
    with contextlib.suppress(psutil.NoSuchProcess):
        return {process.pid, *(child.pid for child in process.children(recursive=True))}
    return set()


@contextlib.contextmanager
def commands(work: str, agent: Agent, sessions: int, turns: int, workers: int, is_control: bool) -> Iterator[list]:
    """The one with so many workers, or so many that each have their part of the load."""
    with tempfile.TemporaryDirectory() as temporary, contextlib.ExitStack() as stack:
        started = []
        for number in range(workers if is_control else 1):
            out = Path(temporary) / str(number)
            out.mkdir()
            here = sessions // workers if is_control else sessions
            # JSON is YAML.
            (out / "plan.yaml").write_text(json.dumps(plan(work, agent.endpoint, here, turns)))
            command = Command(start(out, None if is_control else workers), out, None if is_control else workers)
            stack.callback(lambda command=command: command.root.poll() is None and command.end())
            started.append(command)
        yield started


def start(out: Path, workers: int | None) -> subprocess.Popen:
    more = [] if workers is None else ["--workers", str(workers)]
    with (out / "printed").open("wb") as printed:
        return subprocess.Popen(
            [COMMAND, "run", "plan.yaml", "--out", "run", *more],
            cwd=out,
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def measure(work: str, workers: int, is_control: bool, size: Size) -> dict:
    """A row."""
    sessions = size.chats if work == "chat" else size.callers * workers
    share = size.share if work in size.held else 0.0
    with light_agent(work) as agent, contextlib.ExitStack() as stack:
        started = stack.enter_context(commands(work, agent, sessions, size.turns, workers, is_control))
        wait_for(lambda: len(groups(started)) >= workers, f"{workers} workers", started)
        holds = [stack.enter_context(hold(share, str(k))) for k in range(workers if share else 0)]
        for each, pids in zip(holds, groups(started), strict=False):
            each.take(pids)
        if size.pin:
            pin(agent, started)
        wait_for(lambda: agent.counts()["opened"] >= sessions, f"{sessions} sessions", started)
        time.sleep(size.settle_s)
        found = window(agent, started, holds, size.seconds)
        for command in started:
            command.end()
        return found | {"said": "; ".join(command.said() for command in started), "sessions": sessions}


def groups(started: Sequence[Command]) -> list[set[int]]:
    return [pids for command in started for pids in command.groups()]


def wait_for(is_there: Callable[[], bool], what: str, started: Sequence[Command]) -> None:
    until = time.perf_counter() + START_S
    while not is_there():
        ended = [command for command in started if command.root.poll() is not None]
        if ended or time.perf_counter() > until:
            printed = "\n".join((command.out / "printed").read_text()[-2000:] for command in started)
            raise SystemExit(f"expected {what} within {START_S:.0f} s; got none, and this:\n{printed}")
        time.sleep(0.05)


def pin(agent: Agent, started: Sequence[Command]) -> None:
    """Move each worker's threads to the first core, all others to the last."""
    cores = sorted(os.sched_getaffinity(0))
    workers = set().union(*groups(started))
    others = {agent.process.pid}.union(*(tree(psutil.Process(command.root.pid)) for command in started)) - workers
    for pids, core in ((workers, cores[0]), (others, cores[-1])):
        for thread in (thread for pid in pids for thread in Path(f"/proc/{pid}/task").iterdir()):
            with contextlib.suppress(ProcessLookupError):
                os.sched_setaffinity(int(thread.name), {core})


@attrs.frozen
class Look:
    """How everything stands at one instant."""

    wall_s: float = attrs.field(factory=time.perf_counter, init=False)
    units: int
    workers_s: list[float]
    roots_s: float
    agent_s: float
    idle_s: float
    held: list[Counts]


def look(agent: Agent, started: Sequence[Command], workers: Sequence[set[int]], holds: Sequence[Hold]) -> Look:
    roots = [command.root.pid for command in started if command.workers is not None]
    return Look(
        agent.counts()["units"],
        [cpu_s(pids) for pids in workers],
        cpu_s(roots),
        cpu_s([agent.process.pid]),
        psutil.cpu_times().idle,
        [each.counts() for each in holds],
    )


def window(agent: Agent, started: Sequence[Command], holds: Sequence[Hold], seconds: float) -> dict:
    workers = groups(started)
    first = look(agent, started, workers, holds)
    time.sleep(seconds)
    last = look(agent, started, workers, holds)
    wall, units = last.wall_s - first.wall_s, last.units - first.units
    if not units or any(command.root.poll() is not None for command in started):
        raise SystemExit("expected the run to go on; got its end, or no messages in the window")
    each_s = [after - before for before, after in zip(first.workers_s, last.workers_s, strict=True)]
    held = [
        (after.throttled - before.throttled) / max(1, after.periods - before.periods)
        for before, after in zip(first.held, last.held, strict=True)
    ]
    return {
        "units_a_second": units / wall,
        "us_a_unit": sum(each_s) / units * 1e6,
        "each": [one / wall for one in each_s],
        "limit": held,
        "coordinator": (last.roots_s - first.roots_s) / wall,
        "agent": (last.agent_s - first.agent_s) / wall,
        "agent_us": (last.agent_s - first.agent_s) / units * 1e6,
        "idle": (last.idle_s - first.idle_s) / wall / psutil.cpu_count(),
    }


def cpu_s(pids) -> float:
    """Seconds that all threads of these processes computed, as clock_getcpuclockid(3) has it."""
    computed = 0.0
    for pid in pids:
        with contextlib.suppress(OSError):
            computed += time.clock_gettime((~pid << 3) | 2)
    return computed


def show(work: str, workers: int, is_control: bool, found: dict) -> None:
    def shares(values: Sequence[float]) -> str:
        return "+".join(f"{value:.0%}" for value in values) or "-"

    print(
        f"{work:7}{'commands' if is_control else 'workers':9}{workers:2}{found['sessions']:9}"
        f"{found['units_a_second']:9,.0f}{found['us_a_unit']:9.1f}{shares(found['each']):>10}"
        f"{shares(found['limit']):>11}{found['coordinator']:8.0%}{found['agent']:7.0%}{found['agent_us']:9.1f}"
        f"{found['idle']:6.0%}  {found['said']}",
        flush=True,
    )


@click.command()
@click.option("--work", default="chat,frames", show_default=True)
@click.option("--workers", default="1,2", show_default=True, help="The first is what the others are compared with.")
@click.option("--rounds", default=3, show_default=True)
@click.option("--seconds", default=10.0, show_default=True)
@click.option("--settle", "settle_s", default=3.0, show_default=True, help="From the last connection to the window.")
@click.option("--share", default=0.3, show_default=True, help="Of a core for each worker in `chat`; 0 holds nobody.")
@click.option("--held", default="chat", show_default=True, help="The works in which workers are.")
@click.option("--sessions", "chats", default=128, show_default=True, help="Chats at once, over all workers.")
@click.option("--turns", default=10, show_default=True)
@click.option("--callers", default=100, show_default=True, help="Of each worker, in `frames`.")
@click.option("--pin/--no-pin", default=False, help="Workers to the first core, all else to the last.")
@click.option("--control", is_flag=True, help="Also as many commands without `--workers`.")
@click.option("--no-workers", is_flag=True, help="Only the control.")
def main(work: str, workers: str, rounds: int, control: bool, no_workers: bool, **sizes) -> None:
    """Print a row for each, and the ratios of rows of the same round."""
    size = Size(**sizes)
    if size.share and "chat" in work and (reason := why_not()):
        raise SystemExit(f"{reason}; on a machine with a core for each worker and two to spare, use --share 0")
    print(
        f"{'':16}{'n':>2}{'at once':>9}{'units/s':>9}{'us/unit':>9}{'CPU each':>10}{'at limit':>11}{'coord.':>8}"
        f"{'agent':>7}{'us/unit':>9}{'idle':>6}  errors"
    )
    numbers = [int(number) for number in workers.split(",")]
    for one in work.split(","):
        for is_control in [True] if no_workers else [False, True] if control else [False]:
            compare(one, numbers, is_control, rounds, size)


def compare(work: str, numbers: Sequence[int], is_control: bool, rounds: int, size: Size) -> None:
    found: dict[int, list[dict]] = {number: [] for number in numbers}
    for _ in range(rounds):
        for number in numbers:
            found[number].append(measure(work, number, is_control, size))
            show(work, number, is_control, found[number][-1])
    for number in numbers[1:]:
        pairs = list(zip(found[numbers[0]], found[number], strict=True))
        what = f"{work}, {number} to {numbers[0]} {'commands' if is_control else 'workers'}"
        print(f"{what}: {told([pair for pair in pairs if is_fair(pair)], len(pairs), number / numbers[0])}", flush=True)


def is_fair(pair: tuple[dict, dict]) -> bool:
    """Whether the workers were the limit where they are held, and the machine was not where they are not."""
    held = [limit for found in pair for limit in found["limit"]]
    return all(limit >= AT_LIMIT for limit in held) if held else all(found["idle"] >= LEAST_IDLE for found in pair)


def told(pairs: Sequence[tuple[dict, dict]], rounds: int, wider: float) -> str:
    """The ratios, medians over the rounds that count."""
    if not pairs:
        return f"nothing can be said: in each of {rounds} rounds the machine was the limit; is it busy otherwise?"
    cheaper = statistics.median(one["us_a_unit"] / more["us_a_unit"] for one, more in pairs)
    cost = f"for the same CPU time {cheaper:.2f} times the units, so with {wider:g} times the CPU {cheaper * wider:.2f}"
    if not pairs[0][0]["limit"]:
        return f"{cost} (median of {len(pairs)} of {rounds} rounds)"
    faster = statistics.median(more["units_a_second"] / one["units_a_second"] for one, more in pairs)
    return f"{faster:.2f} times the units a second; {cost} (median of {len(pairs)} of {rounds} rounds)"


if __name__ == "__main__":
    main()
