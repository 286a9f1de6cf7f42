"""The agent files of realtime agents: what their options mean in a connect-an-agent body."""

from typing import Any

from coval_load.reference.chat_reply import TOOL
from coval_load.reference.model_types import OPENAI_REALTIME
from coval_load.reference.options import AgentOptions
from coval_load.reference.realtime.gates import KEY

NAMES_SIMULATION = {"X-Simulation-Id": "{{simulation_output_id}}"}
INSTRUCTIONS = "You take orders for pizza."
DECLARED = {
    "name": TOOL,
    "description": "Where an order is.",
    "parameters": {"type": "object", "properties": {"order_id": {"type": "string"}}, "required": ["order_id"]},
}
# A connection with a limit is left in good time before it.
RENEWED_AT = 0.7
LEAST_RENEWAL_S = 1.0
AUDIO_FORMATS = {"pcm": "audio/pcm", "ulaw": "audio/pcmu", "alaw": "audio/pcma"}


def realtime_metadata(options: AgentOptions, endpoint: str) -> dict[str, Any]:
    """`metadata` for an agent that is reached at `endpoint`, a URL that for Gemini Live has no path."""
    metadata: dict[str, Any] = {"endpoint": endpoint, "custom_headers": dict(NAMES_SIMULATION)}
    metadata |= _openai(options) if options.model_type == OPENAI_REALTIME else _gemini(options)
    limit_s = options.realtime.session_limit_s
    if limit_s is not None:
        metadata["renew_after_seconds"] = max(LEAST_RENEWAL_S, round(limit_s * RENEWED_AT, 3))
    return metadata


def _openai(options: AgentOptions) -> dict[str, Any]:
    return {
        "openai_realtime_api_key": KEY,
        "openai_realtime_model": "gpt-realtime",
        "openai_realtime_instructions": INSTRUCTIONS,
        "openai_realtime_voice": "alloy",
        "turn_detection": options.realtime.turn_detection,
        "audio_format": AUDIO_FORMATS[options.voice.encoding],
        **({"tools": [{"type": "function", **DECLARED}]} if options.realtime.tool_rounds else {}),
    }


def _gemini(options: AgentOptions) -> dict[str, Any]:
    return {
        "gemini_realtime_api_key": KEY,
        "gemini_realtime_model": "gemini-live",
        "gemini_realtime_instructions": INSTRUCTIONS,
        "api_version": options.realtime.api_version,
        "activity_detection": "manual" if options.realtime.turn_detection == "none" else "automatic",
        **({"tools": [{"functionDeclarations": [DECLARED]}]} if options.realtime.tool_rounds else {}),
    }
