"""Which fields the OpenAI Realtime API knows in what a caller sends; a field that it does not know is an error."""

from collections.abc import Mapping
from typing import Any

from coval_load.reference.realtime.openai_wire import Refused

_FORMAT = frozenset({"type", "rate"})
_OUTPUT = frozenset({"format", "speed", "voice"})
_SHARED = frozenset(
    {
        "audio",
        "instructions",
        "max_output_tokens",
        "output_modalities",
        "parallel_tool_calls",
        "prompt",
        "reasoning",
        "tool_choice",
        "tools",
    }
)
KNOWN: Mapping[str, frozenset[str]] = {
    "session": _SHARED | {"type", "include", "model", "tracing", "truncation"},
    "session.audio": frozenset({"input", "output"}),
    "session.audio.input": frozenset({"format", "noise_reduction", "transcription", "turn_detection"}),
    "session.audio.input.format": _FORMAT,
    "session.audio.input.noise_reduction": frozenset({"type", "strength"}),
    "session.audio.output": _OUTPUT,
    "session.audio.output.format": _FORMAT,
    "response": _SHARED | {"conversation", "input", "metadata"},
    "response.audio": frozenset({"output"}),
    "response.audio.output": _OUTPUT,
    "response.audio.output.format": _FORMAT,
}
DETECTIONS: Mapping[str, Mapping[str, Any]] = {
    "server_vad": {
        "threshold": 0.5,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 500,
        "idle_timeout_ms": None,
        "create_response": True,
        "interrupt_response": True,
    },
    "semantic_vad": {"eagerness": "auto", "create_response": True, "interrupt_response": True},
}
"""What each kind of turn detection knows, and what it takes where the caller says nothing."""
FORMS = {"audio/pcm": (24_000, "pcm"), "audio/pcmu": (8_000, "ulaw"), "audio/pcma": (8_000, "alaw")}
"""Rate in Hz and encoding of the audio formats."""
MODALITIES = (["audio"], ["text"])


def as_object(value: Any, path: str) -> dict[str, Any]:
    """`value` if it is an object. Raises Refused."""
    if not isinstance(value, dict):
        raise Refused("invalid_type", f"Invalid type for '{path}': expected an object, but got {value!r:.40}.", path)
    return value


def check_known(value: Any, path: str) -> None:
    """Raises Refused where `value`, or an object in it, has a field that is not `KNOWN`."""
    for key, inner in as_object(value, path).items():
        inner_path = f"{path}.{key}"
        if key not in KNOWN[path]:
            raise Refused("unknown_parameter", f"Unknown parameter: '{inner_path}'.", inner_path)
        if inner_path in KNOWN and inner is not None:
            check_known(inner, inner_path)


def check_format(value: Any, path: str) -> None:
    """Raises Refused unless it is an audio format: PCM has 24,000 Hz, the others have no rate."""
    kind, rate = value.get("type"), value.get("rate")
    if not isinstance(kind, str) or kind not in FORMS:
        raise _invalid(f"{path}.type", kind, FORMS)
    if rate not in ((None, 24_000) if kind == "audio/pcm" else (None,)):
        raise _invalid(f"{path}.rate", rate, (24_000,))


def check_modalities(value: Any, path: str) -> None:
    """Raises Refused unless it is `["audio"]` or `["text"]`: not both at once."""
    if value not in MODALITIES:
        raise _invalid(path, value, MODALITIES)


def full_detection(value: Any, path: str) -> dict[str, Any] | None:
    """Turn detection with its defaults; None: none. Raises Refused."""
    if value is None:
        return None
    kind = as_object(value, path).get("type")
    if not isinstance(kind, str) or kind not in DETECTIONS:
        raise _invalid(f"{path}.type", kind, DETECTIONS)
    defaults = DETECTIONS[kind]
    for key, inner in value.items():
        if key != "type" and key not in defaults:
            raise Refused("unknown_parameter", f"Unknown parameter: '{path}.{key}'.", f"{path}.{key}")
        if key.endswith("_ms") and inner is not None and not (type(inner) is int and inner >= 0):
            raise _invalid(f"{path}.{key}", inner, ("a whole number of milliseconds",))
    return {"type": kind, **defaults, **value}


def _invalid(path: str, value: Any, allowed: Any) -> Refused:
    names = ", ".join(str(each) for each in allowed)
    return Refused("invalid_value", f"Invalid value: {value!r:.40}. Supported values are: {names}.", path)
