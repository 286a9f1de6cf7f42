"""Replies in the shape of OpenAI's chat completions, and in one that only a template fits."""

from typing import Any

from coval_load.reference.chat_reply import Call, Said, cut

# Any time will do, and replies don't need a clock for it.
CREATED = 1_750_000_000
DONE = "[DONE]"


def whole_completion(said: Said) -> dict[str, Any]:
    """A `chat.completion` object."""
    message: dict[str, Any] = {"role": "assistant", "content": None if said.call else said.text}
    if said.call:
        message["tool_calls"] = [_call(said.call)]
    choice = {"index": 0, "message": message, "finish_reason": _finish_reason(said)}
    return {**_head(said, "chat.completion"), "choices": [choice], "usage": _usage(said), **_ending(said)}


def streamed_completion(said: Said, chunks: int, wants_usage: bool) -> list[list[Any]]:
    """`chat.completion.chunk` objects up to `[DONE]`, by the pieces of the text that they leave with."""
    first = _chunk(said, {"role": "assistant", "content": None if said.call else ""})
    pieces = [_call_chunks(said, said.call)] if said.call else _text_chunks(said, chunks)
    last = [{**_chunk(said, {}, _finish_reason(said)), **_ending(said)}]
    if wants_usage:
        last.append({**_head(said, "chat.completion.chunk"), "choices": [], "usage": _usage(said)})
    pieces[0] = [first, *pieces[0]]
    pieces[-1] = [*pieces[-1], *last, DONE]
    return pieces


def in_template(said: Said) -> dict[str, Any]:
    """JSON of a shape that an agent file has to describe: text at `data.reply.text`."""
    if said.call:
        called = {"id": said.call.call_id, "name": said.call.name, "arguments": said.call.arguments}
        return {"data": {"reply": {"tool_calls": [called]}}}
    return {"data": {"reply": {"text": said.text}}, **_ending(said)}


def _text_chunks(said: Said, chunks: int) -> list[list[Any]]:
    return [[_chunk(said, {"content": piece})] for piece in cut(said.text, chunks)]


def _call_chunks(said: Said, call: Call) -> list[Any]:
    begun = {**_call(call), "index": 0, "function": {"name": call.name, "arguments": ""}}
    pieces = [{"index": 0, "function": {"arguments": piece}} for piece in cut(call.arguments, 3)]
    return [_chunk(said, {"tool_calls": [delta]}) for delta in (begun, *pieces)]


def _chunk(said: Said, delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return {**_head(said, "chat.completion.chunk"), "choices": [choice]}


def _head(said: Said, kind: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{said.number}", "object": kind, "created": CREATED, "model": said.model}


def _call(call: Call) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.call_id, "type": "function", "function": function}


def _usage(said: Said) -> dict[str, int]:
    prompt, completion = said.prompt_tokens, said.completion_tokens
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def _finish_reason(said: Said) -> str:
    return "tool_calls" if said.call else "stop"


def _ending(said: Said) -> dict[str, str]:
    return {"status": "ended"} if said.ends else {}
