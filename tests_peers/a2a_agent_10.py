"""An A2A 1.0 agent on a2a-sdk's own server. The first word of what it hears says how it answers.

Run by the tests with the interpreter of its own environment: `python a2a_agent_10.py PORT [--speak-03-too]`.
"""

import asyncio
import json
import sys
from collections import Counter

import uvicorn
from a2a.helpers import new_task_from_user_message, new_text_message, new_text_part
from a2a.server.agent_execution import AgentExecutor
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.routes import create_agent_card_routes, create_jsonrpc_routes
from a2a.server.tasks import InMemoryTaskStore, TaskUpdater
from a2a.types import AgentCapabilities, AgentCard, AgentInterface, AgentSkill, TaskState
from starlette.applications import Starlette

CHUNK_GAP_S = 0.05


class Echo(AgentExecutor):
    """Repeats what it hears, and counts the turns of each context, so that a lost `contextId` shows in the words."""

    def __init__(self):
        self.turns = Counter()

    async def execute(self, context, event_queue):
        heard = context.get_user_input()
        self.turns[context.context_id] += 1
        said = f"turn {self.turns[context.context_id]}: {heard}"
        manner = heard.split(" ")[0]
        if manner == "metadata":
            said = json.dumps(context.metadata)
        if manner == "raise":
            raise RuntimeError("the agent broke")
        if manner in ("message", "metadata"):
            await event_queue.enqueue_event(new_text_message(said, context_id=context.context_id))
            return
        if context.current_task is None:
            await event_queue.enqueue_event(new_task_from_user_message(context.message))
        task = TaskUpdater(event_queue, context.task_id, context.context_id)
        await self.work(manner, said, task)

    async def work(self, manner, said, task):
        await task.start_work()
        if manner == "chunks":
            for number, word in enumerate(said.split(" ")):
                await asyncio.sleep(CHUNK_GAP_S)
                part = new_text_part(word if number == 0 else f" {word}")
                await task.add_artifact([part], artifact_id="reply", append=number > 0)
            await task.complete()
        elif manner == "artifact":
            await task.add_artifact([new_text_part(said)], artifact_id="reply")
            await task.complete()
        else:
            states = {
                "ask": TaskState.TASK_STATE_INPUT_REQUIRED,
                "fail": TaskState.TASK_STATE_FAILED,
                "reject": TaskState.TASK_STATE_REJECTED,
                "quit": TaskState.TASK_STATE_CANCELED,
                "done": TaskState.TASK_STATE_COMPLETED,
            }
            await task.update_status(states[manner], task.new_agent_message([new_text_part(said)]))

    async def cancel(self, context, event_queue):
        await TaskUpdater(event_queue, context.task_id, context.context_id).cancel()


def application(port, speak_03_too):
    versions = ["1.0", "0.3"] if speak_03_too else ["1.0"]
    card = AgentCard(
        name="echo",
        description="repeats what it hears",
        version="1",
        supported_interfaces=[
            AgentInterface(url=f"http://127.0.0.1:{port}/", protocol_binding="JSONRPC", protocol_version=version)
            for version in versions
        ],
        capabilities=AgentCapabilities(streaming=True),
        default_input_modes=["text/plain"],
        default_output_modes=["text/plain"],
        skills=[AgentSkill(id="echo", name="echo", description="repeats", tags=["echo"])],
    )
    handler = DefaultRequestHandler(agent_executor=Echo(), task_store=InMemoryTaskStore(), agent_card=card)
    routes = create_jsonrpc_routes(handler, "/", enable_v0_3_compat=speak_03_too) + create_agent_card_routes(card)
    return Starlette(routes=routes)


if __name__ == "__main__":
    port = int(sys.argv[1])
    app = application(port, speak_03_too="--speak-03-too" in sys.argv)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")
