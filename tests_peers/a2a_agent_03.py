"""An A2A 0.3 agent on a2a-sdk's own server. The first word of what it hears says how it answers.

Run by the tests with the interpreter of its own environment: `python a2a_agent_03.py PORT`.
"""

import asyncio
import json
import sys
from collections import Counter

import uvicorn
from a2a.server.agent_execution import AgentExecutor
from a2a.server.apps import A2AStarletteApplication
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.tasks import InMemoryTaskStore, TaskUpdater
from a2a.types import AgentCapabilities, AgentCard, AgentSkill, Part, TaskState, TextPart
from a2a.utils import new_agent_text_message, new_task

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
            await event_queue.enqueue_event(
                new_agent_text_message(said, context_id=context.context_id, task_id=context.task_id)
            )
            return
        if context.current_task is None:
            await event_queue.enqueue_event(new_task(context.message))
        task = TaskUpdater(event_queue, context.task_id, context.context_id)
        await self.work(manner, said, task)

    async def work(self, manner, said, task):
        await task.start_work()
        if manner == "chunks":
            for number, word in enumerate(said.split(" ")):
                await asyncio.sleep(CHUNK_GAP_S)
                part = Part(root=TextPart(text=word if number == 0 else f" {word}"))
                await task.add_artifact([part], artifact_id="reply", append=number > 0)
            await task.complete()
        elif manner == "artifact":
            await task.add_artifact([Part(root=TextPart(text=said))], artifact_id="reply")
            await task.complete()
        else:
            states = {
                "ask": TaskState.input_required,
                "fail": TaskState.failed,
                "reject": TaskState.rejected,
                "quit": TaskState.canceled,
                "done": TaskState.completed,
            }
            message = task.new_agent_message([Part(root=TextPart(text=said))])
            await task.update_status(states[manner], message, final=True)

    async def cancel(self, context, event_queue):
        await TaskUpdater(event_queue, context.task_id, context.context_id).cancel()


def application(port):
    card = AgentCard(
        name="echo",
        description="repeats what it hears",
        version="1",
        url=f"http://127.0.0.1:{port}/",
        capabilities=AgentCapabilities(streaming=True),
        default_input_modes=["text"],
        default_output_modes=["text"],
        skills=[AgentSkill(id="echo", name="echo", description="repeats", tags=["echo"])],
    )
    handler = DefaultRequestHandler(agent_executor=Echo(), task_store=InMemoryTaskStore())
    return A2AStarletteApplication(agent_card=card, http_handler=handler).build()


if __name__ == "__main__":
    uvicorn.run(application(int(sys.argv[1])), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
