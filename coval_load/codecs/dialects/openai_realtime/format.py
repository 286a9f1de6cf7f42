"""The options of a MODEL_TYPE_OPENAI_REALTIME agent, compiled once for all of its simulations."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Final

import attrs
import pybase64

from coval_load.codecs.audio import g711
from coval_load.codecs.dialects.interface import Handshaking, Outgoing, VoiceFormat
from coval_load.codecs.dialects.openai_realtime import messages
from coval_load.codecs.dialects.openai_realtime.dialect import OpenAIRealtime, Terms
from coval_load.codecs.dialects.placeholders import SIMULATION_NAMES, Complaint, complaints
from coval_load.codecs.templates import JsonTemplate, TemplateError

PCM: Final = "audio/pcm"
DETECTIONS: Final = ("server_vad", "semantic_vad", "none")


@attrs.frozen
class Audio:
    """One of the API's audio formats: how the session names it, and between PCM at `rate_hz` and what is sent."""

    name: Mapping[str, Any]
    rate_hz: int
    encode: Callable[[bytes], bytes] | None = None
    decode: Callable[[bytes], bytes] | None = None


FORMATS: Final[Mapping[str, Audio]] = {
    PCM: Audio({"type": PCM, "rate": 24_000}, 24_000),
    "audio/pcmu": Audio({"type": "audio/pcmu"}, 8_000, g711.encode, g711.decode),
    "audio/pcma": Audio({"type": "audio/pcma"}, 8_000, g711.encode_alaw, g711.decode_alaw),
}


@attrs.frozen
class OpenAIRealtimeFormat(VoiceFormat):
    """What of an agent's options shapes its messages, named as in its metadata.

    Instructions and tools may hold placeholders; they are compiled on first use, and `check` says beforehand what is
    wrong with them.
    """

    openai_realtime_instructions: str | None = None
    openai_realtime_voice: str = "alloy"
    turn_detection: str = "server_vad"
    audio_format: str = PCM
    tools: tuple[Mapping[str, Any], ...] = attrs.field(default=(), repr=False, hash=False)
    transcription_model: str = "gpt-4o-mini-transcribe"
    vad_threshold: float | None = None
    vad_prefix_padding_ms: int | None = None
    vad_silence_ms: int | None = None
    max_output_tokens: int | None = None
    renew_after_seconds: float = 3300.0
    handshake_timeout_seconds: float = 30.0

    @property
    def send_rate_hz(self) -> int:
        """24 kHz for PCM, 8 kHz for G.711."""
        return self._audio.rate_hz

    @property
    def receive_rate_hz(self) -> int:
        """The same as is sent."""
        return self._audio.rate_hz

    @property
    def frames_are_shared(self) -> bool:
        """A frame holds nothing but audio."""
        return True

    @property
    def handshake(self) -> Handshaking:
        """The server's word that it took the session as it was asked for."""
        return Handshaking(
            "a message of type 'session.updated'",
            timeout_s=self.handshake_timeout_seconds,
            advice="check that endpoint and openai_realtime_model are those of a server that speaks the Realtime API",
        )

    @property
    def hears_silence(self) -> bool:
        """The server needs silence to notice that a turn is over, unless it is told."""
        return self._server_detects

    @property
    def caller_clears_playback(self) -> bool:
        """Without detection the server never says that it heard the caller."""
        return not self._server_detects

    @property
    def most_session_s(self) -> float | None:
        """As `renew_after_seconds` has it."""
        return self.renew_after_seconds

    @property
    def advice_if_deaf(self) -> str:
        """What may keep the agent from answering."""
        if self._server_detects:
            return "see whether speech_started ever came: if not, lower vad_threshold or check audio_format"
        return "with turn_detection none the agent answers what is committed: see whether it complained of that"

    def audio_body(self, pcm: bytes) -> bytes:
        """A frame's audio in the session's format, in base64."""
        encode = self._audio.encode
        return pybase64.b64encode(encode(pcm) if encode else pcm)

    def shared_frame(self, body: bytes) -> bytes:
        """What `OpenAIRealtime.frame` gives in every simulation."""
        return body.join(messages.AUDIO_AROUND)

    def open(self, values: Mapping[str, Any]) -> OpenAIRealtime:
        """The dialect of one simulation. Raises `TemplateError` where a placeholder has no value."""
        audio = self._audio
        return OpenAIRealtime(Terms(self._session_update(values), audio.rate_hz, audio.decode, self._server_detects))

    def _session_update(self, values: Mapping[str, Any]) -> Outgoing:
        instructions, tools = self._instructions, self._tools
        session: dict[str, Any] = {"output_modalities": ["audio"], "audio": self._session_audio()}
        if instructions:
            session = {"instructions": instructions.fill(values), **session}
        if self.tools:
            session["tools"] = tools.fill(values)
        if self.max_output_tokens is not None:
            session["max_output_tokens"] = self.max_output_tokens
        try:
            return messages.session_update(session)
        except ValueError as error:
            raise TemplateError("tools", None, str(error)) from error

    def _session_audio(self) -> dict[str, Any]:
        hearing: dict[str, Any] = {"format": self._audio.name, "turn_detection": self._detection()}
        if self.transcription_model:
            hearing["transcription"] = {"model": self.transcription_model}
        return {"input": hearing, "output": {"format": self._audio.name, "voice": self.openai_realtime_voice}}

    def _detection(self) -> dict[str, Any] | None:
        if not self._server_detects:
            return None
        given = {
            "threshold": self.vad_threshold,
            "prefix_padding_ms": self.vad_prefix_padding_ms,
            "silence_duration_ms": self.vad_silence_ms,
        }
        return {"type": self.turn_detection} | {key: value for key, value in given.items() if value is not None}

    @property
    def _audio(self) -> Audio:
        return FORMATS[self.audio_format]

    @property
    def _server_detects(self) -> bool:
        return self.turn_detection != "none"

    @cached_property
    def _instructions(self) -> JsonTemplate | None:
        if self.openai_realtime_instructions is None:
            return None
        return _template(self.openai_realtime_instructions, "openai_realtime_instructions")

    @cached_property
    def _tools(self) -> JsonTemplate:
        return _template(self.tools, "tools")


def check(voice: OpenAIRealtimeFormat) -> list[Complaint]:
    """All that is wrong with a format, as (field, message). Never raises."""
    found = list(complaints(voice, ("_instructions", "_tools")))
    choices: tuple[tuple[str, Sequence[str]], ...] = (("audio_format", tuple(FORMATS)), ("turn_detection", DETECTIONS))
    for field, choice in choices:
        came = getattr(voice, field)
        if came not in choice:
            found.append((field, f"expected one of {', '.join(choice)}; got {came!r}"))
    return found


def _template(value: Any, name: str) -> JsonTemplate:
    return JsonTemplate.parse(value, name=name, allowed=SIMULATION_NAMES)
