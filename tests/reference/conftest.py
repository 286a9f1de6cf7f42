"""A reference agent to be called: in a process of its own, or in this one."""

from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from reference_callers import PATIENCE_S, Agent, options_for

from coval_load.reference.contradictions import contradictions
from coval_load.reference.process import ReferenceProcess, start_reference_agent
from coval_load.reference.run import run_reference_agent


@pytest.fixture
def agent_process(tmp_path):
    """Starts an agent with these arguments as a process of its own."""

    @asynccontextmanager
    async def start(*arguments):
        async with start_reference_agent(arguments, tmp_path / "agent") as process:
            yield Agent(process)

    return start


@pytest.fixture
def agent_here(tmp_path):
    """Starts an agent with these arguments in this process: as real on the wire, and quicker to start."""

    @asynccontextmanager
    async def start(*arguments):
        out = tmp_path / "agent"
        options, server = options_for(*arguments, f"--out={out}", f"--stamps={out / 'stamps.jsonl'}")
        assert contradictions(options) == []
        out.mkdir()
        send, receive = trio.open_memory_channel(1)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run_reference_agent, options, server, send.send_nowait)
            with trio.fail_after(PATIENCE_S):
                announced = await receive.receive()
            yield Agent(
                ReferenceProcess(
                    endpoint=announced.endpoint,
                    setup_url=announced.setup_url,
                    agent_file=Path(announced.agent_file),
                    plan_file=Path(announced.plan_file),
                    ca_file=announced.ca_file and Path(announced.ca_file),
                    stamps_file=Path(announced.stamps_file),
                    pid=announced.pid,
                )
            )
            nursery.cancel_scope.cancel()

    return start
