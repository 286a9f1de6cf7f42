"""`metadata` of MODEL_TYPE_OPENAI_REALTIME: voice over OpenAI's Realtime API, or a server compatible with it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import parse_qsl, urlencode
from urllib.parse import quote as quote_value

import attrs

from coval_load.agents.addresses import Purpose
from coval_load.agents.destination import Destination
from coval_load.agents.headers import WebSocketHeaders
from coval_load.faults import Fault
from coval_load.limits import Between, Length, NoNull, Pattern, Secret, step

ENDPOINT = "wss://api.openai.com/v1/realtime"

_MINUTES_55 = 3300.0
_MOST_MS = 3_600_000
_VAD_KEYS = ("vad_threshold", "vad_prefix_padding_ms", "vad_silence_ms")

# What tools of chat completions and of Gemini have; all that the Realtime API says of it is that it is unknown.
_MISPLACED = frozenset({"function", "functionDeclarations", "function_declarations"})
_TOOL = '{"type": "function", "name": ..., "parameters": {...}},'

ApiKey = Annotated[str, Pattern(r"[!-~]+", "an API key of ASCII without spaces"), Secret()]
Tools = Annotated[Sequence[Mapping[str, Any]], Secret()]


@attrs.frozen(repr=False, kw_only=True)
class OpenAIRealtimeOptions:
    """Every key with its default settled.

    The first four are those of the connect-an-agent body. `endpoint` may be that of a compatible server.
    `turn_detection` `none`, which is `null` in the API, leaves it to the caller to say when a turn is over. `tools` are
    sent as `session.tools` as they are. An empty `transcription_model` asks for no transcript of the caller. `vad_*`
    that are not set are left to the server (threshold 0.5, 300 ms before speech, 500 ms of silence after it), as is
    `max_output_tokens`. A connection is renewed after `renew_after_seconds`, of the 60 minutes that a session lasts at
    most. Placeholders in instructions, tools and `custom_headers` stand here unfilled. The repr shows no value: any may
    hold a secret.
    """

    URLS: ClassVar[Mapping[str, Purpose]] = {"endpoint": "websocket"}
    """Which keys are URLs, and of what kind; checked when the agent is loaded."""

    openai_realtime_api_key: ApiKey
    openai_realtime_instructions: str | None = None
    openai_realtime_model: Annotated[str, Length(1)] = "gpt-realtime"
    openai_realtime_voice: Annotated[str, Length(1)] = "alloy"

    endpoint: Annotated[str, Length(1)] = ENDPOINT
    turn_detection: Annotated[Literal["server_vad", "semantic_vad", "none"], NoNull()] = "server_vad"
    audio_format: Literal["audio/pcm", "audio/pcmu", "audio/pcma"] = "audio/pcm"
    tools: Tools = ()
    transcription_model: str = "gpt-4o-mini-transcribe"
    vad_threshold: Annotated[float, Between(least=0, most=1)] | None = None
    vad_prefix_padding_ms: Annotated[int, Between(least=0, most=_MOST_MS)] | None = None
    vad_silence_ms: Annotated[int, Between(least=0, most=_MOST_MS)] | None = None
    max_output_tokens: Annotated[int, Between(least=1)] | None = None
    custom_headers: WebSocketHeaders = attrs.field(factory=dict)
    renew_after_seconds: Annotated[float, Between(least=1, most=86_400)] = _MINUTES_55
    handshake_timeout_seconds: Annotated[float, Between(above=0, most=86_400)] = 30.0

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    @staticmethod
    def check(values: Mapping[str, Any]) -> Iterator[Fault]:
        """Settings of a detection that is not asked for, the key sent twice, and tools of other APIs."""
        detection = values.get("turn_detection", "server_vad")
        for key in _VAD_KEYS:
            if detection != "server_vad" and values.get(key) is not None:
                yield Fault(key, f"expected it with turn_detection server_vad alone; that is {detection}, remove one")
        for name in values.get("custom_headers") or {}:
            if name.lower() == "authorization":
                message = "expected it once; openai_realtime_api_key is sent in it, remove it here"
                yield Fault(f"custom_headers.{step(name)}", message)
        for number, tool in enumerate(values.get("tools", ())):
            for key in _MISPLACED.intersection(tool):
                yield Fault(f"tools[{number}].{key}", f"expected {_TOOL} as the Realtime API has it")


def destination(options: OpenAIRealtimeOptions) -> Destination:
    """Where the agent is dialled: the model is in the query, unless the endpoint names one there itself.

    There is no `OpenAI-Beta` header: the API refuses it with `beta_api_shape_disabled`.
    """
    fixed = {"Authorization": f"Bearer {options.openai_realtime_api_key}"}
    url = _with_model(options.endpoint, options.openai_realtime_model)
    return Destination(url, options.custom_headers, fixed, credentials="openai_realtime_api_key")


def _with_model(endpoint: str, model: str) -> str:
    path, mark, query = endpoint.partition("?")
    if any(key == "model" for key, _ in parse_qsl(query, keep_blank_values=True)):
        return endpoint
    asked = urlencode({"model": model}, quote_via=quote_value, errors="replace")
    return f"{path}?{query}{'&' if mark and query and not query.endswith('&') else ''}{asked}"
