"""The shapes of an OpenAI Realtime server's answers: items, responses, usage, limits."""

from typing import Any

import attrs

AUDIO_TOKENS_PER_S_IN = 10
AUDIO_TOKENS_PER_S_OUT = 20
RATE_LIMITED = {"type": "requests", "code": "rate_limit_exceeded"}
SERVER_ERROR = {
    "type": "server_error",
    "code": "server_error",
    "message": "The server had an error while processing your request. Sorry about that!",
}


def user_speech(item_id: str) -> dict[str, Any]:
    """What the caller said, as an item."""
    content = [{"type": "input_audio", "transcript": None}]
    return _item(item_id, "message", "completed", role="user", content=content)


def agent_message(item_id: str) -> dict[str, Any]:
    """A message of the agent that has only begun."""
    return _item(item_id, "message", "in_progress", role="assistant", content=[])


def function_call(item_id: str, call_id: str, name: str) -> dict[str, Any]:
    """A call that has only begun."""
    return _item(item_id, "function_call", "in_progress", call_id=call_id, name=name, arguments="")


def _item(item_id: str, kind: str, status: str, **more: Any) -> dict[str, Any]:
    return {"id": item_id, "object": "realtime.item", "type": kind, "status": status, **more}


@attrs.define
class Tokens:
    """Counts what a conversation takes: what was input once is in the cache later."""

    input_audio: int = 0
    input_text: int = 0
    cached_audio: int = 0
    cached_text: int = 0

    def hear(self, seconds: float) -> None:
        """The caller said so much."""
        self.input_audio += round(seconds * AUDIO_TOKENS_PER_S_IN)

    def read(self, text: str) -> None:
        """The caller, or a tool, wrote this; about one token for four characters."""
        self.input_text += len(text) // 4 + 1

    def usage(self, spoken_s: float, text: str) -> dict[str, Any]:
        """The `usage` of a response that has so much speech and so many words; what it says is input of the next."""
        output_audio, output_text = round(spoken_s * AUDIO_TOKENS_PER_S_OUT), len(text) // 4
        told = self._input() | {
            "output_tokens": output_audio + output_text,
            "output_token_details": {"audio_tokens": output_audio, "text_tokens": output_text},
        }
        told["total_tokens"] = told["input_tokens"] + told["output_tokens"]
        self.cached_audio, self.cached_text = self.input_audio, self.input_text
        self.input_audio += output_audio
        self.input_text += output_text
        return told

    def _input(self) -> dict[str, Any]:
        return {
            "input_tokens": self.input_audio + self.input_text,
            "input_token_details": {
                "audio_tokens": self.input_audio,
                "text_tokens": self.input_text,
                "image_tokens": 0,
                "cached_tokens": self.cached_audio + self.cached_text,
                "cached_tokens_details": {
                    "audio_tokens": self.cached_audio,
                    "text_tokens": self.cached_text,
                    "image_tokens": 0,
                },
            },
        }
