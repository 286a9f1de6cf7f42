"""Reads the answers of agents over HTTP (MODEL_TYPE_CHAT): whole JSON bodies and streams of server-sent events.

The rules are those of the documents' "Standard Protocol", "Response Message Path" and "Ending the Chat".
"""

from collections.abc import Sequence
from typing import Any

from coval_load.codecs.dialects.chat_replies import chat_completions, responses
from coval_load.codecs.dialects.chat_replies.reply_marks import conversation_ended, text_at
from coval_load.codecs.dialects.chat_replies.reply_violations import not_text, parse_answer, too_large
from coval_load.codecs.dialects.chat_replies.reported_errors import reported_error
from coval_load.codecs.dialects.chat_replies.streamed_reply import StreamedReply
from coval_load.codecs.dialects.chat_replies.tool_call_extraction import ToolCallExtraction
from coval_load.codecs.dialects.http_interface import ReplyReading
from coval_load.codecs.dialects.json_messages import NotJson
from coval_load.codecs.events import AgentFailed, Event, TextReceived, ToolCallReceived, Violation
from coval_load.codecs.paths import Path
from coval_load.codecs.server_sent_events import MOST_BUFFERED


def open_reading(
    content_type: str,
    response_message_path: Path | None = None,
    extraction: ToolCallExtraction | None = None,
    most_buffered: int = MOST_BUFFERED,
) -> ReplyReading:
    """The reading of one answer: a stream if `content_type` is `text/event-stream`, otherwise one JSON body."""
    if content_type.partition(";")[0].strip().lower() == "text/event-stream":
        return StreamedReply(content_type, response_message_path, extraction, most_buffered)
    return WholeReply(content_type, response_message_path, extraction, most_buffered)


class WholeReply:
    """Reads an answer that is one JSON document, whatever its content type says.

    The text stands at `response_message_path`, and only there if that is set; or else where Chat Completions or
    the Responses API has it. Tool calls stand where `extraction` finds some, or else where these have them.
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
        self._body = bytearray()
        self._is_over = False

    def feed(self, data: bytes) -> Sequence[Event]:
        """Nothing until the body is whole, or too large."""
        if self._is_over:
            return ()
        self._body += data
        if len(self._body) <= self._most:
            return ()
        self._is_over = True
        self._body.clear()
        return (too_large(self._most),)

    def end(self) -> Sequence[Event]:
        """All that the answer says: its text, its tool calls, what it took, and whether it is the last."""
        if self._is_over:
            return ()
        self._is_over = True
        try:
            answer = parse_answer(bytes(self._body), self._content_type)
        except NotJson as error:
            return (Violation(str(error)),)
        finally:
            self._body.clear()
        return self._meaning(answer)

    def _meaning(self, answer: Any) -> list[Event]:
        text, calls = self._text(answer), self._tool_calls(answer)
        usage = chat_completions.read_usage(answer) or responses.read_usage(answer)
        found: list[Event] = [] if usage is None else [usage]
        failure = self._failure(answer, bool(text or calls))
        if failure is not None:
            return [*found, failure]
        ended = conversation_ended(answer)
        if text or (text is not None and not calls and ended is None):
            found.insert(0, TextReceived(text))
        elif not calls and ended is None:
            return [
                *found,
                not_text(answer, self._path),
            ]
        found += calls
        return found if ended is None else [*found, ended]

    def _text(self, answer: Any) -> str | None:
        if self._path is not None:
            return text_at(self._path, answer)
        text = chat_completions.read_text(answer)
        return responses.read_text(answer) if text is None else text

    def _tool_calls(self, answer: Any) -> list[ToolCallReceived]:
        extracted = self._extraction.read(answer) if self._extraction is not None else []
        return extracted or chat_completions.read_tool_calls(answer) or responses.read_tool_calls(answer)

    def _failure(self, answer: Any, has_meaning: bool) -> AgentFailed | None:
        if responses.is_response(answer):
            failure = responses.read_failure(answer)
            return failure if not has_meaning or answer.get("status") == "failed" else None
        return None if has_meaning else reported_error(answer)
