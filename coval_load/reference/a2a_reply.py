"""Where the reply of an A2A agent stands: in a message, in a task's status or in an artifact."""

from typing import Any

import attrs

from coval_load.reference.a2a_tasks import Task
from coval_load.reference.a2a_wording import Wording
from coval_load.reference.chat_reply import cut

# Said while a task was worked on: whoever looks for the reply in the history finds this.
ON_THE_WAY = "Let me see."


@attrs.frozen
class ReplyPlace:
    """`reply_in` is `message`, `task` or `artifact`."""

    wording: Wording
    reply_in: str

    def message(self, text: str, number: int, context_id: str) -> dict[str, Any]:
        """The result of sending where a message is the reply."""
        return self.wording.sent("message", self.wording.message(text, f"message-{number}", context_id))

    def task(self, task: Task) -> dict[str, Any]:
        """A task as it is now, with the reply if it is there."""
        more: dict[str, Any] = {"history": self._history(task)}
        if self._is_there(task) and self.reply_in == "artifact" and task.state != "failed":
            more["artifacts"] = [self.wording.artifact(task.reply)]
        return self.wording.task(task.task_id, task.context.context_id, self._status(task), **more)

    def _is_there(self, task: Task) -> bool:
        return task.state != "working"

    def _status(self, task: Task) -> dict[str, Any]:
        """With the reply in it, if it stands there; a failure tells its reason there in any case."""
        says = self._is_there(task) and (self.reply_in == "task" or task.state == "failed")
        message = self._message(task, task.reply, "reply") if says else None
        return self.wording.status(task.state, message)

    def _message(self, task: Task, text: str, what: str, by_user: bool = False) -> dict[str, Any]:
        message_id = f"{task.task_id}-{task.turn}-{what}"
        return self.wording.message(text, message_id, task.context.context_id, task.task_id, by_user)

    def _history(self, task: Task) -> list[dict[str, Any]]:
        return [
            self._message(task, task.question, "question", by_user=True),
            self._message(task, ON_THE_WAY, "on-the-way"),
        ]

    def streamed(self, task: Task, updates: int, chunks: int) -> list[list[dict[str, Any]]]:
        """Results by the pieces that they leave with: the task at work, `updates` on that, the reply.

        Only an artifact comes in `chunks`: a status has the whole of its message.
        """
        wording, context_id = self.wording, task.context.context_id
        at_work = attrs.evolve(task, state="working")
        working = wording.status_update(task.task_id, context_id, self._status(at_work), final=False)
        begins = [wording.sent("task", self.task(at_work)), *[wording.sent("status-update", working)] * updates]
        done = wording.status_update(task.task_id, context_id, self._status(task), final=True)
        pieces: list[list[dict[str, Any]]] = [[]]
        if self.reply_in == "artifact" and task.state != "failed":
            texts = cut(task.reply, chunks)
            pieces = [[self._chunk(task, texts, at)] for at in range(len(texts))]
        pieces[0] = [*begins, *pieces[0]]
        pieces[-1] = [*pieces[-1], wording.sent("status-update", done)]
        return pieces

    def _chunk(self, task: Task, texts: list[str], at: int) -> dict[str, Any]:
        first, last = at == 0, at == len(texts) - 1
        update = self.wording.artifact_update(task.task_id, task.context.context_id, texts[at], first, last)
        return self.wording.sent("artifact-update", update)
