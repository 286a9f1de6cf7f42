"""How A2A 0.3 and 1.0 word the same things: methods, messages, tasks, events of a stream, the agent card."""

from collections.abc import Mapping
from typing import Any

import attrs

INVALID_PARAMS = -32602
TIMESTAMP = "2025-06-15T12:00:00.000Z"
SKILL = {"id": "echo", "name": "Echo", "description": "Repeats what it was told", "tags": ["test"]}
MODES = {"defaultInputModes": ["text/plain"], "defaultOutputModes": ["text/plain"]}


class RpcError(Exception):
    """What a caller is answered with instead of a result."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@attrs.frozen
class Incoming:
    """A caller's message."""

    text: str
    context_id: str | None
    task_id: str | None
    metadata: Mapping[str, Any]


@attrs.frozen
class Wording:
    """The words of protocol `version`, `0.3` or `1.0`."""

    version: str

    @property
    def _is_03(self) -> bool:
        return self.version == "0.3"

    @property
    def methods(self) -> Mapping[str, str]:
        """What each method is: `send`, `stream` or `get`."""
        if self._is_03:
            return {"message/send": "send", "message/stream": "stream", "tasks/get": "get"}
        return {"SendMessage": "send", "SendStreamingMessage": "stream", "GetTask": "get"}

    def card(self, url: str) -> dict[str, Any]:
        """What stands at `/.well-known/agent-card.json`."""
        card = {
            "name": "reference agent",
            "description": "Answers a load test",
            "version": "1.0.0",
            "capabilities": {"streaming": True, "pushNotifications": False},
            "skills": [SKILL],
            **MODES,
        }
        if self._is_03:
            return {**card, "protocolVersion": "0.3.0", "url": url, "preferredTransport": "JSONRPC"}
        interface = {"url": url, "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}
        return {**card, "supportedInterfaces": [interface]}

    def read_message(self, params: Any) -> Incoming:
        """Raises `RpcError` (-32602) where it is not a text message of a user, in the words of this version."""
        message = params.get("message") if isinstance(params, dict) else None
        if not isinstance(message, dict) or not isinstance(message.get("messageId"), str):
            raise RpcError(INVALID_PARAMS, "expected params.message with a messageId")
        role = "user" if self._is_03 else "ROLE_USER"
        if message.get("role") != role:
            raise RpcError(INVALID_PARAMS, f"expected the role {role}; got {message.get('role')!r}")
        ids = [message.get("contextId"), message.get("taskId")]
        if not all(each is None or isinstance(each, str) for each in ids):
            raise RpcError(INVALID_PARAMS, "expected contextId and taskId as strings, or neither")
        metadata = params.get("metadata")
        text = self._text_in(message.get("parts"))
        return Incoming(text, ids[0], ids[1], metadata if isinstance(metadata, dict) else {})

    def _text_in(self, parts: Any) -> str:
        texts = [self._text_of(part) for part in parts] if isinstance(parts, list) else []
        words = [text for text in texts if text is not None]
        if not words or len(words) < len(texts):
            shape = '{"kind": "text", "text": ...}' if self._is_03 else '{"text": ...}'
            raise RpcError(INVALID_PARAMS, f"expected parts such as {shape}")
        return "\n".join(words)

    def _text_of(self, part: Any) -> str | None:
        if not isinstance(part, dict) or part.get("kind") != ("text" if self._is_03 else None):
            return None
        text = part.get("text")
        return text if isinstance(text, str) else None

    def part(self, text: str) -> dict[str, Any]:
        return {"kind": "text", "text": text} if self._is_03 else {"text": text}

    def message(
        self, text: str, message_id: str, context_id: str, task_id: str | None = None, by_user: bool = False
    ) -> dict[str, Any]:
        """A message of the agent's, or one of the caller's as it stands in a history."""
        role = "user" if by_user else "agent"
        message = {
            "role": role if self._is_03 else f"ROLE_{role.upper()}",
            "parts": [self.part(text)],
            "messageId": message_id,
            "contextId": context_id,
        }
        if task_id is not None:
            message["taskId"] = task_id
        return self._of_kind("message", message)

    def status(self, state: str, message: dict[str, Any] | None) -> dict[str, Any]:
        """A task's status; `state` in the words of 0.3."""
        worded = state if self._is_03 else f"TASK_STATE_{state.upper().replace('-', '_')}"
        status: dict[str, Any] = {"state": worded, "timestamp": TIMESTAMP}
        return status | ({"message": message} if message else {})

    def task(self, task_id: str, context_id: str, status: dict[str, Any], **more: Any) -> dict[str, Any]:
        return self._of_kind("task", {"id": task_id, "contextId": context_id, "status": status, **more})

    def status_update(self, task_id: str, context_id: str, status: dict[str, Any], final: bool) -> dict[str, Any]:
        update: dict[str, Any] = {"taskId": task_id, "contextId": context_id, "status": status}
        if self._is_03:
            update["final"] = final
        return self._of_kind("status-update", update)

    def artifact_update(self, task_id: str, context_id: str, text: str, first: bool, last: bool) -> dict[str, Any]:
        update = {
            "taskId": task_id,
            "contextId": context_id,
            "artifact": self.artifact(text),
            "append": not first,
            "lastChunk": last,
        }
        return self._of_kind("artifact-update", update)

    def artifact(self, text: str) -> dict[str, Any]:
        return {"artifactId": "reply", "name": "reply", "parts": [self.part(text)]}

    def _of_kind(self, kind: str, value: dict[str, Any]) -> dict[str, Any]:
        return {"kind": kind, **value} if self._is_03 else value

    def sent(self, kind: str, value: dict[str, Any]) -> dict[str, Any]:
        """The result of sending, or of an event of a stream: 1.0 says by a key what it is."""
        if self._is_03:
            return value
        first, _, second = kind.partition("-")
        return {first + second.capitalize(): value}
