"""Reads an answer that is a stream of server-sent events, whichever format its data has."""

from collections.abc import Sequence
from typing import Any

from coval_load.codecs.dialects.chat_replies.chat_completions import ChatCompletionStream
from coval_load.codecs.dialects.chat_replies.reply_marks import conversation_ended, text_at
from coval_load.codecs.dialects.chat_replies.reply_violations import (
    broken_off,
    nothing_streamed,
    parse_answer,
    too_large,
)
from coval_load.codecs.dialects.chat_replies.reported_errors import failed, reported_error
from coval_load.codecs.dialects.chat_replies.responses import ResponseStream, is_event, is_response
from coval_load.codecs.dialects.chat_replies.tool_call_extraction import ToolCallExtraction
from coval_load.codecs.dialects.json_messages import NotJson
from coval_load.codecs.events import (
    AgentFailed,
    ConversationEnded,
    Event,
    TextChunkReceived,
    TextReceived,
    ToolCallReceived,
    Violation,
)
from coval_load.codecs.paths import NOT_THERE, Path
from coval_load.codecs.server_sent_events import MOST_BUFFERED, EventStream, ServerSentEvent


class StreamedReply:
    """Reads chunks of Chat Completions, events of the Responses API, or any JSON with pieces of text.

    Each object is read by its shape. Pieces of text are taken from `response_message_path` or from these
    formats, whichever has one first. Text and tool calls in a known format need that format's end: without
    it the stream broke off. Nothing follows a `Violation` or an `AgentFailed`.
    """

    def __init__(
        self,
        content_type: str,
        response_message_path: Path | None = None,
        extraction: ToolCallExtraction | None = None,
        most_buffered: int = MOST_BUFFERED,
    ) -> None:
        self._content_type = content_type
        self._path = response_message_path
        self._extraction = extraction
        self._most = most_buffered
        self._stream = EventStream(most_buffered)
        self._completions = ChatCompletionStream()
        self._responses = ResponseStream()
        self._ended: ConversationEnded | None = None
        self._last: Any = NOT_THERE
        self._characters = 0
        self._is_at_path: bool | None = None
        self._was_empty_at_path = False
        self._has_extracted = False
        self._is_done = False
        self._is_over = False

    def feed(self, data: bytes) -> Sequence[Event]:
        """The pieces of text that these bytes complete."""
        found: list[Event] = []
        for event in self._stream.feed(data):
            found += self._read(event)
        if self._stream.overflowed or self._completions.size + self._responses.size > self._most:
            found += self._stop(too_large(self._most))
        return found

    def end(self) -> Sequence[Event]:
        """What stands at the end: tool calls, what the answer took, and whether it is the last."""
        found: list[Event] = []
        for event in self._stream.end():
            found += self._read(event)
        if not self._is_over:
            found += self._closing()
            self._is_over = True
        return found

    def _read(self, event: ServerSentEvent) -> list[Event]:
        if self._is_over or self._is_done or not event.data.strip():
            return []
        if event.data.strip() == "[DONE]":
            self._is_done = True
            return []
        try:
            answer = parse_answer(event.data, self._content_type)
        except NotJson as error:
            return self._stop(failed(event.data) if event.event == "error" else Violation(str(error)))
        self._last = answer
        return self._meaning(answer, event.event == "error")

    def _meaning(self, answer: Any, is_error: bool) -> list[Event]:
        found = self._known(answer)
        failure = next((event for event in found if isinstance(event, AgentFailed)), None)
        pieces = self._pieces(answer, [event for event in found if isinstance(event, TextChunkReceived)])
        calls = self._extraction.read(answer) if self._extraction is not None else []
        self._has_extracted = self._has_extracted or bool(calls)
        self._ended = self._ended or conversation_ended(answer)
        failure = failure or reported_error(answer) or (failed(answer) if is_error else None)
        return [*pieces, *calls, *(self._stop(failure) if failure is not None else ())]

    def _known(self, answer: Any) -> list[Event]:
        if is_event(answer) or is_response(answer):
            return self._responses.feed(answer)
        return self._completions.feed(answer)

    def _pieces(self, answer: Any, known: list[TextChunkReceived]) -> list[TextChunkReceived]:
        at_path = text_at(self._path, answer) if self._path is not None else None
        self._was_empty_at_path = self._was_empty_at_path or at_path == ""
        if self._is_at_path is None and (at_path or known):
            self._is_at_path = bool(at_path)
        found = ([TextChunkReceived(at_path)] if at_path else []) if self._is_at_path else known
        self._characters += sum(len(piece.text) for piece in found)
        return found

    def _closing(self) -> list[Event]:
        if self._is_broken_off:
            return [broken_off(self._characters)]
        calls = [] if self._has_extracted else self._tool_calls
        found: list[Event] = []
        if not (self._characters or calls or self._has_extracted or self._ended):
            if not self._was_said:
                return [nothing_streamed(self._last, self._path)]
            found.append(TextReceived(""))
        found += calls
        usage = self._completions.usage or self._responses.usage
        found += [] if usage is None else [usage]
        return found if self._ended is None else [*found, self._ended]

    @property
    def _is_broken_off(self) -> bool:
        if self._is_done or self._ended or self._completions.is_finished or self._responses.is_finished:
            return False
        was_said = self._completions.was_said or self._responses.was_said
        return (was_said and not self._is_at_path) or bool(self._tool_calls)

    @property
    def _was_said(self) -> bool:
        return self._completions.was_said or self._responses.was_said or self._was_empty_at_path

    @property
    def _tool_calls(self) -> list[ToolCallReceived]:
        return self._completions.tool_calls + self._responses.tool_calls

    def _stop(self, event: Event) -> list[Event]:
        if self._is_over:
            return []
        self._is_over = True
        return [event]
