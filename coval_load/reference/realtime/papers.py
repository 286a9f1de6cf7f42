"""The agent files of realtime agents: what their options mean in a connect-an-agent body."""

from typing import Any

from coval_load.reference.model_types import OPENAI_REALTIME
from coval_load.reference.options import AgentOptions
from coval_load.reference.realtime.gates import KEY

NAMES_SIMULATION = {"X-Simulation-Id": "{{simulation_output_id}}"}
INSTRUCTIONS = "You take orders for pizza."
AUDIO_FORMATS = {"pcm": "audio/pcm", "ulaw": "audio/pcmu", "alaw": "audio/pcma"}


def realtime_metadata(options: AgentOptions, endpoint: str) -> dict[str, Any]:
    """`metadata` for an agent that is reached at `endpoint`, a URL that for Gemini Live has no path."""
    metadata: dict[str, Any] = {"endpoint": endpoint, "custom_headers": dict(NAMES_SIMULATION)}
    return metadata | (_openai(options) if options.model_type == OPENAI_REALTIME else _gemini(options))


def _openai(options: AgentOptions) -> dict[str, Any]:
    return {
        "openai_realtime_api_key": KEY,
        "openai_realtime_model": "gpt-realtime",
        "openai_realtime_instructions": INSTRUCTIONS,
        "openai_realtime_voice": "alloy",
        "turn_detection": options.realtime.turn_detection,
        "audio_format": AUDIO_FORMATS[options.voice.encoding],
    }


def _gemini(options: AgentOptions) -> dict[str, Any]:
    return {
        "gemini_realtime_api_key": KEY,
        "gemini_realtime_model": "gemini-live",
        "gemini_realtime_instructions": INSTRUCTIONS,
        "api_version": options.realtime.api_version,
        "activity_detection": "manual" if options.realtime.turn_detection == "none" else "automatic",
    }
