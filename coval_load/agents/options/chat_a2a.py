"""`metadata` of MODEL_TYPE_CHAT_A2A: text over A2A, the JSON-RPC protocol between agents."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

import attrs

from coval_load.agents.model_types import ModelType
from coval_load.agents.options.http_chat import HttpChatOptions, endpoint_faults
from coval_load.faults import Fault

State = Literal[
    "submitted", "working", "input-required", "auth-required", "completed", "failed", "canceled", "rejected"
]

ENDING_STATES: tuple[State, ...] = ("failed", "canceled", "rejected")
FINISHED_STATES: tuple[State, ...] = ("completed",)

_PREFIX = "TASK_STATE_"


@attrs.frozen
class StateName:
    """A state as A2A 0.3 calls it, or as 1.0 does: `TASK_STATE_INPUT_REQUIRED` is `input-required`."""

    expected: str = ""

    def read(self, raw: Any) -> Any:
        if not isinstance(raw, str) or not raw.startswith(_PREFIX):
            return raw
        name = raw.removeprefix(_PREFIX)
        # Drafts of 1.0 spell it the other way.
        named = "canceled" if name == "CANCELLED" else name.lower().replace("_", "-")
        return named if name == name.upper() else raw


TaskState = Annotated[State, StateName()]


@attrs.frozen(repr=False, kw_only=True)
class ChatA2AOptions(HttpChatOptions):
    """Every key with its default settled (A2A 0.3 and 1.0, "Life of a Task").

    `custom_data` is sent as the metadata of each message. A task in one of `terminal_states` ends the
    conversation; after one in one of `new_task_states` the next message begins a new task in the same context.
    Both hold names of 0.3. Where `a2a_version` is None the agent's card says which it is.
    """

    initialization_content_type: Literal["application/x-www-form-urlencoded", "application/json"] = (
        "application/x-www-form-urlencoded"
    )
    a2a_version: Literal["0.3", "1.0"] | None = None
    stream: bool = False
    terminal_states: Sequence[TaskState] = ENDING_STATES
    new_task_states: Sequence[TaskState] = attrs.field()

    @new_task_states.default
    def _finished(self) -> tuple[State, ...]:
        return tuple(state for state in FINISHED_STATES if state not in self.terminal_states)

    @staticmethod
    def check(values: Mapping[str, Any]) -> Iterator[Fault]:
        """What holds between the keys: a state has one consequence."""
        yield from endpoint_faults(values, ModelType.CHAT_A2A)
        ending = values.get("terminal_states") or ()
        for at, state in enumerate(values.get("new_task_states") or ()):
            if state in ending:
                yield Fault(
                    f"new_task_states[{at}]",
                    f"expected a state that does not end the conversation; {state} is in terminal_states "
                    "(failed, canceled, rejected where it is not given), take it out of one",
                )
