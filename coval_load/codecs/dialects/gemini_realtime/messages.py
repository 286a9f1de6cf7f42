"""What is sent to Gemini Live, as `google.genai.types.LiveClientMessage` has it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
import pybase64

from coval_load.codecs.dialects.interface import Outgoing, Said
from coval_load.codecs.dialects.tool_results import ToolResult
from coval_load.codecs.encoding import encode_json

SEND_RATE_HZ = 16_000

AWAITS_HISTORY = {"historyConfig": {"initialHistoryInClientContent": True}}
"""Fields of the setup of a session in which something was said before. Without them models from 3.1 on close the
connection with 1007 at what `history` makes."""

_AUDIO = (b'{"realtimeInput":{"audio":{"data":"', b'","mimeType":"audio/pcm;rate=16000"}}}')
NO_WORDS = "."
"""A turn that says nothing and is answered all the same: the API takes none that is empty."""

_ROLES = {"user": "user", "assistant": "model"}


def audio_frame(body: bytes) -> bytes:
    """One frame of audio, whose `body` is PCM in base64."""
    return body.join(_AUDIO)


def setup(fields: Mapping[str, Any], handle: str | None) -> Outgoing:
    """The first message: a new session, or the one that `handle` leads to."""
    resumption = {"handle": handle} if handle else {}
    return _message({"setup": {**fields, "sessionResumption": resumption}})


def history(said: Iterable[Said]) -> Sequence[Outgoing]:
    """The turns of a conversation that goes on, nothing where there are none.

    With `AWAITS_HISTORY` the agent does not answer them, and they may end with its own words.
    """
    turns = [{"role": _ROLES[turn.role], "parts": [{"text": turn.text}]} for turn in said if turn.text]
    return (_message({"clientContent": {"turns": turns, "turnComplete": True}}),) if turns else ()


def activity(begins: bool) -> Outgoing:
    """The caller begins to speak, or has ended."""
    return _message({"realtimeInput": {"activityStart" if begins else "activityEnd": {}}})


def text_turn(text: str) -> Outgoing:
    """A turn in text, which the agent answers. Models from 3.1 on take `clientContent` for history alone."""
    return _message({"realtimeInput": {"text": text}})


def image(mime_type: str, data: bytes) -> Outgoing:
    """What the caller shows: it is seen together with what is said or written next."""
    blob = {"mimeType": mime_type, "data": pybase64.b64encode_as_string(data)}
    return _message({"realtimeInput": {"video": blob}})


def tool_response(results: Iterable[ToolResult]) -> Outgoing:
    """What tools gave back."""
    return _message({"toolResponse": {"functionResponses": [_function_response(result) for result in results]}})


def _function_response(result: ToolResult) -> dict[str, Any]:
    named = {"id": result.call_id} if result.call_id else {}
    return {**named, "name": result.name, "response": _response(result.content)}


def _response(content: str) -> dict[str, Any]:
    # The API takes objects alone here.
    try:
        value = orjson.loads(content)
    except ValueError:
        value = content
    return value if isinstance(value, dict) else {"result": value}


def _message(value: dict[str, Any]) -> Outgoing:
    return Outgoing(encode_json(value), is_text=True)
