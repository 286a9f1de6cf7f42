"""Answers over HTTP to read in tests: how to make them, and how to read them in one go or in pieces."""

import json

from coval_load.codecs.dialects.chat_replies.reading import open_reading
from coval_load.codecs.events import TextChunkReceived, TextReceived, ToolCallReceived
from coval_load.codecs.paths import Path

JSON = "application/json"
STREAM = "text/event-stream; charset=utf-8"


def read(body, content_type=JSON, path=None, extraction=None, pieces=None, **bounds):
    """All events of an answer; `body` is bytes, or a value that is written as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    reading = open_reading(content_type, None if path is None else Path.parse(path), extraction, **bounds)
    found = [event for piece in (pieces or [data]) for event in reading.feed(piece)]
    return [*found, *reading.end()]


def read_stream(*data, done=True, **options):
    """All events of a stream, whose data are JSON values or text as it is."""
    return read(stream_of(*data, done=done), STREAM, **options)


def stream_of(*data, done=True):
    """Server-sent events, as OpenAI's Chat Completions writes them."""
    texts = [each if isinstance(each, str) else json.dumps(each) for each in data]
    return "".join(f"data: {text}\n\n" for text in [*texts, *(["[DONE]"] if done else [])]).encode()


def response_stream_of(*events):
    """Server-sent events, as OpenAI's Responses API writes them: with their types, and no [DONE]."""
    numbered = [{"sequence_number": number, **event} for number, event in enumerate(events)]
    return "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in numbered).encode()


def text_in(events):
    """All text, joined; None where there is none."""
    texts = [event.text for event in events if isinstance(event, TextReceived | TextChunkReceived)]
    return "".join(texts) if texts else None


def calls_in(events):
    """The tool calls."""
    return [event for event in events if isinstance(event, ToolCallReceived)]


def completion(message, finish_reason="stop", **more):
    """A whole chat completion, with all that OpenAI's API sends in one."""
    return {
        "id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
        "object": "chat.completion",
        "created": 1741569952,
        "model": "gpt-4.1-2025-04-14",
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason}],
        "usage": {
            "prompt_tokens": 19,
            "completion_tokens": 10,
            "total_tokens": 29,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        },
        "service_tier": "default",
        "system_fingerprint": None,
        **more,
    }


def chunk(delta, finish_reason=None, **more):
    """One chunk of a streamed chat completion, with all that OpenAI's API sends in one."""
    return {
        "id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
        "object": "chat.completion.chunk",
        "created": 1741569952,
        "model": "gpt-4.1-2025-04-14",
        "service_tier": "default",
        "system_fingerprint": "fp_44709d6fcb",
        "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}],
        "usage": None,
        "obfuscation": "Zq3xY",
        **more,
    }


def response(*output, status="completed", **more):
    """A whole response object, with all that OpenAI's API sends in one."""
    return {
        "id": "resp_67ccd2bed1ec8190b14f964abc0542670bb6a6b452d3795b",
        "object": "response",
        "created_at": 1741476542,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": None,
        "model": "gpt-4.1-2025-04-14",
        "output": list(output),
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "usage": {"input_tokens": 36, "output_tokens": 87, "total_tokens": 123},
        **more,
    }


def message(*parts, item_id="msg_1"):
    """A message in a response's output."""
    return {"type": "message", "id": item_id, "status": "completed", "role": "assistant", "content": list(parts)}


def output_text(text):
    """A part of such a message."""
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def function_call(call_id, name, arguments, **more):
    """A call of a tool in a response's output."""
    item = {"type": "function_call", "id": f"fc_{call_id}", "call_id": call_id, "name": name, "arguments": arguments}
    return {**item, "status": "completed", **more}
