"""Server events of OpenAI's Realtime API, whole, as the official client's types have them, and what decodes them."""

import base64
import json

import attrs

from coval_load.codecs.dialects.openai_realtime.format import OpenAIRealtimeFormat
from coval_load.codecs.events import ReadyReceived

VAD = OpenAIRealtimeFormat()
MANUAL = attrs.evolve(VAD, turn_detection="none")


def event(event_type, **members):
    return {"type": event_type, "event_id": "event_1", **members}


def text_of(message):
    return json.dumps(message, ensure_ascii=False)


def session(event_type="session.updated", **members):
    return event(event_type, session={"type": "realtime", "object": "realtime.session", "id": "sess_1", **members})


def part(event_type, response="resp_1", item="item_1", **members):
    return event(event_type, response_id=response, item_id=item, output_index=0, content_index=0, **members)


def audio(pcm, response="resp_1", item="item_1"):
    delta = base64.b64encode(pcm).decode()
    return part("response.output_audio.delta", response, item, delta=delta)


def created(response="resp_1"):
    whole = {"object": "realtime.response", "id": response, "status": "in_progress", "output": []}
    return event("response.created", response=whole)


def done(response="resp_1", status="completed", details=None, output=(), usage=None):
    whole = {
        "object": "realtime.response",
        "id": response,
        "status": status,
        "status_details": details,
        "output": list(output),
        "usage": usage,
    }
    return event("response.done", response=whole)


def failed(response="resp_1", **error):
    return done(response, "failed", {"type": "failed", "error": error})


def call(call_id="call_1", name="look_up", arguments='{"a":1}', item="item_9", status="completed"):
    members = {"id": item, "call_id": call_id, "name": name, "arguments": arguments, "status": status}
    return {"type": "function_call", "object": "realtime.item", **members}


def call_done(item, response="resp_1"):
    return event("response.output_item.done", response_id=response, output_index=1, item=item)


def call_added(item, response="resp_1"):
    return event("response.output_item.added", response_id=response, output_index=1, item=item)


def arguments(call_id="call_1", name="look_up", text='{"a":1}', item="item_9", response="resp_1"):
    return event(
        "response.function_call_arguments.done",
        response_id=response,
        item_id=item,
        output_index=1,
        call_id=call_id,
        name=name,
        arguments=text,
    )


def error(error_type="invalid_request_error", code=None, message="so it is", param=None):
    members = {"type": error_type, "code": code, "message": message, "param": param, "event_id": None}
    return event("error", error=members)


def speech_started(item="item_2"):
    return event("input_audio_buffer.speech_started", audio_start_ms=320, item_id=item)


def speech_stopped(item="item_2"):
    return event("input_audio_buffer.speech_stopped", audio_end_ms=1820, item_id=item)


def heard(kind, item="item_2", **members):
    return event(f"conversation.item.input_audio_transcription.{kind}", item_id=item, content_index=0, **members)


USAGE = {
    "total_tokens": 253,
    "input_tokens": 132,
    "output_tokens": 121,
    "input_token_details": {
        "text_tokens": 119,
        "audio_tokens": 13,
        "image_tokens": 0,
        "cached_tokens": 64,
        "cached_tokens_details": {"text_tokens": 64, "audio_tokens": 0, "image_tokens": 0},
    },
    "output_token_details": {"text_tokens": 30, "audio_tokens": 91},
}
LIMITS = [
    {"name": "requests", "limit": 1000, "remaining": 999, "reset_seconds": 60},
    {"name": "tokens", "limit": 50000, "remaining": 49950, "reset_seconds": 0.125},
]
MESSAGE = {
    "id": "item_1",
    "object": "realtime.item",
    "type": "message",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "output_audio", "transcript": "Hello."}],
}
QUIET = [
    session("session.created"),
    event("conversation.item.added", previous_item_id=None, item=MESSAGE),
    event("conversation.item.done", previous_item_id="item_0", item=MESSAGE),
    event("conversation.item.created", previous_item_id=None, item=MESSAGE),
    event("conversation.item.deleted", item_id="item_1"),
    event("conversation.item.truncated", item_id="item_1", content_index=0, audio_end_ms=1500),
    event("conversation.item.retrieved", item=MESSAGE),
    heard("segment", id="seg_1", text="Hello", speaker="A", start=0.0, end=0.5),
    event("input_audio_buffer.committed", previous_item_id=None, item_id="item_2"),
    event("input_audio_buffer.cleared"),
    event("input_audio_buffer.timeout_triggered", audio_start_ms=1, audio_end_ms=6000, item_id="item_2"),
    event("output_audio_buffer.started", response_id="resp_1"),
    event("output_audio_buffer.stopped", response_id="resp_1"),
    event("output_audio_buffer.cleared", response_id="resp_1"),
    call_added(call(status="in_progress", arguments="")),
    event("response.output_item.added", response_id="resp_1", output_index=0, item=MESSAGE),
    event("response.output_item.done", response_id="resp_1", output_index=0, item=MESSAGE),
    part("response.content_part.added", part={"type": "audio", "transcript": ""}),
    part("response.content_part.done", part={"type": "audio", "transcript": "Hello."}),
    part("response.output_audio.done"),
    event(
        "response.function_call_arguments.delta",
        response_id="resp_1",
        item_id="item_9",
        output_index=1,
        call_id="call_1",
        delta='{"a"',
    ),
    event("mcp_list_tools.in_progress", item_id="item_3"),
    event("mcp_list_tools.completed", item_id="item_3"),
    event("response.mcp_call.in_progress", item_id="item_3", output_index=0),
    event("response.mcp_call.completed", item_id="item_3", output_index=0),
]


def reported(words, note):
    return f"the agent reported an error: {words} ({note})"


def decoded(dialect, *said):
    return [found for message in said for found in dialect.decode(text_of(message).encode(), True)]


def opened(voice=VAD):
    dialect = voice.open({})
    assert decoded(dialect, session()) == [ReadyReceived("sess_1")]
    return dialect
