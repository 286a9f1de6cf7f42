"""A reference agent for a realtime API in the test's own process, so that its conversations take virtual time."""

import json
from contextlib import asynccontextmanager
from functools import partial

import attrs
import trio
from in_process import Ran, plan_for, run

from coval_load.reference.command import read_options, reference_agent
from coval_load.reference.model_types import GEMINI_REALTIME, OPENAI_REALTIME
from coval_load.reference.papers import Address, agent_body
from coval_load.reference.run import make_service
from coval_load.reference.server import Server
from coval_load.reference.stamps import Stamps

BOTH = (OPENAI_REALTIME, GEMINI_REALTIME)
REPLY_S = 2.0
DELAY_S = 0.6
USUAL = [f"--reply-seconds={REPLY_S}", f"--delay={DELAY_S}s", "--no-tls"]


@attrs.define
class Running:
    """The agent's body for a plan, and what it stamped once it has ended."""

    body: dict
    stamps: list = attrs.field(factory=list)

    def stamped(self, what):
        return [stamp for stamp in self.stamps if stamp["what"] == what]


@asynccontextmanager
async def realtime_agent(model_type, folder, *arguments):
    """Serves while the block runs; `arguments` are those of the command."""
    words = ["--model-type", model_type, "--out", str(folder), *USUAL, *arguments]
    given = reference_agent.make_context("reference-agent", words).params
    options, server = read_options({name: value for name, value in given.items() if name not in ("cpu", "as_json")})
    path = folder / "stamps.jsonl"
    with Stamps(path) as stamps:
        async with trio.open_nursery() as nursery:
            (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
            address = Address.of(options, "127.0.0.1", listener.socket.getsockname()[1], use_tls=False)
            taker = Server(make_service(options, stamps, address), options, None)
            await nursery.start(partial(trio.serve_listeners, taker.take, [listener]))
            running = Running(agent_body(options, server, address))
            yield running
            nursery.cancel_scope.cancel()
    running.stamps = [json.loads(line) for line in path.read_bytes().splitlines()]


async def converse(model_type, folder, *turns, agent=(), metadata=None, case=None, **sections) -> tuple[Ran, Running]:
    """One conversation with such an agent: what came of it, and the agent."""
    async with realtime_agent(model_type, folder, *agent) as running:
        body = running.body
        plan = plan_for(model_type, body["metadata"] | (metadata or {}), turns, **sections)
        plan["test_set"][0] |= case or {}
        ran = await run(plan, folder / "run")
    return ran, running
