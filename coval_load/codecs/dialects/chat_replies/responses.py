"""Answers in the format of OpenAI's Responses API, whole and streamed.

Source: the API reference, "The response object" and "Streaming events".
"""

from collections.abc import Iterator
from typing import Any

from coval_load.codecs.dialects.chat_replies.chat_completions import text_of, usage_of
from coval_load.codecs.dialects.chat_replies.reported_errors import failed, reported_error
from coval_load.codecs.dialects.chat_replies.tool_call_pieces import ToolCallPieces, call_of
from coval_load.codecs.events import AgentFailed, Event, TextChunkReceived, ToolCallReceived, UsageReceived
from coval_load.codecs.paths import Path

_REASON = Path.parse("incomplete_details.reason")


def is_response(answer: Any) -> bool:
    """Whether an answer, parsed JSON, is a response object."""
    return isinstance(answer, dict) and (isinstance(answer.get("output"), list) or answer.get("object") == "response")


def is_event(answer: Any) -> bool:
    """Whether an object out of a stream is an event of this format."""
    if not isinstance(answer, dict):
        return False
    event_type = answer.get("type")
    return event_type == "error" or (isinstance(event_type, str) and event_type.startswith("response."))


def read_text(response: Any) -> str | None:
    """The text of all messages of a response object, refusals among it; None where there is none."""
    texts = [text for item in _items(response) if (text := _item_text(item)) is not None]
    return "".join(texts) if texts else None


def read_tool_calls(response: Any) -> list[ToolCallReceived]:
    """The function calls of a response object."""
    return [call for item in _items(response) if (call := _item_call(item)) is not None]


def read_usage(response: Any) -> UsageReceived | None:
    """The tokens that `usage` counts; None where it counts none."""
    return usage_of(response, "input_tokens", "output_tokens")


def read_failure(response: Any) -> AgentFailed | None:
    """Why a response failed; None where it did not. One that is incomplete failed if it has nothing to say."""
    if not isinstance(response, dict):
        return None
    status, error = response.get("status"), reported_error(response)
    if status == "failed":
        return error or failed({}, otherwise="the response failed")
    if read_text(response) or read_tool_calls(response):
        return None
    if status in ("incomplete", "cancelled"):
        reason = _REASON.find(response)
        why = f": {reason}" if isinstance(reason, str) else ""
        return error or failed({}, otherwise=f"the response is {status}{why}")
    return error


class ResponseStream:
    """Reads the events of one streamed response. Never raises on input.

    Text comes in deltas and then again in `….done` events and in the response object at the end; it is taken
    from whichever kind of these has it first, and so are the parts of a tool call. `is_finished` tells whether
    the response came to its end; `was_said` whether any text came, be it empty.
    """

    def __init__(self) -> None:
        self.is_finished = False
        self.was_said = False
        self.usage: UsageReceived | None = None
        self.size = 0
        self._text_from: str | None = None
        self._in_response: list[ToolCallReceived] = []
        self._in_items: list[ToolCallReceived] = []
        self._pieces = ToolCallPieces()

    @property
    def tool_calls(self) -> list[ToolCallReceived]:
        """The tool calls so far; they are whole only when the stream is."""
        return self._in_response or self._in_items or self._pieces.whole()

    def feed(self, event: Any) -> list[Event]:
        """What one event, parsed JSON, brings: text, or the end of it all in an error."""
        if not isinstance(event, dict):
            return []
        match event.get("type"):
            case "response.output_text.delta" | "response.refusal.delta":
                return self._say("delta", event.get("delta"))
            case "response.output_text.done":
                return self._say("text", event.get("text"))
            case "response.refusal.done":
                return self._say("text", event.get("refusal"))
            case "response.output_item.added":
                self._begin_call(event)
            case "response.function_call_arguments.delta":
                self._add_arguments(event, event.get("delta"))
            case "response.function_call_arguments.done":
                # Where deltas came before, these are the same again, which `ToolCallPieces` takes once.
                self._add_arguments(event, event.get("arguments"))
            case "response.output_item.done":
                return self._end_item(event.get("item"))
            case "response.completed" | "response.incomplete" | "response.failed" | "response.cancelled" as name:
                return self._end(event.get("response"), name.removeprefix("response."))
            case "error":
                self.is_finished = True
                return [reported_error(event) or failed(event)]
            case _ if is_response(event):
                return self._end(event, "completed")
        return []

    def _say(self, source: str, text: Any) -> list[Event]:
        if not isinstance(text, str):
            return []
        self.was_said = True
        if not text or self._text_from not in (None, source):
            return []
        self._text_from = source
        return [TextChunkReceived(text)]

    def _end_item(self, item: Any) -> list[Event]:
        call = _item_call(item)
        if call is not None:
            self._in_items.append(call)
            self.size += len(call.call_id) + len(call.name) + len(call.arguments) + len("function_call")
        return self._say("item", _item_text(item))

    def _end(self, response: Any, status: str) -> list[Event]:
        self.is_finished = True
        whole = response if isinstance(response, dict) else {}
        whole = {**whole, "status": whole.get("status") or status}
        self.usage = read_usage(whole) or self.usage
        self._in_response = read_tool_calls(whole) or self._in_response
        said = self._say("response", read_text(whole))
        failure = read_failure(whole)
        # What came in deltas need not stand in the response that ends them.
        has_meaning = self._text_from is not None or bool(self.tool_calls)
        if failure is None or (has_meaning and whole["status"] != "failed"):
            return said
        return [*said, failure]

    def _begin_call(self, event: dict[str, Any]) -> None:
        item = event.get("item")
        if isinstance(item, dict) and item.get("type") == "function_call":
            function = {"name": item.get("name"), "arguments": item.get("arguments")}
            self._add(event, {"id": item.get("call_id"), "function": function})

    def _add_arguments(self, event: dict[str, Any], arguments: Any) -> None:
        # The name comes with the last of them only; here it would begin another call where there is no index.
        self._add(event, {"function": {"arguments": arguments}})

    def _add(self, event: dict[str, Any], piece: dict[str, Any]) -> None:
        before = self._pieces.size
        self._pieces.add({"index": event.get("output_index"), **piece})
        self.size += self._pieces.size - before


def _items(response: Any) -> Iterator[dict[str, Any]]:
    output = response.get("output") if isinstance(response, dict) else None
    if isinstance(output, list):
        yield from (item for item in output if isinstance(item, dict))


def _item_text(item: Any) -> str | None:
    if not isinstance(item, dict) or item.get("type") != "message":
        return None
    return text_of(item.get("content"))


def _item_call(item: Any) -> ToolCallReceived | None:
    if not isinstance(item, dict) or item.get("type") != "function_call":
        return None
    return call_of(item.get("call_id"), item.get("name"), item.get("arguments"))
