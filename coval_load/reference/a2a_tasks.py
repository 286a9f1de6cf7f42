"""What an A2A agent keeps between requests: conversations (contexts) and tasks."""

import itertools

import attrs

from coval_load.reference.a2a_wording import Incoming, RpcError
from coval_load.reference.memory import Memory

TASK_NOT_FOUND = -32001
UNSUPPORTED_OPERATION = -32004
INVALID_PARAMS = -32602


@attrs.define
class Context:
    """One conversation; `turn` counts the messages of its caller that were taken."""

    context_id: str
    simulation_output_id: str | None = None
    turn: int = 0


@attrs.define
class Task:
    """Work on a reply. `asked_for` is how often its caller came back for it."""

    task_id: str
    context: Context
    question: str = ""
    reply: str = ""
    state: str = "working"
    turn: int = 0
    asked_for: int = 0

    @property
    def is_over(self) -> bool:
        return self.state in ("completed", "failed")


class TaskBook:
    """Knows contexts and tasks by their ids, all of which it gave out itself."""

    def __init__(self) -> None:
        self._contexts = Memory[Context]()
        self._tasks = Memory[Task]()
        self._numbers = itertools.count(1)

    def context_of(self, incoming: Incoming) -> tuple[Context, Task | None]:
        """Where a message belongs; a new context if it names none. Raises `RpcError` where it can't belong there."""
        task = None if incoming.task_id is None else self.task(incoming.task_id)
        if task and incoming.context_id not in (None, task.context.context_id):
            raise RpcError(INVALID_PARAMS, f"expected the contextId of task {task.task_id}")
        if task and task.is_over:
            raise RpcError(UNSUPPORTED_OPERATION, f"task {task.task_id} is over: {task.state}")
        if task:
            return task.context, task
        if incoming.context_id is None:
            return Context(f"context-{next(self._numbers)}"), None
        context = self._contexts.get(incoming.context_id)
        if context is None:
            raise RpcError(INVALID_PARAMS, f"expected a contextId given out here; got {incoming.context_id!r}")
        return context, None

    def keep(self, context: Context) -> None:
        self._contexts.put(context.context_id, context)

    def new_task(self, context: Context) -> Task:
        task = Task(f"task-{next(self._numbers)}", context)
        self._tasks.put(task.task_id, task)
        return task

    def task(self, task_id: str) -> Task:
        """Raises `RpcError` where there is none."""
        task = self._tasks.get(task_id)
        if task is None:
            raise RpcError(TASK_NOT_FOUND, f"expected a task given out here; got {task_id!r}")
        return task
