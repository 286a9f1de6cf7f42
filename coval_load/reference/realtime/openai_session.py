"""The session of an OpenAI Realtime connection: what is in force."""

import copy
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from coval_load.reference.options import VoiceOptions
from coval_load.reference.realtime.openai_fields import (
    DETECTIONS,
    FORMS,
    check_format,
    check_known,
    check_modalities,
    full_detection,
)
from coval_load.reference.realtime.openai_wire import Refused

MOST_SESSION_S = 3600.0
PCM = {"type": "audio/pcm", "rate": 24_000}
DETECTION_PATH = "session.audio.input.turn_detection"


class Session:
    """`settings` is what `session.created` and `session.updated` tell; `voice` says what is in force at first."""

    def __init__(self, session_id: str, model: str, lasts_s: float | None, voice: VoiceOptions) -> None:
        self._silence_ms = round(voice.end_silence_s * 1000)
        expires_at = datetime.now(UTC).timestamp() + (lasts_s or MOST_SESSION_S)
        self.settings: dict[str, Any] = {
            "type": "realtime",
            "object": "realtime.session",
            "id": session_id,
            "model": model,
            "expires_at": math.ceil(expires_at),
            "output_modalities": ["audio"],
            "instructions": "",
            "tools": [],
            "tool_choice": "auto",
            "max_output_tokens": "inf",
            "tracing": None,
            "truncation": "auto",
            "audio": {
                "input": {
                    "format": PCM,
                    "transcription": None,
                    "noise_reduction": None,
                    "turn_detection": self._with_silence({"type": "server_vad"}),
                },
                "output": {"format": PCM, "voice": "alloy", "speed": 1.0},
            },
        }

    def update(self, changes: Any) -> None:
        """Changes all of it or nothing. Raises Refused."""
        check_known(changes, "session")
        if changes.get("type") != "realtime":
            raise Refused("missing_required_parameter", "Missing required parameter: 'session.type'.", "session.type")
        settings = copy.deepcopy(self.settings)
        audio = changes.get("audio") or {}
        settings |= {key: value for key, value in changes.items() if key != "audio"}
        for side in ("input", "output"):
            settings["audio"][side] |= audio.get(side) or {}
            check_format(settings["audio"][side]["format"], f"session.audio.{side}.format")
        check_modalities(settings["output_modalities"], "session.output_modalities")
        detection = settings["audio"]["input"]["turn_detection"]
        settings["audio"]["input"]["turn_detection"] = self._with_silence(detection)
        self.settings = settings

    def _with_silence(self, detection: Any) -> dict[str, Any] | None:
        full = full_detection(detection, DETECTION_PATH)
        if full and full["type"] == "server_vad" and "silence_duration_ms" not in detection:
            full["silence_duration_ms"] = self._silence_ms
        return full

    @property
    def detection(self) -> Mapping[str, Any] | None:
        """How the server finds turns, with all defaults; None: the caller commits."""
        found: Mapping[str, Any] | None = self.settings["audio"]["input"]["turn_detection"]
        return found

    @property
    def end_silence_s(self) -> float:
        """How much silence ends a turn; infinity where the caller does."""
        if self.detection is None:
            return math.inf
        silence_ms: int | None = self.detection.get("silence_duration_ms")
        return (self._silence_ms if silence_ms is None else silence_ms) / 1000

    @property
    def prefix_s(self) -> float:
        """How much before the first audible sample is taken for speech, too."""
        prefix_ms = (self.detection or {}).get("prefix_padding_ms")
        usual_ms: int = DETECTIONS["server_vad"]["prefix_padding_ms"]
        return (usual_ms if prefix_ms is None else prefix_ms) / 1000

    @property
    def transcribes(self) -> bool:
        """Whether the caller wants to know what was understood."""
        return self.settings["audio"]["input"]["transcription"] is not None

    def form(self, side: str) -> tuple[int, str]:
        """Rate in Hz and encoding of the audio of `input` or `output`."""
        return FORMS[self.settings["audio"][side]["format"]["type"]]
