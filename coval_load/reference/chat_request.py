"""Reads a request for a reply, in each of the shapes that an agent over HTTP takes."""

from typing import Any

import attrs
import orjson

from coval_load.reference.histories import History, read_history

STANDARD, COMPLETIONS, RESPONSES = "/chat", "/v1/chat/completions", "/v1/responses"
WRAPPER = "data"


@attrs.frozen
class ChatRequest:
    """What is asked for. `prompt_tokens` is a rough count, as an agent without a tokenizer makes it."""

    history: History
    model: str
    stream: bool
    wants_usage: bool
    prompt_tokens: int


def read_chat_request(path: str, body: bytes, in_template: bool) -> ChatRequest:
    """Raises ValueError with a message for people where the request is not as it should be."""
    asked = orjson.loads(body)
    if not isinstance(asked, dict):
        raise ValueError("expected a JSON object")
    if path == STANDARD:
        history = _in_template(asked) if in_template else read_history(asked.get("messages"))
    else:
        _expect_model(asked)
        items = asked.get("messages") if path == COMPLETIONS else _input_of(asked)
        _expect_no_timestamps(items)
        history = read_history(items)
    options = asked.get("stream_options")
    return ChatRequest(
        history=history,
        model=str(asked.get("model", "reference")),
        stream=asked.get("stream") is True,
        wants_usage=isinstance(options, dict) and options.get("include_usage") is True,
        prompt_tokens=len(body) // 4,
    )


def _expect_model(asked: dict[str, Any]) -> None:
    if not isinstance(asked.get("model"), str):
        raise ValueError("expected a model")


def _expect_no_timestamps(items: Any) -> None:
    # OpenAI's own APIs refuse keys that they don't know.
    for at, item in enumerate(items if isinstance(items, list) else ()):
        if isinstance(item, dict) and "timestamp" in item:
            raise ValueError(f"message {at}: property timestamp should not exist")


def _input_of(asked: dict[str, Any]) -> Any:
    given = asked.get("input")
    return [{"role": "user", "content": given}] if isinstance(given, str) else given


def _in_template(asked: dict[str, Any]) -> History:
    wrapped = asked.get(WRAPPER)
    if not isinstance(wrapped, dict):
        raise ValueError(f"expected everything under {WRAPPER}, where the payload wrapper puts it")
    history = read_history(wrapped.get("history"))
    if wrapped.get("latest") != history.text:
        raise ValueError(f"expected the latest message, {history.text!r}, as latest; got {wrapped.get('latest')!r}")
    return history
