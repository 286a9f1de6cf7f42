"""Several reference agents, each a process of its own, and one plan for all of them."""

import json
import os
from contextlib import AsyncExitStack, asynccontextmanager

import trio
from forked import reference_agent

from coval_load.reference.process import START_TIMEOUT_S, _describe

DEEP = os.environ.get("HYPOTHESIS_PROFILE") == "deep"
"""Whether `make test-deep` runs: the same tests, with more of everything."""

MEDIA = ("voice", "chat", "openai_realtime", "gemini_realtime", *(("chat_websocket", "chat_a2a") if DEEP else ()))
"""What there is a demo of; those left out without `make test-deep` take the way of one that is there."""


@asynccontextmanager
async def agents(folder, arguments):
    """Starts an agent with each of these lists of arguments, all at once; `arguments` names them."""
    running = {}
    async with AsyncExitStack() as stack, trio.open_nursery() as nursery:

        async def start(name, wanted):
            running[name] = await stack.enter_async_context(forked_agent(wanted, folder / name))

        async with trio.open_nursery() as starting:
            for name, wanted in arguments.items():
                starting.start_soon(start, name, wanted)
        yield running
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def forked_agent(arguments, folder):
    """As `start_reference_agent`."""
    folder.mkdir()
    stamps = folder / "stamps.jsonl"
    with reference_agent([*arguments, "--json", f"--out={folder}", f"--stamps={stamps}"], folder) as announced:
        line = b""
        with trio.fail_after(START_TIMEOUT_S):
            while not line.endswith(b"\n"):
                await trio.lowlevel.wait_readable(announced)
                data = os.read(announced, 65536)
                assert data, (folder / "stderr.txt").read_text()
                line += data
        yield _describe(line, stamps)


def plan_for_all(running, folder, turns, **sections):
    """A plan of these agents with the authorities of all of them; each body gets its name for `display_name`."""
    bodies = []
    for name, agent in running.items():
        bodies.append(json.loads(agent.agent_file.read_text()) | {"display_name": name})
    (folder / "ca.pem").write_text("".join(agent.ca_file.read_text() for agent in running.values() if agent.ca_file))
    return {
        "agents": bodies,
        "test_set": [{"id": "case", "turns": turns}],
        "targets": {"allow_private": True},
        "tls": {"ca_file": str(folder / "ca.pem")},
        "limits": {"per_agent": 1000},
        **sections,
    }
