"""`metadata` of MODEL_TYPE_WEBSOCKET: voice over WebSocket."""

import re
from collections.abc import Sequence
from typing import Annotated, Literal

import attrs

from coval_load.agents.options.connection import ConnectionOptions, DotPath
from coval_load.limits import Between, Contains, JsonText, Length, OneOf

AUDIO_TEMPLATE = '{"type":"audio_chunk","data":"{{audio_data}}"}'
MEDIA_TEMPLATE = '{"type":"media","name":"{{media_name}}","mime_type":"{{mime_type}}","data":"{{media_data}}"}'
RAW_AUDIO = re.compile(r"\{\{\s*audio_data\s*\}\}")

SampleRate = Annotated[int, OneOf((8000, 16000, 24000, 48000))]


# "Audio Format": what `websocket_compat_profile: json_audio` stands for.
_JSON_AUDIO = {
    "send_audio_template": AUDIO_TEMPLATE,
    "message_type_path": "type",
    "audio_message_type_value": "audio_chunk",
    "audio_data_path": "data",
}


@attrs.frozen(repr=False, kw_only=True)
class WebSocketOptions(ConnectionOptions):
    """Every key with its default settled ("For WEBSOCKET agents", "Advanced Configuration").

    Rates are in Hz, timeouts in seconds. Where `websocket_compat_profile` is `json_audio`, the template,
    the paths and the type value of audio are the documented JSON shape, whatever else was given.
    """

    websocket_compat_profile: Literal["generic", "json_audio"] = "generic"

    handshake_ready_message_type: str = attrs.field()
    handshake_requires_session_id: bool = attrs.field()
    handshake_timeout_seconds: Annotated[float, Between(above=0, most=86_400)] = 30.0

    send_audio_template: Annotated[str, JsonText(), Contains("{{audio_data}}")] = AUDIO_TEMPLATE
    message_type_path: DotPath = "type"
    audio_message_type_value: Annotated[str, Length(1)] = "audio_chunk"
    audio_data_path: DotPath = "data"
    audio_encoding: Literal["pcm", "mp3", "ulaw"] = "pcm"
    receive_audio_channels: Annotated[int, OneOf((1, 2))] = 2
    send_sample_rate_hertz: SampleRate = 16000
    receive_sample_rate_hertz: SampleRate = 48000
    pipeline_sample_rate_hertz: Annotated[int, OneOf((16000,))] = 16000
    pace_inbound_binary_audio: bool = attrs.field()

    send_media_template: Annotated[str, JsonText(), Contains("{{media_data}}")] = MEDIA_TEMPLATE
    send_dtmf_template: Annotated[str, JsonText(), Contains("{{digit}}")] | None = None
    non_audio_event_message_types: Sequence[Annotated[str, Length(1)]] = ()

    @handshake_ready_message_type.default
    def _ready_message_type(self) -> str:
        return "session_ready" if self.connection_mode == "direct" else ""

    @handshake_requires_session_id.default
    def _requires_session_id(self) -> bool:
        return self.connection_mode == "direct"

    @pace_inbound_binary_audio.default
    def _paces(self) -> bool:
        return bool(RAW_AUDIO.fullmatch(self.send_audio_template)) and self.websocket_compat_profile == "generic"

    def __attrs_post_init__(self) -> None:
        if self.websocket_compat_profile == "json_audio":
            for key, forced in _JSON_AUDIO.items():
                object.__setattr__(self, key, forced)  # frozen only from here on
