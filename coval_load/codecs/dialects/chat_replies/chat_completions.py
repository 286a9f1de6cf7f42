"""Answers in the format of OpenAI's Chat Completions API, whole and streamed.

Source: the API reference, "The chat completion object" and "The chat completion chunk object".
"""

from typing import Any

from coval_load.codecs.dialects.chat_replies.tool_call_pieces import ToolCallPieces
from coval_load.codecs.events import Event, TextChunkReceived, ToolCallReceived, UsageReceived
from coval_load.codecs.paths import Path

CONTENT_PATH = Path.parse("choices.0.message.content")
"""Where the text of a whole answer stands."""

_MESSAGE = Path.parse("choices.0.message")


def text_of(content: Any) -> str | None:
    """The text of a message's `content`: a string, or a list of parts, whose texts and refusals are joined.

    None where it is neither, or no part has a text.
    """
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return None
    texts = [text for part in content if (text := _part_text(part)) is not None]
    return "".join(texts) if texts else None


def message_text(message: Any) -> str | None:
    """The text of a message or of a delta: its content and its refusal, which is a text that takes its place."""
    if not isinstance(message, dict):
        return None
    found = [text_of(message.get("content")), text_of(message.get("refusal"))]
    texts = [text for text in found if text is not None]
    return "".join(texts) if texts else None


def read_text(answer: Any) -> str | None:
    """The text of a whole answer, parsed JSON; None where there is none."""
    return message_text(_MESSAGE.find(answer))


def read_tool_calls(answer: Any) -> list[ToolCallReceived]:
    """The tool calls of a whole answer."""
    calls: list[ToolCallReceived] = []
    message = _MESSAGE.find(answer)
    for call in _calls_in(message if isinstance(message, dict) else {}):
        # Each is whole by itself, whatever index or id it has.
        pieces = ToolCallPieces()
        pieces.add(call)
        calls += pieces.whole()
    return calls


def read_usage(answer: Any) -> UsageReceived | None:
    """The tokens that `usage` counts; None where it counts none."""
    return usage_of(answer, "prompt_tokens", "completion_tokens")


def usage_of(answer: Any, input_key: str, output_key: str) -> UsageReceived | None:
    """The tokens that the members of `usage` with these keys count; None where neither does."""
    usage = answer.get("usage") if isinstance(answer, dict) else None
    if not isinstance(usage, dict):
        return None
    tokens = UsageReceived(_count(usage.get(input_key)), _count(usage.get(output_key)))
    return None if tokens == UsageReceived(None, None) else tokens


class ChatCompletionStream:
    """Reads the chunks of one streamed answer. Never raises on input.

    `is_finished` tells whether a finish reason came; `was_said` whether any text did, be it empty.
    """

    def __init__(self) -> None:
        self.is_finished = False
        self.was_said = False
        self.usage: UsageReceived | None = None
        self._calls = ToolCallPieces()
        self._has_text = False

    @property
    def size(self) -> int:
        """About how many characters are kept."""
        return self._calls.size

    @property
    def tool_calls(self) -> list[ToolCallReceived]:
        """The tool calls so far; they are whole only when the stream is."""
        return self._calls.whole()

    def feed(self, chunk: Any) -> list[Event]:
        """The text that one chunk, parsed JSON, brings. Its choices are empty where it only tells the usage."""
        if not isinstance(chunk, dict):
            return []
        self.usage = read_usage(chunk) or self.usage
        choices = chunk.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        if not isinstance(choice, dict):
            return []
        self.is_finished = self.is_finished or bool(choice.get("finish_reason"))
        message = self._message(choice)
        for call in _calls_in(message):
            self._calls.add(call)
        text = message_text(message)
        self.was_said = self.was_said or text is not None
        if not text:
            return []
        self._has_text = True
        return [TextChunkReceived(text)]

    def _message(self, choice: dict[str, Any]) -> dict[str, Any]:
        delta, message = choice.get("delta"), choice.get("message")
        if isinstance(delta, dict) and delta:
            return delta
        # Some servers answer with one whole message in a stream, or repeat it whole after its pieces.
        is_first = not self._has_text and not self._calls
        return message if isinstance(message, dict) and is_first else {}


def _calls_in(message: dict[str, Any]) -> list[Any]:
    calls = message.get("tool_calls")
    return calls if isinstance(calls, list) else []


def _part_text(part: Any) -> str | None:
    if isinstance(part, dict):
        part = part.get("refusal") if part.get("type") == "refusal" else part.get("text")
    return part if isinstance(part, str) else None


def _count(tokens: Any) -> int | None:
    return tokens if isinstance(tokens, int) and not isinstance(tokens, bool) and tokens >= 0 else None
