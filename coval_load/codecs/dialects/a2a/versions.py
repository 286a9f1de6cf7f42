"""The versions of A2A that are spoken here: how each names its methods, roles and parts, and the states of a task.

Source: the A2A specification, 0.3 and 1.0 (section "JSON-RPC Protocol Binding").
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import attrs

SUBMITTED: Final = "submitted"
WORKING: Final = "working"
INPUT_REQUIRED: Final = "input-required"
AUTH_REQUIRED: Final = "auth-required"
COMPLETED: Final = "completed"
FAILED: Final = "failed"
CANCELED: Final = "canceled"
REJECTED: Final = "rejected"

STATES: Final = (SUBMITTED, WORKING, INPUT_REQUIRED, AUTH_REQUIRED, COMPLETED, FAILED, CANCELED, REJECTED)
PENDING: Final = frozenset({SUBMITTED, WORKING})
"""The states in which the agent has not replied yet."""

_STATE_PREFIX = "TASK_STATE_"
_ROLE_PREFIX = "ROLE_"


@attrs.frozen
class A2AVersion:
    """What a request of one version looks like. `headers` go with every request."""

    name: str
    send: str
    stream: str
    get_task: str
    role: str
    configuration: Mapping[str, Any] = attrs.field(hash=False)
    has_kinds: bool = False
    headers: tuple[tuple[str, str], ...] = ()

    def message(self, message_id: str, text: str, **ids: str | None) -> dict[str, Any]:
        """The caller's message; `ids` are its `contextId` and `taskId`, left out where they are None."""
        part, message = {"text": text}, {"messageId": message_id, "role": self.role}
        if self.has_kinds:
            part, message = {"kind": "text", **part}, {"kind": "message", **message}
        known = {name: value for name, value in ids.items() if value is not None}
        return {**message, "parts": [part], **known}


V0_3: Final = A2AVersion(
    name="0.3",
    send="message/send",
    stream="message/stream",
    get_task="tasks/get",
    role="user",
    configuration={"acceptedOutputModes": ["text/plain"], "blocking": True},
    has_kinds=True,
)
# `blocking` is gone in 1.0: there an agent waits unless `returnImmediately` is true.
V1_0: Final = A2AVersion(
    name="1.0",
    send="SendMessage",
    stream="SendStreamingMessage",
    get_task="GetTask",
    role="ROLE_USER",
    configuration={"acceptedOutputModes": ["text/plain"]},
    headers=(("A2A-Version", "1.0"),),
)
VERSIONS: Final = {version.name: version for version in (V0_3, V1_0)}


def plain_state(word: str) -> str:
    """A task's state as 0.3 writes it, from either version's word: `TASK_STATE_INPUT_REQUIRED` and `input-required`."""
    if word.startswith(_STATE_PREFIX):
        return word.removeprefix(_STATE_PREFIX).lower().replace("_", "-")
    return word


def plain_states(words: Iterable[str]) -> frozenset[str]:
    """`plain_state` of each."""
    return frozenset(plain_state(word) for word in words)


def is_user(role: Any) -> bool:
    """Whether a message with this `role` is the caller's own, in either version's words."""
    return isinstance(role, str) and role.removeprefix(_ROLE_PREFIX).lower() == "user"
