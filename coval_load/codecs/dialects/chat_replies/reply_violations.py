"""What is said of answers over HTTP that can't be read, in the documents' words ("Troubleshooting")."""

from typing import Any

import orjson

from coval_load.codecs.dialects.chat_replies.chat_completions import CONTENT_PATH
from coval_load.codecs.dialects.json_messages import MOST_QUOTED, NotJson, clipped, kind_of, quoted
from coval_load.codecs.events import Violation
from coval_load.codecs.paths import NOT_THERE, Path

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_MOST_KEYS = 8
_DELTA = Path.parse("choices.0.delta.content")


def parse_answer(payload: bytes | str, content_type: str) -> Any:
    """The JSON in the body of an answer, or in the data of one of its events. Raises `NotJson`."""
    if isinstance(payload, bytes):
        payload = payload.removeprefix(_BYTE_ORDER_MARK)  # RFC 8259, section 8.1, lets a reader pass over it
    try:
        return orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise NotJson(_not_json(payload, content_type, error.msg)) from error


def not_text(answer: Any, response_message_path: Path | None) -> Violation:
    """No text stands in `answer`, parsed JSON, where it should."""
    where = "where the text stands"
    return _no_message(response_message_path, _what_came(answer, response_message_path or CONTENT_PATH), where)


def nothing_streamed(last: Any, response_message_path: Path | None) -> Violation:
    """A stream came to its end without any text; `last` is the last of its data, `NOT_THERE` if there was none."""
    if last is NOT_THERE:
        return _no_message(response_message_path, "the stream had no data", "where each piece of the text stands")
    came = f"no event of the stream had any text, in the last one {_what_came(last, response_message_path or _DELTA)}"
    return _no_message(response_message_path, came, "where each piece of the text stands")


def broken_off(characters: int) -> Violation:
    """A stream that ended in the middle, after so many characters of text."""
    return Violation(
        f"the stream broke off after {characters} characters: expected a finish_reason, [DONE] or "
        "response.completed at its end, and got none; look for a timeout between the agent and here"
    )


def too_large(most: int) -> Violation:
    """More than `most` bytes had to be kept."""
    return Violation(f"expected an answer of at most {most} bytes; got a longer one; make the agent answer shorter")


def _no_message(path: Path | None, why: str, where: str) -> Violation:
    shown = clipped(str(CONTENT_PATH if path is None else path))
    return Violation(
        f"Could not extract message from path '{shown}' in response: {why}; set response_message_path to {where}"
    )


def _not_json(payload: bytes | str, content_type: str, reason: str) -> str:
    media_type = content_type.partition(";")[0].strip().lower()
    as_type = "" if _is_json(media_type) else f" as {quoted(media_type)}" if media_type else " without a Content-Type"
    if not payload.strip():
        return f"Invalid JSON response from endpoint: expected JSON; got an empty body{as_type}; {_advice(media_type)}"
    start = payload[: 4 * MOST_QUOTED]
    text = start.decode("utf-8", "replace") if isinstance(start, bytes) else start
    advice = _advice("stream" if text.lstrip().startswith(("data:", "event:")) else media_type)
    return f"Invalid JSON response from endpoint: {clipped(reason)}; got {quoted(text)}{as_type}; {advice}"


def _is_json(media_type: str) -> bool:
    return media_type in ("application/json", "text/event-stream") or media_type.endswith("+json")


def _advice(media_type: str) -> str:
    match media_type:
        case "text/event-stream":
            return "send JSON as the data of each event"
        case "stream":
            return "return Content-Type: text/event-stream if this is a stream"
        case _:
            return "return JSON with Content-Type: application/json"


def _what_came(answer: Any, path: Path) -> str:
    """How far `path` leads in `answer`, and what stands there."""
    found = answer
    for depth, segment in enumerate(path.segments):
        step = Path((segment,)).find(found)
        if step is NOT_THERE:
            return _missing(found, segment, ".".join(path.segments[:depth]))
        found = step
    return f"got {_shown(found)} there, expected a string"


def _missing(found: Any, segment: str, where: str) -> str:
    place = f"at {quoted(where)}" if where else "at the top"
    if isinstance(found, dict) and found:
        keys = [quoted(key) for key in list(found)[:_MOST_KEYS]]
        more = ", …" if len(found) > _MOST_KEYS else ""
        return f"{place} there is no {quoted(segment)} but {', '.join(keys)}{more}"
    if isinstance(found, list) and found:
        return f"{place} there is an array of {len(found)}, which has no {quoted(segment)}"
    return f"{place} there is {_shown(found)}"


def _shown(value: Any) -> str:
    if value in ("", [], {}):
        return {"a string": "an empty string", "an array": "an empty array"}.get(kind_of(value), "an empty object")
    return kind_of(value)
