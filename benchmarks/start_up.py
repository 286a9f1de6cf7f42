"""How soon do commands begin, and the first conversation of a demo end?

    python benchmarks/start_up.py [--rounds 10] [--demos 3] [--kind voice --kind chat ...]

Floors are what Python, click and Trio take by themselves; each round runs each floor and each command once, so that a
busy machine is as busy for all of them. Wall time is that until a command ended, of `check` until its first line, and
of a demo until the line that says that a first conversation is over; CPU time is that of the command until it ended.
The best of all rounds is what a command takes, the median how long one waits for it on this machine just now.
"""

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import attrs
import click

from coval_load.engine.run_folder import read_rows

COMMAND = str(Path(sys.executable).with_name("coval-load"))
KINDS = ("voice", "chat_websocket", "chat", "chat_a2a", "openai_realtime", "gemini_realtime")
DONE = b"done"
PATIENCE_S = 120
BUSY = 98
"""What a demo ends with on a machine that is too busy to believe what it measured."""
AGENT = {
    "display_name": "mine",
    "model_type": "MODEL_TYPE_WEBSOCKET",
    "metadata": {"endpoint": "wss://agent.example.com/voice"},
}
FLOORS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "import click": [sys.executable, "-c", "import click"],
    "import trio": [sys.executable, "-c", "import trio"],
}


@attrs.frozen
class Took:
    """Wall seconds until what is waited for, and CPU seconds until the end."""

    wall_s: float
    cpu_s: float


def is_any(line: bytes) -> bool:
    return bool(line.strip())


def tells_of_a_first_one(line: bytes) -> bool:
    """Whether it is a line that says how a run goes, and that a simulation is over: `3s · 1/20 done · ...`."""
    words = line.split()
    return DONE in words and not words[words.index(DONE) - 1].startswith(b"0/")


def cpu_of_children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def take(command: list[str], cwd: str, awaited: Callable[[bytes], bool] | None = None) -> Took:
    """Runs it to its end; the wall time is that until the line on standard error that is `awaited`."""
    began, before = time.perf_counter(), cpu_of_children_s()
    with subprocess.Popen(command, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        wall_s = None
        for line in process.stderr:
            if wall_s is None and awaited is not None and awaited(line):
                wall_s = time.perf_counter() - began
        process.wait(PATIENCE_S)
    if awaited is None:
        wall_s = time.perf_counter() - began
    if wall_s is None or process.returncode not in (0, BUSY):
        raise click.ClickException(f"expected {' '.join(command)} to end well; it ended with {process.returncode}")
    return Took(wall_s, cpu_of_children_s() - before)


def row(name: str, taken: list[Took], floor: Took | None) -> str:
    walls, cpus = [one.wall_s for one in taken], [one.cpu_s for one in taken]
    best = f"{min(walls) * 1000:9.0f} {statistics.median(walls) * 1000:9.0f}"
    cpu = f"{min(cpus) * 1000:9.0f} {statistics.median(cpus) * 1000:9.0f}"
    ratio = f"{min(cpus) / floor.cpu_s:8.1f}" if floor else ""
    return f"{name:28}{best}{cpu}{ratio}"


def best_of(taken: list[Took]) -> Took:
    return Took(min(one.wall_s for one in taken), min(one.cpu_s for one in taken))


def time_commands(rounds: int, cwd: str) -> None:
    Path(cwd, "agent.json").write_text(json.dumps(AGENT), "utf-8")
    commands = {
        **{name: (command, None) for name, command in FLOORS.items()},
        "coval-load --help": ([COMMAND, "--help"], None),
        "coval-load --version": ([COMMAND, "--version"], None),
        "coval-load run --help": ([COMMAND, "run", "--help"], None),
        "coval-load check": ([COMMAND, "check", "agent.json"], is_any),
    }
    taken: dict[str, list[Took]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, (command, awaited) in commands.items():
            taken[name].append(take(command, cwd, awaited))
    floor = best_of(taken["import click"])
    click.echo(f"{'ms':28}{'wall':>9} {'median':>9}{'CPU':>9} {'median':>9}  / click")
    for name, all_of_it in taken.items():
        click.echo(row(name, all_of_it, floor))


def time_demos(demos: int, kinds: tuple[str, ...], cwd: str) -> None:
    click.echo(f"\n{'demo, to its first finished':28}{'wall s':>9} {'median':>9}   of it the conversation")
    for kind in kinds:
        walls, conversations = [], []
        for number in range(demos):
            folder = Path(cwd, f"{kind}-{number}")
            folder.mkdir()
            walls.append(take([COMMAND, "demo", "--model-type", kind], str(folder), tells_of_a_first_one).wall_s)
            (run,) = Path(folder, "coval-runs").iterdir()
            conversations.append(min(each["ended_at"] for each in read_rows(run / "simulations.jsonl")))
        best, median = min(walls), statistics.median(walls)
        click.echo(f"{kind:28}{best:9.2f} {median:9.2f}   {conversations[walls.index(best)]:.2f}")


@click.command()
@click.option("--rounds", type=click.IntRange(1), default=10, show_default=True, help="Of each command.")
@click.option("--demos", type=click.IntRange(0), default=3, show_default=True, help="Of each kind.")
@click.option("--kind", "kinds", type=click.Choice(KINDS), multiple=True, default=KINDS, help="Of demos; all.")
def main(rounds: int, demos: int, kinds: tuple[str, ...]) -> None:
    """Print what commands take until they begin, and demos until a first conversation is over."""
    with tempfile.TemporaryDirectory() as cwd:
        time_commands(rounds, cwd)
        if demos:
            time_demos(demos, kinds, cwd)


if __name__ == "__main__":
    main()
