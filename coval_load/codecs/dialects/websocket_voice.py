"""Audio over a WebSocket, in JSON messages whose shape the agent's options describe, or in binary frames."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import attrs
import orjson
import pybase64

from coval_load.codecs.audio import g711
from coval_load.codecs.audio.streams import ENCODINGS, AudioStream, Encoding, open_stream
from coval_load.codecs.dialects.audio_frame import UNKNOWN, AudioFrames
from coval_load.codecs.dialects.interface import Handshaking, Outgoing, VoiceDialect, VoiceFormat
from coval_load.codecs.dialects.json_messages import (
    kind_of,
    no_json,
    not_a,
    quoted,
    read_event,
    read_ready,
    type_of,
)
from coval_load.codecs.dialects.placeholders import (
    Complaint,
    check_ready_type,
    complaints,
    handshaking,
    opening_messages,
    parse_initialization,
    parse_send_template,
)
from coval_load.codecs.events import AudioReceived, Event, MessageIgnored, Violation
from coval_load.codecs.paths import NOT_THERE, Path
from coval_load.codecs.templates import JsonTemplate, Template, TemplateError

ANY_TYPE = "*"
_NOTHING: tuple[Event, ...] = ()
_NEVER = object()
_MOST_LESSONS = 8
"""An agent whose messages all differ (a number in each) is not learned from for ever."""


@attrs.frozen
class WebSocketVoiceFormat(VoiceFormat):
    """The options of a MODEL_TYPE_WEBSOCKET agent that shape its messages, named as in its metadata.

    `audio_encoding` is that of inbound audio; `ulaw` goes for outbound audio too, which is PCM otherwise.
    Templates are compiled on first use; `check` says beforehand what is wrong with them.
    """

    initialization_json: Any = attrs.field(default=None, hash=False)
    send_audio_template: str = '{"type":"audio_chunk","data":"{{audio_data}}"}'
    send_media_template: str = (
        '{"type": "media", "name": "{{media_name}}", "mime_type": "{{mime_type}}", "data": "{{media_data}}"}'
    )
    send_dtmf_template: str | None = None
    message_type_path: str = "type"
    audio_message_type_value: str = "audio_chunk"
    audio_data_path: str = "data"
    audio_encoding: Encoding = "pcm"
    receive_audio_channels: int = 2
    send_sample_rate_hertz: int = 16000
    receive_sample_rate_hertz: int = 48000
    non_audio_event_message_types: tuple[str, ...] = ()
    handshake_ready_message_type: str = ""
    handshake_requires_session_id: bool = False
    handshake_timeout_seconds: float = 30.0
    pace_inbound_binary_audio: bool = False

    @property
    def send_rate_hz(self) -> int:
        """The rate of the PCM that `audio_body` takes."""
        return self.send_sample_rate_hertz

    @property
    def receive_rate_hz(self) -> int:
        """The rate of the PCM in `AudioReceived`."""
        return self.receive_sample_rate_hertz

    @property
    def frames_are_shared(self) -> bool:
        """Whether `{{audio_data}}` is all that the audio template asks for."""
        return self._audio.names == {"audio_data"}

    @property
    def may_clear_playback(self) -> bool:
        """Never: no message says so."""
        return False

    @property
    def handshake(self) -> Handshaking:
        """The ready message, by its type."""
        return handshaking(
            self.handshake_ready_message_type, self.handshake_requires_session_id, self.handshake_timeout_seconds
        )

    @property
    def is_paced(self) -> bool:
        """As `pace_inbound_binary_audio` has it."""
        return self.pace_inbound_binary_audio

    @property
    def takes_digits(self) -> bool:
        """Whether there is a `send_dtmf_template`."""
        return bool(self.send_dtmf_template)

    @property
    def advice_if_deaf(self) -> str:
        """What may keep the agent from hearing the caller."""
        return "see in its log whether it heard the caller, as send_audio_template, audio_encoding and the rates say it"

    @property
    def advice_on_gaps(self) -> str:
        """What shows in nothing else: a rate or a channel count that is too high."""
        return "check receive_sample_rate_hertz and receive_audio_channels"

    def audio_body(self, pcm: bytes) -> bytes:
        """A frame's PCM or mu-law, in base64 unless the template is raw."""
        encoded = g711.encode(pcm) if self.audio_encoding == "ulaw" else pcm
        return encoded if self._audio.is_raw else pybase64.b64encode(encoded)

    def shared_frame(self, body: bytes) -> bytes:
        """What `WebSocketVoice.frame` gives in every simulation; only where `frames_are_shared`."""
        return body if self._audio.is_raw else body.join(self._audio.around("audio_data"))

    def open(self, values: Mapping[str, Any]) -> "WebSocketVoice":
        """The dialect of one simulation. Raises `TemplateError` where a placeholder has no value."""
        return WebSocketVoice(
            self,
            opening=opening_messages(self._initialization, values),
            audio=self._audio.partial(values),
            media=self._media.partial(values),
            dtmf=self._dtmf.partial(values) if self._dtmf else None,
        )

    @cached_property
    def _initialization(self) -> JsonTemplate | None:
        return parse_initialization(self.initialization_json)

    @cached_property
    def _type_path(self) -> Path:
        return Path.parse(self.message_type_path)

    @cached_property
    def _data_path(self) -> Path:
        return Path.parse(self.audio_data_path)

    @cached_property
    def _event_types(self) -> frozenset[str]:
        return frozenset(self.non_audio_event_message_types)

    @cached_property
    def _known_frames(self) -> AudioFrames:
        return AudioFrames()

    @cached_property
    def _audio(self) -> Template:
        return parse_send_template(self.send_audio_template, "send_audio_template", "audio_data")

    @cached_property
    def _media(self) -> Template:
        return parse_send_template(
            self.send_media_template, "send_media_template", "media_data", "media_name", "mime_type"
        )

    @cached_property
    def _dtmf(self) -> Template | None:
        if not self.send_dtmf_template:
            return None
        return parse_send_template(self.send_dtmf_template, "send_dtmf_template", "digit")


def check(voice: WebSocketVoiceFormat) -> list[Complaint]:
    """All that is wrong with a format, as (field, message). Never raises."""
    found = [
        *complaints(voice, ("_initialization", "_audio", "_media", "_dtmf")),
        *check_ready_type(voice),
    ]
    if voice.audio_encoding not in ENCODINGS:
        found.append(("audio_encoding", f"expected one of {', '.join(ENCODINGS)}; got {voice.audio_encoding!r}"))
    if voice.receive_audio_channels not in (1, 2):
        found.append(("receive_audio_channels", f"expected 1 or 2; got {voice.receive_audio_channels!r}"))
    return found


class WebSocketVoice(VoiceDialect):
    """One simulation's side of a spoken conversation over a WebSocket.

    A JSON message is, in this order: the ready message, if it is the first of that type; an event, if its
    type is listed; audio, if its type is the audio type, or whatever its type if that is `*`; else it is
    ignored. Types are compared exactly, numbers by their JSON text. JSON PCM has the stated channels,
    binary frames are mono. Buffered are less than one sample of PCM, or some 64 KB of MP3.
    """

    def __init__(
        self,
        voice: WebSocketVoiceFormat,
        opening: tuple[Outgoing, ...],
        audio: Template,
        media: Template,
        dtmf: Template | None,
    ) -> None:
        self.frames_are_text = not audio.is_raw
        self._around = (b"", b"") if audio.is_raw else audio.around("audio_data")
        self._opening = opening
        self._media = media
        self._dtmf = dtmf
        self._type_path, self._data_path = voice._type_path, voice._data_path
        self._audio_type = voice.audio_message_type_value
        self._event_types = voice._event_types
        self._ready_type: str | None = voice.handshake_ready_message_type or None
        self._is_ready = False
        self._binary_audio, self._json_audio = _streams(voice)
        # What nearly every message is can be told by one look-up.
        self._type_key = self._type_path.key
        self._data_key = self._data_path.key
        has_rivals = self._audio_type in self._event_types or self._audio_type == self._ready_type
        self._plain_audio_type: object = _NEVER if has_rivals else self._audio_type
        self._known, self._known_frames = UNKNOWN, voice._known_frames
        # MP3 that is wrong takes two events to tell, so it goes the long way.
        self._lessons_left = 0 if voice.audio_encoding == "mp3" else _MOST_LESSONS

    def opening(self) -> Sequence[Outgoing]:
        """The initialization JSON, if there is any."""
        return self._opening

    def frame(self, body: bytes) -> bytes:
        """The whole message for a body made by `WebSocketVoiceFormat.audio_body`."""
        return body.join(self._around)

    def digit(self, digit: str) -> Outgoing:
        """The message for one keypad digit. Raises `TemplateError` where the agent has no template for it."""
        if self._dtmf is None:
            raise TemplateError(
                "send_dtmf_template", "digit", "expected a template for keypad digits; set one or send none"
            )
        return Outgoing(self._dtmf.render({"digit": digit}), is_text=True)

    def media(self, name: str, mime_type: str, data: bytes) -> Sequence[Outgoing]:
        """The message that carries an image: its bytes if the template is raw, else base64 in JSON."""
        if self._media.is_raw:
            return (Outgoing(data, is_text=False),)
        encoded = pybase64.b64encode_as_string(data)
        values = {"media_name": name, "mime_type": mime_type, "media_data": encoded}
        return (Outgoing(self._media.render(values), is_text=True),)

    def plain_audio(self, payload: bytes, is_text: bool) -> bytes | None:
        """The PCM of a message that is, but for its audio, what the last one was; see `VoiceDialect`."""
        if not is_text:
            return None
        decoded = self._known.audio_in(payload)
        return None if decoded is None else self._json_audio.push(decoded)[0]

    def decode(self, payload: bytes, is_text: bool) -> Sequence[Event]:
        """The events of one message; none for audio of which no sample is complete yet.

        Measured on one server core: 1.2 us for 20 ms of 16 kHz mono PCM in the default format.
        """
        if not is_text:
            return self._hear(self._binary_audio, payload)
        try:
            message = orjson.loads(payload)
        except orjson.JSONDecodeError:
            return (no_json(payload),)
        if self._is_plain_audio(message):
            if self._lessons_left:
                self._lessons_left -= 1
                self._known = self._known_frames.learn(payload, message, self._plain_data)
            else:
                self._known = UNKNOWN  # to look at each of them in vain would cost more than parsing
            return self._read_audio(message)
        return self._read(message)

    def _is_plain_audio(self, message: Any) -> bool:
        return type(message) is dict and message.get(self._type_key) == self._plain_audio_type

    def _plain_data(self, message: Any) -> Any:
        return self._data_path.find(message) if self._is_plain_audio(message) else NOT_THERE

    def _read(self, message: Any) -> Sequence[Event]:
        message_type = type_of(message, self._type_path)
        if message_type is not None:
            if message_type == self._ready_type and not self._is_ready:
                self._is_ready = True
                return (read_ready(message),)
            if message_type in self._event_types:
                return (read_event(message_type, message),)
            if message_type == self._ready_type != self._audio_type:
                return (MessageIgnored(f"a second ready message, type {quoted(message_type)}"),)
        if self._audio_type in (message_type, ANY_TYPE):
            return self._read_audio(message)
        if self._ready_type and not self._is_ready:
            expected = quoted(self._ready_type)
            return (MessageIgnored(not_a(message_type, self._type_path, expected, "handshake_ready_message_type")),)
        expected = quoted(self._audio_type)
        return (MessageIgnored(not_a(message_type, self._type_path, expected, "audio_message_type_value")),)

    def _read_audio(self, message: Any) -> Sequence[Event]:
        if type(message) is dict and self._data_key is not None:
            data = message.get(self._data_key, NOT_THERE)
        else:
            data = self._data_path.find(message)
        if not isinstance(data, str):
            return (self._not_audio("nothing is there" if data is NOT_THERE else f"got {kind_of(data)}"),)
        try:
            decoded = pybase64.b64decode(data, validate=True)
        except ValueError as error:
            return (self._not_audio(f"got {quoted(data)}: {error}"),)
        return self._hear(self._json_audio, decoded)

    def _hear(self, stream: AudioStream, data: bytes) -> Sequence[Event]:
        pcm, problem = stream.push(data)
        if problem is None:
            return (AudioReceived(pcm),) if pcm else _NOTHING
        return (AudioReceived(pcm), Violation(problem)) if pcm else (Violation(problem),)

    def _not_audio(self, came: str) -> Violation:
        where = quoted(str(self._data_path))
        return Violation(f"expected base64 audio at {where} (audio_data_path); {came}")


def _streams(voice: WebSocketVoiceFormat) -> tuple[AudioStream, AudioStream]:
    rate_hz = voice.receive_sample_rate_hertz
    binary = open_stream(voice.audio_encoding, 1, rate_hz)
    if voice.audio_encoding == "pcm":
        return binary, open_stream("pcm", voice.receive_audio_channels, rate_hz)
    return binary, binary
