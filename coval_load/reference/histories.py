"""Reads the conversation so far, which each request over HTTP brings along: an agent keeps nothing itself."""

from typing import Any

import attrs

# An agent that never stops calling tools knows by the name of its last call that it is at it.
ENDLESS = "endless"


@attrs.frozen
class History:
    """`turn` is how many messages the caller has written, `text` the last of them, `rounds` how many results of
    tools came after it; `endless` is whether the last call was one of those that never end."""

    turn: int
    text: str
    rounds: int
    endless: bool


def read_history(items: Any) -> History:
    """Reads messages of the chat completions format, items of the Responses format, or both mixed.

    Raises ValueError with a message for people where an OpenAI API would refuse it too.
    """
    if not isinstance(items, list):
        raise ValueError("expected a list of messages")
    reader = _Reader()
    for at, item in enumerate(items):
        try:
            reader.take(item)
        except ValueError as wrong:
            raise ValueError(f"message {at}: {wrong}") from None
    return reader.history()


class _Reader:
    def __init__(self) -> None:
        self._turn = 0
        self._text = ""
        self._rounds = 0
        self._calls: set[str] = set()
        self._unanswered: set[str] = set()
        self._last_result = ""
        self._callers_word_is_last = False

    def take(self, item: Any) -> None:
        if not isinstance(item, dict):
            raise ValueError("expected an object")
        self._callers_word_is_last = False
        match item.get("role"), item.get("type"):
            case "user", _:
                self._take_words(item)
            case "tool", _:
                self._take_result(item.get("tool_call_id"), item.get("content"))
            case _, "function_call_output":
                self._take_result(item.get("call_id"), item.get("output"))
            case _, "function_call":
                self._take_call(item.get("call_id"))
            case "assistant", _:
                for call in item.get("tool_calls") or ():
                    self._take_call(call.get("id") if isinstance(call, dict) else None)
            case "system" | "developer", _:
                pass
            case role, kind:
                raise ValueError(f"expected a known role or type; got role {role!r}, type {kind!r}")

    def _take_words(self, item: dict[str, Any]) -> None:
        self._expect_results()
        self._text = _text_of(item.get("content"))
        self._turn += 1
        self._rounds = 0
        self._last_result = ""
        self._callers_word_is_last = True

    def _take_call(self, call_id: Any) -> None:
        if not isinstance(call_id, str) or not call_id:
            raise ValueError("expected a tool call with an id")
        self._calls.add(call_id)
        self._unanswered.add(call_id)

    def _take_result(self, call_id: Any, content: Any) -> None:
        if call_id not in self._unanswered:
            raise ValueError(f"expected the result of a tool call made before; got one of {call_id!r}")
        if not isinstance(content, str):
            raise ValueError("expected the result of a tool as text")
        self._unanswered.discard(call_id)
        self._last_result = call_id
        self._rounds += 1
        self._callers_word_is_last = True

    def _expect_results(self) -> None:
        if self._unanswered:
            raise ValueError(f"expected a result of each tool call; got none of {', '.join(sorted(self._unanswered))}")

    def history(self) -> History:
        self._expect_results()
        if not self._callers_word_is_last or not self._turn:
            raise ValueError("expected the last message to be the user's, or the result of a tool")
        return History(self._turn, self._text, self._rounds, self._last_result.startswith(ENDLESS))


def _text_of(content: Any) -> str:
    if isinstance(content, list):
        texts = [part.get("text") if isinstance(part, dict) else None for part in content]
    else:
        texts = [content]
    words = [text for text in texts if isinstance(text, str)]
    if not words or len(words) < len(texts):
        raise ValueError("expected content that is text")
    return "\n".join(words)
