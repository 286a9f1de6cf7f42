"""What JSON-RPC errors of an A2A agent mean, and what to do about them.

Codes: JSON-RPC 2.0, section 5.1; A2A specification, "Error Handling". They come with HTTP status 200.
"""

from typing import Any, Final

import attrs

from coval_load.codecs.dialects.a2a.versions import V0_3, V1_0, A2AVersion
from coval_load.codecs.dialects.json_messages import clipped, quoted, value_text
from coval_load.codecs.encoding import encode_json
from coval_load.codecs.events import AgentFailed

_NAMES: Final = {
    -32700: "parse error",
    -32600: "invalid request",
    -32601: "method not found",
    -32602: "invalid params",
    -32603: "internal error",
    -32001: "task not found",
    -32002: "task not cancelable",
    -32003: "push notifications not supported",
    -32004: "unsupported operation",
    -32005: "content type not supported",
    -32006: "invalid agent response",
    -32007: "extended agent card not configured",
    -32008: "extension required",
    -32009: "version not supported",
}


@attrs.frozen
class Asked:
    """What of a request explains the error that it was answered with."""

    version: A2AVersion
    streams: bool
    has_task: bool


def failure_of(error: dict[str, Any], asked: Asked) -> AgentFailed:
    """The agent's error as an event: its code, the code's name, the agent's own words, and advice."""
    code = error.get("code")
    number = code if isinstance(code, int) and not isinstance(code, bool) else None
    words = [f"JSON-RPC error {_code_text(code)} ({_name_of(number)})"]
    message, data = error.get("message"), error.get("data")
    if isinstance(message, str) and message:
        words.append(quoted(message))
    if data:
        words.append(_data_text(data))
    advice = _advice(number, asked)
    return AgentFailed(": ".join(words) + (f"; {advice}" if advice else ""))


def _code_text(code: Any) -> str:
    return clipped(value_text(code) or "without a code")


def _name_of(code: int | None) -> str:
    if code is None:
        return "expected a whole number as code"
    known = _NAMES.get(code)
    if known is None:
        return "server error of the agent's own" if -32099 <= code <= -32000 else "error of the agent's own"
    return known


def _data_text(data: Any) -> str:
    try:
        return quoted(data if isinstance(data, str) else encode_json(data).decode())
    except ValueError:
        return "data nested too deeply to be shown"


def _advice(code: int | None, asked: Asked) -> str:
    other = V0_3 if asked.version is V1_0 else V1_0
    match code:
        case -32601:
            return (
                f"the request was one of A2A {asked.version.name}: if the agent speaks {other.name}, set a2a_version "
                f'to "{other.name}"' + (", or stream to false if it streams nothing" if asked.streams else "")
            )
        case -32009:
            return f'A2A {asked.version.name} was spoken: set a2a_version to "{other.name}"'
        case -32004 if asked.has_task:
            return "the task may be over: add the state it ended in to new_task_states, so that a new one is begun"
        case -32004 if asked.streams:
            return "the agent may not stream: set stream to false"
        case -32001:
            return "the agent forgot the task: add the state it ended in to new_task_states"
        case -32008:
            return "send the extensions that it asks for as A2A-Extensions in custom_headers"
        case _:
            return ""
