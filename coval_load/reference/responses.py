"""Replies in the shape of OpenAI's Responses API."""

from typing import Any

from coval_load.reference.chat_reply import Call, Said, cut
from coval_load.reference.completions import CREATED


def whole_response(said: Said) -> dict[str, Any]:
    """A `response` object. Where the conversation ends its `status` says so, as an agent of one's own would."""
    return _response(said, "ended" if said.ends else "completed", [_item(said)], _usage(said))


def streamed_response(said: Said, chunks: int) -> list[list[Any]]:
    """Events from `response.created` to `response.completed`, by the pieces of the text that they leave with."""
    created = {"type": "response.created", "response": _response(said, "in_progress", [], None)}
    if said.call:
        pieces = [_call_events(said, said.call)]
    else:
        pieces = [[_text_event(said, "response.output_text.delta", delta=piece)] for piece in cut(said.text, chunks)]
        pieces[0] = [*_text_begins(said), *pieces[0]]
        pieces[-1] = [*pieces[-1], *_text_ends(said)]
    completed = {"type": "response.completed", "response": whole_response(said)}
    pieces[0] = [created, *pieces[0]]
    pieces[-1] = [*pieces[-1], completed]
    return _numbered(pieces)


def _text_begins(said: Said) -> list[Any]:
    item = {**_item(said), "status": "in_progress", "content": []}
    return [
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        _text_event(said, "response.content_part.added", part=_part("")),
    ]


def _text_ends(said: Said) -> list[Any]:
    return [
        _text_event(said, "response.output_text.done", text=said.text),
        _text_event(said, "response.content_part.done", part=_part(said.text)),
        {"type": "response.output_item.done", "output_index": 0, "item": _item(said)},
    ]


def _call_events(said: Said, call: Call) -> list[Any]:
    of_item = {"item_id": _item(said)["id"], "output_index": 0}
    begun = {**_item(said), "status": "in_progress", "arguments": ""}
    deltas = [
        {"type": "response.function_call_arguments.delta", **of_item, "delta": piece}
        for piece in cut(call.arguments, 3)
    ]
    return [
        {"type": "response.output_item.added", "output_index": 0, "item": begun},
        *deltas,
        {"type": "response.function_call_arguments.done", **of_item, "arguments": call.arguments},
        {"type": "response.output_item.done", "output_index": 0, "item": _item(said)},
    ]


def _numbered(pieces: list[list[Any]]) -> list[list[Any]]:
    number = 0
    for piece in pieces:
        for event in piece:
            event["sequence_number"] = number
            number += 1
    return pieces


def _text_event(said: Said, kind: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "item_id": _item(said)["id"], "output_index": 0, "content_index": 0, **more}


def _part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": []}


def _item(said: Said) -> dict[str, Any]:
    if said.call:
        called = {"call_id": said.call.call_id, "name": said.call.name, "arguments": said.call.arguments}
        return {"type": "function_call", "id": f"fc_{said.number}", "status": "completed", **called}
    content = [_part(said.text)]
    return {
        "type": "message",
        "id": f"msg_{said.number}",
        "status": "completed",
        "role": "assistant",
        "content": content,
    }


def _response(said: Said, status: str, output: list[Any], usage: dict[str, int] | None) -> dict[str, Any]:
    return {
        "id": f"resp_{said.number}",
        "object": "response",
        "created_at": CREATED,
        "status": status,
        "model": said.model,
        "output": output,
        "usage": usage,
    }


def _usage(said: Said) -> dict[str, int]:
    prompt, completion = said.prompt_tokens, said.completion_tokens
    return {"input_tokens": prompt, "output_tokens": completion, "total_tokens": prompt + completion}
