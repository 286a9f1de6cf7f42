"""The messages of a Gemini Live server (google.genai.types.LiveServerMessage), as JSON values."""

from collections.abc import Sequence
from typing import Any

from coval_load.reference.realtime.gemini_sessions import Session

# What Gemini Live counts for a second of audio, either way.
AUDIO_TOKENS_PER_S = 25
CHARACTERS_PER_TOKEN = 4

GENERATION_COMPLETE = {"serverContent": {"generationComplete": True}}
INTERRUPTED = {"serverContent": {"interrupted": True}}
WAITING_FOR_INPUT = {"serverContent": {"waitingForInput": True}}
NOT_RESUMABLE = {"sessionResumptionUpdate": {"resumable": False}}


def setup_complete(session_id: str) -> dict[str, Any]:
    return {"setupComplete": {"sessionId": session_id}}


def encode_audio(audio: str, rate_hz: int) -> bytes:
    """The whole message that holds base64 PCM: most of what an agent sends, so no encoder looks at it."""
    return (
        '{"serverContent":{"modelTurn":{"role":"model","parts":[{"inlineData":{"mimeType":"audio/pcm;rate='
        f'{rate_hz}","data":"{audio}"}}}}]}}}}}}'
    ).encode()


def text_part(text: str) -> dict[str, Any]:
    return {"serverContent": {"modelTurn": {"role": "model", "parts": [{"text": text}]}}}


def heard_words(text: str, *, finished: bool = False) -> dict[str, Any]:
    """A piece of what the caller was understood to say."""
    return {"serverContent": {"inputTranscription": _transcription(text, finished)}}


def said_words(text: str, *, finished: bool = False) -> dict[str, Any]:
    """A piece of what the agent says in its audio."""
    return {"serverContent": {"outputTranscription": _transcription(text, finished)}}


def _transcription(text: str, finished: bool) -> dict[str, Any]:
    return {"text": text} | ({"finished": True} if finished else {})


def turn_complete(usage: dict[str, Any] | None, reason: str | None) -> dict[str, Any]:
    """`usage` comes in the same message, as an API does it that has some to tell."""
    content: dict[str, Any] = {"turnComplete": True, "interactionStatus": "IDLE"}
    if reason:
        content["turnCompleteReason"] = reason
    return {"serverContent": content} | ({"usageMetadata": usage} if usage else {})


def tool_call(calls: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {"toolCall": {"functionCalls": list(calls)}}


def tool_call_cancellation(ids: Sequence[str]) -> dict[str, Any]:
    return {"toolCallCancellation": {"ids": list(ids)}}


def resumption_update(handle: str) -> dict[str, Any]:
    return {"sessionResumptionUpdate": {"newHandle": handle, "resumable": True}}


def go_away(time_left_s: float) -> dict[str, Any]:
    return {"goAway": {"timeLeft": duration(time_left_s)}}


def voice_activity(kind: str, offset_s: float) -> dict[str, Any]:
    """`kind` is ACTIVITY_START or ACTIVITY_END. The wire's `type` is what the clients call `voice_activity_type`."""
    return {"voiceActivity": {"type": kind, "audioOffset": duration(offset_s)}}


def duration(seconds: float) -> str:
    """As protocol buffers write it in JSON: `1.5s`, `50s`."""
    return f"{seconds:.3f}".rstrip("0").rstrip(".") + "s"


class Usage:
    """Counts the tokens of one turn, and with them those of the session, all of which is the next turn's prompt."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._prompt = (session.text_tokens, session.audio_tokens)
        self._response_text = 0
        self._response_audio = 0

    def said(self, seconds: float) -> None:
        """The agent said that much."""
        self._response_audio += round(seconds * AUDIO_TOKENS_PER_S)

    def wrote(self, text: str) -> None:
        """The agent wrote this: text, or the arguments of a function."""
        self._response_text += tokens_of(text)

    def metadata(self) -> dict[str, Any]:
        """`usageMetadata` of the turn, which is over; what it took is part of the session from here on."""
        self._session.text_tokens += self._response_text
        self._session.audio_tokens += self._response_audio
        prompt, response = sum(self._prompt), self._response_text + self._response_audio
        return {
            "promptTokenCount": prompt,
            "responseTokenCount": response,
            "totalTokenCount": prompt + response,
            "promptTokensDetails": _details(*self._prompt),
            "responseTokensDetails": _details(self._response_text, self._response_audio),
        }


def _details(text: int, audio: int) -> list[dict[str, Any]]:
    counts = (("TEXT", text), ("AUDIO", audio))
    return [{"modality": modality, "tokenCount": count} for modality, count in counts if count]


def tokens_of(text: str) -> int:
    """About one for four characters."""
    return max(1, len(text) // CHARACTERS_PER_TOKEN)
