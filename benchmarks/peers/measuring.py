"""One peer at one work: started as its documentation says, watched from outside, ended."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import attrs
from interface import Job, Peer, Start
from process_tree import Memory, ProcessTree, cpu_s

HERE = Path(__file__).parent
CORES = sorted(os.sched_getaffinity(0))
GENERATOR_CORE, AGENT_CORE = CORES[0], CORES[-1]
PRINTED_BYTES = 64 * 1024
LEAST_SHARE = 0.5
POLL_S = 0.01


class Failed(Exception):
    """The peer can't do the work; says why."""


@attrs.frozen
class Load:
    """How much of a work, and how: `settle_s` separates the last connection from the window of `seconds`."""

    work: str
    sessions: int
    seconds: float
    settle_s: float = 2.0
    interval_s: float = 0.02
    turns: int = 10
    use_tls: bool = True


@attrs.frozen
class Measured:
    """A row: costs in seconds, memory in bytes; None where a work does not have it.

    `share` is the part of the units due that came; `cpu` how much of the window it computed, `waited` how much of it
    its threads could have and did not get the core (the machine was busy with other things), `agent_cpu` how much of
    its core the agent needed: near 1 it was the limit. `errors` are by kind, `peer: ...` what the peer said and
    `agent: ...` what the agent saw.
    """

    units: int
    cpu_a_unit_s: float
    cpu: float
    waited: float
    agent_cpu: float
    share: float | None
    late_p50_s: float | None
    late_p99_s: float | None
    anonymous_bytes: int
    memory_bytes: int
    errors: Mapping[str, int]
    memory_a_session_bytes: float | None = None


@attrs.define
class Umpire:
    """The agent's process."""

    process: subprocess.Popen
    endpoint: str

    def ask(self, what: str) -> dict:
        line = ""
        with suppress(BrokenPipeError):
            self.process.stdin.write(what + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        if not line:
            raise Failed(f"the agent itself ended, with {self.process.wait(5)}")
        return json.loads(line)


@contextmanager
def umpire(work: str, load: Load, folder: Path) -> Iterator[Umpire]:
    """Run the agent on its own core."""
    command = ["taskset", "-c", str(AGENT_CORE), sys.executable, str(HERE / "umpire.py"), work, str(folder)]
    command += [str(load.turns), str(load.interval_s), *([] if load.use_tls else ["--plain"])]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, start_new_session=True)
    try:
        endpoint = process.stdout.readline().strip()
        if not endpoint:
            raise SystemExit("the agent did not start; its traceback is above")
        yield Umpire(process, endpoint)
    finally:
        process.kill()
        process.wait()


def measure(peer: Peer, load: Load) -> Measured:
    """Raises `Failed` where the peer did not do the work; the message ends with what it printed last.

    What a session takes of memory is the difference to a run with a single one, both looked at when they are equally
    old; only where sessions last.
    """
    measured = attempt(peer, load, sample)
    if load.work != "frames" or load.sessions < 2:
        return measured
    alone = attempt(peer, attrs.evolve(load, sessions=1), hold)
    return attrs.evolve(
        measured,
        memory_a_session_bytes=(measured.anonymous_bytes - alone.anonymous_bytes) / (load.sessions - 1),
    )


Look = Callable[[Peer, Load, Umpire, ProcessTree], Any]


def attempt(peer: Peer, load: Load, look: Look) -> Any:
    """What `look` saw of an agent and a peer of its own."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name in ("agent", "peer"):
            (folder / name).mkdir()
        with umpire("handshakes" if peer.only_handshakes else load.work, load, folder / "agent") as agent:
            job = Job(
                work=load.work,
                endpoint=agent.endpoint,
                ca_file=folder / "agent" / "ca.pem" if load.use_tls else None,
                sessions=load.sessions,
                seconds=peer.connect_s + load.settle_s + load.seconds + 30,
                interval_s=load.interval_s,
                turns=load.turns,
                folder=folder / "peer",
            )
            return watch(peer, job, load, agent, folder / "printed.txt", look)


def watch(peer: Peer, job: Job, load: Load, agent: Umpire, output: Path, look: Look) -> Any:
    """Start it, look, end it whatever happens; only then is what it printed complete."""
    failed = None
    tree = start_tree(peer.start(job), job.folder, output, agent)
    try:
        found = look(peer, load, agent, tree)
    except Failed as reason:
        failed = reason
    finally:
        in_order = tree.end(peer.stop_signal, min(peer.stop_s, 2.0) if failed else peer.stop_s)
    printed = tail(output)
    if failed:
        raise Failed(f"{failed}{quoted(printed)}") from None
    if not isinstance(found, Measured):
        return found
    errors = {f"peer: {kind}": number for kind, number in peer.errors(job, printed).items() if number}
    if not in_order:
        errors["peer: had to be killed"] = 1
    return attrs.evolve(found, errors={**errors, **found.errors})


def start_tree(start: Start, folder: Path, output: Path, agent: Umpire) -> ProcessTree:
    """Pinned to the generator's core, with nothing to read, and all it prints in `output`."""
    with output.open("wb") as file:
        root = subprocess.Popen(
            ["taskset", "-c", str(GENERATOR_CORE), *start.command],
            cwd=folder,
            env={**os.environ, **start.environment},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return ProcessTree(root, others=[agent.process.pid])


def hold(peer: Peer, load: Load, agent: Umpire, tree: ProcessTree) -> Memory:
    """What it holds when all sessions are connected and some time has passed."""
    wait_for(lambda: agent.ask("count")["opened"], load.sessions, peer.connect_s, tree)
    stay(load.settle_s, tree)
    return tree.memory()


def sample(peer: Peer, load: Load, agent: Umpire, tree: ProcessTree) -> Measured:
    """Wait for the sessions, then take the differences over the window."""
    held = hold(peer, load, agent, tree)
    agent_cpu, wall = cpu_s(agent.process.pid), time.perf_counter()
    first, cpu, waited = agent.ask("begin"), tree.cpu_s(), tree.waited_s()
    stay(load.seconds, tree)
    last, cpu, waited = agent.ask("count"), tree.cpu_s() - cpu, tree.waited_s() - waited
    agent_cpu, wall = cpu_s(agent.process.pid) - agent_cpu, time.perf_counter() - wall
    within = {name: last[name] - first[name] for name in last}
    late = agent.ask("lateness")
    units, share = within["units"], share_of_due(load, within, last, wall)
    if not units or (share is not None and share < LEAST_SHARE):
        came = f"{units} units in {wall:.1f} s" + (f", {share:.0%} of those due" if share is not None else "")
        raise Failed(
            f"{came}; it computed for {cpu / wall:.0%} of that, and waited for its core for {waited / wall:.0%}"
        )
    return Measured(
        units=units,
        cpu_a_unit_s=cpu / units,
        cpu=cpu / wall,
        waited=waited / wall,
        agent_cpu=agent_cpu / wall,
        share=share,
        late_p50_s=late["p50"],
        late_p99_s=late["p99"],
        anonymous_bytes=held.anonymous_bytes,
        memory_bytes=max(held.whole_bytes, tree.memory().whole_bytes),
        errors={f"agent: {kind}": within[kind] for kind in ("cut", "odd") if within[kind]},
    )


def share_of_due(load: Load, within: Mapping[str, int], last: Mapping[str, int], wall_s: float) -> float | None:
    """The part of the units due that came: by time for frames, by conversation for others."""
    if load.work == "frames":
        return within["units"] / (load.sessions * wall_s / load.interval_s)
    if load.work == "chat":
        return within["came"] / within["due"] if within["due"] else None
    if load.work == "http_chat":
        over = max(last["opened"] - load.sessions, last["closed"])
        return last["closed"] / over if over else None
    return within["units"] / within["closed"] if within["closed"] else None


def wait_for(count: Callable[[], int], wanted: int, most_s: float, tree: ProcessTree) -> None:
    """Until so many sessions have begun."""
    until = time.perf_counter() + most_s
    while (there := count()) < wanted:
        if time.perf_counter() > until:
            raise Failed(f"{there} of {wanted} sessions began within {most_s:.0f} s")
        stay(POLL_S, tree)


def stay(seconds: float, tree: ProcessTree) -> None:
    """Let it work, as long as it does."""
    until = time.perf_counter() + seconds
    while (left_s := until - time.perf_counter()) > 0:
        if tree.root.poll() is not None:
            raise Failed(f"it ended with {tree.root.returncode} before it was measured")
        time.sleep(min(left_s, 0.1))


def tail(file: Path) -> str:
    """The last 64 KiB."""
    with file.open("rb") as opened:
        opened.seek(max(file.stat().st_size - PRINTED_BYTES, 0))
        return opened.read().decode(errors="replace")


def quoted(printed: str, lines: int = 6, columns: int = 160) -> str:
    """Its last lines, harmless to a terminal."""
    said = [line for line in printed.splitlines() if line.strip()][-lines:]
    shown = ("".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)[:columns] for line in said)
    return "".join(f"\n    {line}" for line in shown) or "\n    (it printed nothing)"
