"""What is the same for all simulations of an agent that is reached over the Gemini Live API."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal

import attrs
import pybase64

from coval_load.codecs.dialects.gemini_realtime.dialect import GeminiRealtime
from coval_load.codecs.dialects.gemini_realtime.messages import SEND_RATE_HZ, audio_frame
from coval_load.codecs.dialects.gemini_realtime.reply_audio import RATE_HZ
from coval_load.codecs.dialects.interface import Handshaking, VoiceFormat
from coval_load.codecs.dialects.placeholders import SIMULATION_NAMES, Complaint, complaints
from coval_load.codecs.encoding import encode_json
from coval_load.codecs.templates import JsonTemplate, TemplateError


@attrs.frozen
class GeminiRealtimeFormat(VoiceFormat):
    """The options of a MODEL_TYPE_GEMINI_REALTIME agent that shape its messages, named as in its metadata.

    Templates are compiled on first use; `check` says beforehand what is wrong with them.
    """

    gemini_realtime_model: str = "gemini-3.8-live"
    gemini_realtime_instructions: str | None = None
    gemini_realtime_voice: str | None = None
    gemini_realtime_temperature: float | None = None
    activity_detection: Literal["automatic", "manual"] = "automatic"
    tools: tuple[Mapping[str, Any], ...] = attrs.field(default=(), hash=False)
    vad_silence_ms: int | None = None
    vad_prefix_padding_ms: int | None = None
    max_output_tokens: int | None = None
    context_window_compression: bool = False
    renew_after_seconds: float = 540.0
    handshake_timeout_seconds: float = 30.0

    @property
    def send_rate_hz(self) -> int:
        """16 kHz, which is what the API takes without resampling."""
        return SEND_RATE_HZ

    @property
    def receive_rate_hz(self) -> int:
        """24 kHz, which is what the API sends; what has another rate is resampled."""
        return RATE_HZ

    @property
    def frames_are_shared(self) -> bool:
        """Always: a frame is its audio and nothing else."""
        return True

    @property
    def handshake(self) -> Handshaking:
        """`setupComplete`."""
        return Handshaking(
            "a message with setupComplete",
            timeout_s=self.handshake_timeout_seconds,
            advice="check gemini_realtime_model, api_version and endpoint: the setup was neither taken nor refused",
        )

    @property
    def hears_silence(self) -> bool:
        """Whether the agent tells itself when a turn is over; what comes outside of activities it ignores."""
        return not self._is_manual

    @property
    def most_session_s(self) -> float:
        """As `renew_after_seconds` has it."""
        return self.renew_after_seconds

    @property
    def advice_if_deaf(self) -> str:
        """What may keep the agent from answering."""
        if self._is_manual:
            return "see in its log whether it heard the caller between activityStart and activityEnd"
        return (
            "see in its log whether it heard the caller begin and end; try vad_silence_ms or activity_detection manual"
        )

    def audio_body(self, pcm: bytes) -> bytes:
        """A frame's PCM in base64."""
        return pybase64.b64encode(pcm)

    def shared_frame(self, body: bytes) -> bytes:
        """What `GeminiRealtime.frame` gives in every simulation."""
        return audio_frame(body)

    def open(self, values: Mapping[str, Any]) -> GeminiRealtime:
        """The dialect of one simulation. Raises `TemplateError` where a placeholder has no value."""
        return GeminiRealtime(self._setup(values), self._is_manual)

    @property
    def _is_manual(self) -> bool:
        return self.activity_detection == "manual"

    def _setup(self, values: Mapping[str, Any]) -> dict[str, Any]:
        model, tools = self.gemini_realtime_model, self._tools.fill(values)
        fields: dict[str, Any] = {
            "model": model if "/" in model else f"models/{model}",
            "generationConfig": self._generation,
            "systemInstruction": self._instruction(values),
            "tools": tools or None,
            "realtimeInputConfig": self._activity,
            "contextWindowCompression": {"slidingWindow": {}} if self.context_window_compression else None,
            "inputAudioTranscription": {},
            "outputAudioTranscription": {},
        }
        return _given(fields)

    def _instruction(self, values: Mapping[str, Any]) -> dict[str, Any] | None:
        text = self._instructions.fill(values)
        return {"role": "user", "parts": [{"text": text}]} if text else None

    @property
    def _generation(self) -> dict[str, Any]:
        voice = self.gemini_realtime_voice
        return _given(
            {
                "responseModalities": ["AUDIO"],
                "temperature": self.gemini_realtime_temperature,
                "maxOutputTokens": self.max_output_tokens,
                "speechConfig": voice and {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": voice}}},
            }
        )

    @property
    def _activity(self) -> dict[str, Any] | None:
        if self._is_manual:
            return {"automaticActivityDetection": {"disabled": True}}
        detection = {"silenceDurationMs": self.vad_silence_ms, "prefixPaddingMs": self.vad_prefix_padding_ms}
        return {"automaticActivityDetection": given} if (given := _given(detection)) else None

    @cached_property
    def _instructions(self) -> JsonTemplate:
        return _template(self.gemini_realtime_instructions, "gemini_realtime_instructions")

    @cached_property
    def _tools(self) -> JsonTemplate:
        return _template(self.tools, "tools")


def check(voice: GeminiRealtimeFormat) -> list[Complaint]:
    """All that is wrong with a format, as (field, message). Never raises."""
    return list(complaints(voice, ("_instructions", "_tools")))


def _template(value: Any, name: str) -> JsonTemplate:
    template = JsonTemplate.parse(value, name=name, allowed=SIMULATION_NAMES)
    try:
        encode_json(value)
    except ValueError as error:
        raise TemplateError(name, None, str(error)) from error
    return template


def _given(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
