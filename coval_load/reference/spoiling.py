"""What a WebSocket agent does wrong instead of replying."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import trio

from coval_load.reference.line import Line
from coval_load.reference.misbehaviour import AT_REPLY

# The first bytes of a text frame that promises 1,000 bytes (RFC 6455, section 5.2).
HALF_A_FRAME = bytes([0x81, 126, 0x03, 0xE8]) + b'{"type":"audio_chunk","data":"AAAA'
NOT_BASE64 = "*** not base64 ***"
OPENAI_AUDIO = "response.output_audio.delta"
TEXT_KEYS = ("text", "content")


def spoil_message(kind: str, message: str | bytes) -> str | bytes:
    """One message of a reply with `kind` wrong in it; as it was where the kind is not about messages."""
    if isinstance(message, bytes):
        return message
    spoiled = json.loads(message)
    if kind == "wrong-type":
        spoiled["type"] = "not_what_you_expect"
    elif kind == "bad-base64":
        for holder, key in _audio_in(spoiled):
            holder[key] = NOT_BASE64
    elif kind == "bad-path":
        for holder, key in (*_audio_in(spoiled), *_text_in(spoiled)):
            holder.setdefault("elsewhere", {})[key] = holder.pop(key)
    return json.dumps(spoiled)


def _audio_in(message: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    if "data" in message:
        yield message, "data"
    elif message.get("type") == OPENAI_AUDIO:
        yield message, "delta"
    # Gemini Live says what a message is by which of its keys it has.
    for part in message.get("serverContent", {}).get("modelTurn", {}).get("parts", ()):
        if "inlineData" in part:
            yield part["inlineData"], "data"


def _text_in(message: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    return ((message, key) for key in TEXT_KEYS if key in message)


async def spoil_reply(line: Line, reply: Sequence[str | bytes], close_code: int) -> bool:
    """Does what this connection is to do wrong instead of sending `reply`; whether there was anything."""
    for kind in sorted(line.kinds & AT_REPLY):
        line.stamp("misbehaved", kind=kind)
        await _misbehave(line, kind, reply, close_code)
        return True
    return False


async def _misbehave(line: Line, kind: str, reply: Sequence[str | bytes], close_code: int) -> None:
    match kind:
        case "silence":
            return
        case "garbage":
            # Bytes drawn at random, as the text that each byte is in Latin-1.
            await line.send(line.random.randbytes(200).decode("latin-1"))
        case "half-frame" | "half-frame-drop":
            await line.send_raw(HALF_A_FRAME)
            if kind == "half-frame-drop":
                line.drop()
            await trio.sleep_forever()
        case "wrong-close":
            await line.close(close_code)
        case "drop":
            for message in reply[: len(reply) // 2]:
                await line.send(message)
            line.drop()
        case _:
            for message in reply:
                await line.send(spoil_message(kind, message))
