"""Starts a reference agent as a process of its own, for the demo, the tests and the benchmarks."""

import json
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import trio

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 3.0


class ReferenceAgentFailed(Exception):
    """The agent's process ended, or said nothing in time; the message has what it printed."""


@attrs.frozen
class ReferenceProcess:
    """A running agent. `ca_file` is None without TLS."""

    endpoint: str
    setup_url: str
    agent_file: Path
    plan_file: Path
    ca_file: Path | None
    stamps_file: Path
    pid: int

    def stamps(self) -> list[dict[str, Any]]:
        """What it stamped so far, in order; the last 0.2 s may be missing while it runs."""
        lines = self.stamps_file.read_bytes().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith(b"\n")]


@asynccontextmanager
async def start_reference_agent(
    arguments: Sequence[str] = (), out: Path | None = None, meanwhile: Callable[[], object] = lambda: None
) -> AsyncIterator[ReferenceProcess]:
    """Runs an agent with these command-line arguments while the block runs, then ends it.

    Its files go to `out`, or to a temporary folder that is gone afterwards; the stamps to `stamps.jsonl` in
    there. `meanwhile` is called while it starts, which takes it most of a second. Raises `ReferenceAgentFailed` where
    it can't start.
    """
    with tempfile.TemporaryDirectory(prefix="coval-reference-") as temporary:
        folder = out or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        stamps = folder / "stamps.jsonl"
        own = ["--json", "--out", str(folder), "--stamps", str(stamps)]
        command = [sys.executable, "-m", "coval_load.reference", *arguments, *own]
        complaints = tempfile.TemporaryFile()  # noqa: SIM115
        with complaints:
            # In a session of its own, for Ctrl-C is not meant for it: callers who finish still need it.
            process = await trio.lowlevel.open_process(
                command, stdout=subprocess.PIPE, stderr=complaints, start_new_session=True
            )
            try:
                meanwhile()
                yield _describe(await _first_line(process, complaints), stamps)
            finally:
                with trio.CancelScope(shield=True):
                    await _stop(process)


async def _first_line(process: trio.Process, complaints: Any) -> bytes:
    assert process.stdout is not None
    line = b""
    with trio.move_on_after(START_TIMEOUT_S):
        while not line.endswith(b"\n"):
            data = await process.stdout.receive_some()
            if not data:
                await process.wait()
                break
            line += data
    if line.endswith(b"\n"):
        return line
    complaints.seek(0)
    said = complaints.read().decode(errors="replace").strip()
    ending = "has not done so yet" if process.returncode is None else f"ended with code {process.returncode}"
    raise ReferenceAgentFailed(f"expected the reference agent to announce itself; it {ending}: {said}")


def _describe(line: bytes, stamps: Path) -> ReferenceProcess:
    announced = json.loads(line)
    return ReferenceProcess(
        endpoint=announced["endpoint"],
        setup_url=announced["setup_url"],
        agent_file=Path(announced["agent_file"]),
        plan_file=Path(announced["plan_file"]),
        ca_file=Path(announced["ca_file"]) if announced["ca_file"] else None,
        stamps_file=stamps,
        pid=announced["pid"],
    )


async def _stop(process: trio.Process) -> None:
    if process.returncode is None:
        process.terminate()
    with trio.move_on_after(STOP_TIMEOUT_S):
        await process.wait()
        return
    process.kill()
    await process.wait()
