"""Server events that are part of a response, but for its audio."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import orjson

from coval_load.codecs.dialects.json_messages import kind_of, quoted
from coval_load.codecs.dialects.openai_realtime import reading
from coval_load.codecs.dialects.openai_realtime.replies import Replies
from coval_load.codecs.events import (
    AgentComplained,
    Event,
    MessageIgnored,
    SpeechTranscribed,
    TextChunkReceived,
    ToolResultsAwaited,
    Violation,
)

OVER: Final = (MessageIgnored("it is part of a response that is over"),)

_NOTHING: tuple[Event, ...] = ()
_MOST_NAMED: Final = 32
_Text: TypeAlias = type[SpeechTranscribed] | type[TextChunkReceived]


class Responses:
    """Reads what a response is made of. Never raises."""

    def __init__(self, replies: Replies) -> None:
        self._replies = replies
        self._names: dict[str, dict[str, str]] = {}

    def read_created(self, message: dict[str, Any]) -> Sequence[Event]:
        """The server begins one."""
        return self._replies.find(reading.id_at(reading.object_at(message, "response"), "id"))[0]

    def read_done(self, message: dict[str, Any]) -> Sequence[Event]:
        """How it ended, what it took, and calls that no other event told of."""
        response = message.get("response")
        if not isinstance(response, dict):
            return (Violation(f"expected an object at 'response' of response.done; got {kind_of(response)}"),)
        started, reply = self._replies.find(reading.id_at(response, "id"))
        if reply is None:
            return _NOTHING
        how, usage = reading.end_of(response), reading.usage_of(response)
        is_whole = how.status == "completed"
        calls = reply.settle(reading.calls_in(response)) if is_whole else ()
        awaited = (ToolResultsAwaited(),) if is_whole and reply.has_calls else ()
        return (*started, *calls, *((usage,) if usage else ()), *self._replies.end(how), *awaited)

    def read_said_piece(self, message: dict[str, Any]) -> Sequence[Event]:
        """Words of its audio."""
        return self._read_piece(message, "transcript", SpeechTranscribed)

    def read_said(self, message: dict[str, Any]) -> Sequence[Event]:
        """All words of an item, which its pieces told already where there were any."""
        return self._read_whole(message, "transcript", SpeechTranscribed)

    def read_text_piece(self, message: dict[str, Any]) -> Sequence[Event]:
        """Text that is not spoken."""
        return self._read_piece(message, "text", TextChunkReceived)

    def read_text(self, message: dict[str, Any]) -> Sequence[Event]:
        """All of it, as with words."""
        return self._read_whole(message, "text", TextChunkReceived)

    def read_item_added(self, message: dict[str, Any]) -> Sequence[Event]:
        """What an item is called, where its arguments come without that."""
        item = reading.object_at(message, "item")
        if item.get("type") == "function_call":
            known = {"name": reading.id_at(item, "name"), "call_id": reading.id_at(item, "call_id")}
            self._names[reading.id_at(item, "id")] = known
            if len(self._names) > _MOST_NAMED:
                del self._names[next(iter(self._names))]
        return _NOTHING

    def read_arguments(self, message: dict[str, Any]) -> Sequence[Event]:
        """A function call. Broken off, it has half of its arguments: what is no JSON waits for what ends the item."""
        item_id, arguments = reading.id_at(message, "item_id"), reading.text_at(message, "arguments")
        given = {key: message[key] for key in ("name", "call_id") if message.get(key)}
        # Servers from before the API was general leave the name to the item.
        item = {"type": "function_call", "id": item_id, "arguments": arguments} | self._names.get(item_id, {}) | given
        return self._read_call(message, item, is_whole=_is_json(arguments))

    def read_item_done(self, message: dict[str, Any]) -> Sequence[Event]:
        """A function call again, with whether it is whole."""
        item = reading.object_at(message, "item")
        if item.get("type") == "mcp_approval_request":
            name = quoted(reading.text_at(item, "name"))
            return (AgentComplained(f"it waits for leave to call the tool {name}; set its require_approval to never"),)
        return self._read_call(message, item, is_whole=True)

    def _read_call(self, message: dict[str, Any], item: dict[str, Any], *, is_whole: bool) -> Sequence[Event]:
        call, item_id = reading.whole_call(item), reading.id_at(item, "id")
        if call is None:
            return _NOTHING
        events, reply = self._replies.find(reading.id_at(message, "response_id"))
        if reply is None:
            return OVER
        if is_whole:
            return (*events, *reply.call(item_id, call))
        reply.hold(item_id, call)
        return events

    def _read_piece(self, message: dict[str, Any], part: str, event: _Text) -> Sequence[Event]:
        events, reply = self._replies.find(reading.id_at(message, "response_id"))
        if reply is None:
            return OVER
        text = reading.text_at(message, "delta")
        if not text or reply.is_cleared:
            return events
        reply.streamed(_part_of(message, part))
        return (*events, event(text))

    def _read_whole(self, message: dict[str, Any], part: str, event: _Text) -> Sequence[Event]:
        events, reply = self._replies.find(reading.id_at(message, "response_id"))
        if reply is None:
            return OVER
        text = reading.text_at(message, part)
        if not text or reply.is_cleared or reply.has_streamed(_part_of(message, part)):
            return events
        return (*events, event(text))


RESPONSE_READERS: Mapping[str, Callable[[Responses, dict[str, Any]], Sequence[Event]]] = {
    "response.created": Responses.read_created,
    "response.done": Responses.read_done,
    "response.output_audio_transcript.delta": Responses.read_said_piece,
    "response.output_audio_transcript.done": Responses.read_said,
    "response.output_text.delta": Responses.read_text_piece,
    "response.output_text.done": Responses.read_text,
    "response.output_item.added": Responses.read_item_added,
    "response.output_item.done": Responses.read_item_done,
    "response.function_call_arguments.done": Responses.read_arguments,
    "response.audio_transcript.delta": Responses.read_said_piece,
    "response.audio_transcript.done": Responses.read_said,
    "response.text.delta": Responses.read_text_piece,
    "response.text.done": Responses.read_text,
}


def _part_of(message: dict[str, Any], part: str) -> str:
    return f"{part} {reading.id_at(message, 'item_id')} {reading.index_at(message, 'content_index')}"


def _is_json(text: str) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True
