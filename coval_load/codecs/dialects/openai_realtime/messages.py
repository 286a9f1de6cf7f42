"""What a client of OpenAI's Realtime API sends, but for audio, which is too frequent to be built as an object.

Source: the API reference, "Realtime", "Client events". No `event_id` is sent: nothing here is matched to an error.
"""

from typing import Any

import pybase64

from coval_load.codecs.dialects.interface import Outgoing, Said
from coval_load.codecs.dialects.tool_results import ToolResult
from coval_load.codecs.encoding import encode_json

AUDIO_AROUND = (b'{"type":"input_audio_buffer.append","audio":"', b'"}')
"""What stands before and after the base64 of a piece of audio."""

_CONTENT_TYPES = {"user": "input_text", "assistant": "output_text"}


def session_update(session: dict[str, Any]) -> Outgoing:
    """Raises ValueError for what is nested too deeply."""
    return _message("session.update", session={"type": "realtime", **session})


def commit() -> Outgoing:
    """What was sent since the last commit is something said."""
    return _message("input_audio_buffer.commit")


def create_response() -> Outgoing:
    """The agent is to speak now."""
    return _message("response.create")


def cancel_response(response_id: str) -> Outgoing:
    """The agent is to stop; an empty id stands for the response that is under way."""
    return _message("response.cancel", **({"response_id": response_id} if response_id else {}))


def truncate(item_id: str, audio_end_ms: int) -> Outgoing:
    """Of an item's audio, what comes after `audio_end_ms` was not heard."""
    return _message("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=audio_end_ms)


def tool_result(result: ToolResult) -> Outgoing:
    """What a function that was called gave back."""
    return _item(type="function_call_output", call_id=result.call_id, output=result.content)


def image(mime_type: str, data: bytes) -> Outgoing:
    """An image of the caller's. The API takes PNG and JPEG."""
    url = f"data:{mime_type};base64,{pybase64.b64encode_as_string(data)}"
    return _item(type="message", role="user", content=[{"type": "input_image", "image_url": url}])


def said_before(said: Said) -> Outgoing:
    """Something that was said over a connection before this one."""
    content = {"type": _CONTENT_TYPES[said.role], "text": said.text}
    return _item(type="message", role=said.role, content=[content])


def _item(**item: Any) -> Outgoing:
    return _message("conversation.item.create", item=item)


def _message(message_type: str, **members: Any) -> Outgoing:
    return Outgoing(encode_json({"type": message_type, **members}), is_text=True)
