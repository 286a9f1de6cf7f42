"""What a caller of Gemini Live sends after the setup, made into facts."""

from collections.abc import Iterator, Mapping
from typing import Any

import attrs
import orjson

from coval_load.reference.realtime.gemini_fields import (
    invalid,
    read_bytes,
    read_flag,
    read_object,
    read_objects,
    read_text,
)
from coval_load.reference.realtime.gemini_setup import NO_SETUP

MESSAGES = frozenset(["setup", "clientContent", "realtimeInput", "toolResponse", "contextUpdate"])
REALTIME_INPUT = frozenset(["audio", "video", "text", "mediaChunks", "audioStreamEnd", "activityStart", "activityEnd"])
BLOB = frozenset(["data", "mimeType", "displayName"])
CLIENT_CONTENT = frozenset(["turns", "turnComplete"])
FUNCTION_RESPONSE = frozenset(["id", "name", "response", "willContinue", "scheduling", "parts"])
# What the API takes audio without a rate for.
RATE_HZ = 16_000
RATES_HZ = range(8_000, 48_001)


@attrs.define
class AudioCame:
    """Mono 16-bit little-endian PCM, which may be cut within a sample. Not frozen: comes fifty times a second."""

    pcm: bytes
    rate_hz: int


@attrs.frozen
class AudioEnded:
    """The caller's microphone is off: no audio comes until more does."""


@attrs.frozen
class ActivityStarted:
    """The caller says that it begins to speak."""


@attrs.frozen
class ActivityEnded:
    """The caller says that it has finished speaking."""


@attrs.frozen
class TextCame:
    """The caller types, in real time: a turn of its own."""

    text: str


@attrs.frozen
class MediaCame:
    """An image, which nobody looks at."""

    mime_type: str


@attrs.frozen
class ContentCame:
    """That many `turns` of the user's added to the conversation, `text` that of the last of them.

    With `is_complete` the agent is to answer.
    """

    turns: int
    text: str
    is_complete: bool


@attrs.frozen
class ToolAnswered:
    """What a function gave back to the call `call_id`."""

    call_id: str


Input = AudioCame | AudioEnded | ActivityStarted | ActivityEnded | TextCame | MediaCame | ContentCame | ToolAnswered


def read_message(payload: str | bytes) -> tuple[str, Any]:
    """Which message it is, in camelCase, and what stands in it. Raises `Refused`."""
    try:
        message = orjson.loads(payload)
    except ValueError:
        raise invalid("Invalid JSON payload received. Expected a JSON object") from None
    fields = read_object(message, "message", MESSAGES)
    if len(fields) != 1:
        raise invalid(f"expected one of {', '.join(sorted(MESSAGES))} in a message; got {len(fields)} of them")
    return next(iter(fields.items()))


def read_inputs(payload: str | bytes) -> Iterator[Input]:
    """What a message after the setup says, in the order in which it counts. Raises `Refused`, also while iterating."""
    name, value = read_message(payload)
    match name:
        case "realtimeInput":
            yield from _realtime_input(read_object(value, "realtime_input", REALTIME_INPUT))
        case "clientContent":
            yield _client_content(read_object(value, "client_content", CLIENT_CONTENT))
        case "toolResponse":
            yield from _tool_response(value)
        case "contextUpdate":
            read_object(value, "context_update")
        case _:
            raise invalid(NO_SETUP)


def _realtime_input(fields: Mapping[str, Any]) -> Iterator[Input]:
    if "activityStart" in fields:
        read_object(fields["activityStart"], "realtime_input.activity_start", frozenset())
        yield ActivityStarted()
    if "audio" in fields:
        yield _audio(read_object(fields["audio"], "realtime_input.audio", BLOB))
    if "mediaChunks" in fields:
        yield from (_medium(blob) for blob in read_objects(fields["mediaChunks"], "realtime_input.media_chunks"))
    if "video" in fields:
        yield _medium(read_object(fields["video"], "realtime_input.video", BLOB))
    text = read_text(fields, "text", "realtime_input")
    if text:
        yield TextCame(text)
    if "activityEnd" in fields:
        read_object(fields["activityEnd"], "realtime_input.activity_end", frozenset())
        yield ActivityEnded()
    if read_flag(fields, "audioStreamEnd", "realtime_input"):
        yield AudioEnded()


def _medium(blob: Mapping[str, Any]) -> Input:
    mime_type = read_text(blob, "mimeType", "realtime_input.media_chunks") or ""
    if mime_type.startswith("audio/"):
        return _audio(blob)
    if not mime_type.startswith(("image/", "video/")):
        raise invalid(f"Unsupported mime type {mime_type[:40]!r}: expected audio/pcm or an image")
    read_bytes(blob.get("data"), "realtime_input.media_chunks.data")
    return MediaCame(mime_type)


def _audio(blob: Mapping[str, Any]) -> AudioCame:
    rate_hz = read_rate(read_text(blob, "mimeType", "realtime_input.audio") or "")
    return AudioCame(read_bytes(blob.get("data"), "realtime_input.audio.data"), rate_hz)


def read_rate(mime_type: str) -> int:
    """The sample rate in Hz of `audio/pcm;rate=16000`. Raises `Refused` for what is not PCM."""
    kind, *parameters = (part.strip() for part in mime_type.lower().split(";"))
    if kind != "audio/pcm":
        raise invalid(f"Unsupported mime type {mime_type[:40]!r}: expected audio/pcm;rate=...")
    written = dict(parameter.partition("=")[::2] for parameter in parameters).get("rate", str(RATE_HZ))
    if not (written.isascii() and written.isdecimal() and len(written) < 6) or int(written) not in RATES_HZ:
        raise invalid(f"Unsupported sample rate {written[:20]!r} in an audio's mime type")
    return int(written)


def _client_content(fields: Mapping[str, Any]) -> ContentCame:
    contents = read_objects(fields.get("turns", []), "client_content.turns")
    texts = [_text(content) for content in contents if _role(content) == "user"]
    return ContentCame(len(texts), texts[-1] if texts else "", read_flag(fields, "turnComplete", "client_content"))


def _role(content: Mapping[str, Any]) -> str:
    role = read_text(content, "role", "client_content.turns") or "user"
    if role not in ("user", "model"):
        raise invalid("Please use a valid role: user, model.")
    return role


def _text(content: Mapping[str, Any]) -> str:
    where = "client_content.turns.parts"
    parts = read_objects(content.get("parts", []), where)
    if not parts or not all("text" in part or "inlineData" in part for part in parts):
        raise invalid(f"{where}: expected text or inlineData")
    return "".join(read_text(part, "text", where) or "" for part in parts)


def _tool_response(value: Any) -> Iterator[ToolAnswered]:
    responses = read_object(value, "tool_response", frozenset(["functionResponses"])).get("functionResponses", [])
    for response in read_objects(responses, "tool_response.function_responses"):
        where = "tool_response.function_responses"
        unknown = response.keys() - FUNCTION_RESPONSE
        call_id, name = read_text(response, "id", where), read_text(response, "name", where)
        if unknown or not call_id or not name:
            raise invalid(f"{where}: expected an id and a name, and none but known fields")
        read_object(response.get("response", {}), f"{where}.response")
        yield ToolAnswered(call_id)
