"""The history that a chat agent over HTTP is sent with every request, each entry encoded once.

Entries have the shape of chat completions, or of the Responses API where the agent's `response_format` says so
("Response Format", "Tool Calls" of the documents' "Connect a chat agent").
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

import attrs
import orjson

from coval_load.codecs.dialects.tool_results import ToolResult
from coval_load.codecs.encoding import encode_json
from coval_load.codecs.events import ToolCallReceived

ResponseFormat: TypeAlias = Literal["chat_completions", "responses"]


@attrs.define(eq=False)
class History:
    """What was said so far. `stamps`: each entry has the `timestamp` it is given, ISO 8601 in UTC.

    `latest_message` is the caller's last message, empty before the first.
    """

    response_format: ResponseFormat
    stamps: bool
    latest_message: str = attrs.field(default="", init=False, repr=False)
    _entries: list[bytes] = attrs.field(factory=list, init=False, repr=False)

    @property
    def messages(self) -> orjson.Fragment:
        """All entries as a JSON array, which `encode_json` takes as it is."""
        return orjson.Fragment(b"[" + b",".join(self._entries) + b"]")

    def instruct(self, text: str) -> None:
        """Begin with a system prompt, which has no timestamp: nobody says it."""
        self._entries.append(encode_json({"role": "system", "content": text}))

    def say(self, text: str, timestamp: str) -> None:
        """The caller said `text`."""
        self.latest_message = text
        self._add({"role": "user", "content": text}, timestamp)

    def hear(self, text: str, calls: Sequence[ToolCallReceived], timestamp: str) -> None:
        """The agent said `text` and made `calls`. Results have to follow: servers refuse calls without them."""
        if self.response_format == "responses":
            # There, calls are entries of their own, and a message says something.
            if text or not calls:
                self._add({"role": "assistant", "content": text}, timestamp)
            for call in calls:
                self._add(_call_entry(call), timestamp)
            return
        message: dict[str, Any] = {"role": "assistant", "content": text}
        if calls:
            message["tool_calls"] = [_call_in_message(call) for call in calls]
        self._add(message, timestamp)

    def give(self, results: Sequence[ToolResult], timestamp: str) -> None:
        """The tools that the agent called gave `results`."""
        entry = _output_entry if self.response_format == "responses" else _tool_message
        for result in results:
            self._add(entry(result), timestamp)

    def _add(self, entry: Mapping[str, Any], timestamp: str) -> None:
        self._entries.append(encode_json({**entry, "timestamp": timestamp} if self.stamps else entry))


def _call_in_message(call: ToolCallReceived) -> dict[str, Any]:
    return {"id": call.call_id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _call_entry(call: ToolCallReceived) -> dict[str, Any]:
    return {"type": "function_call", "call_id": call.call_id, "name": call.name, "arguments": call.arguments}


def _tool_message(result: ToolResult) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": result.call_id, "content": result.content}


def _output_entry(result: ToolResult) -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": result.call_id, "output": result.content}
