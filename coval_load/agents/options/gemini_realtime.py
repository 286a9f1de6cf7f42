"""`metadata` of MODEL_TYPE_GEMINI_REALTIME: voice over the Gemini Live API, or a server compatible with it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import parse_qsl, urlsplit

import attrs

from coval_load.agents.addresses import Purpose
from coval_load.agents.destination import Destination
from coval_load.agents.headers import WebSocketHeaders
from coval_load.faults import Fault
from coval_load.limits import Between, Length, Pattern, Secret, step

ENDPOINT = "wss://generativelanguage.googleapis.com"
KEY_HEADER = "x-goog-api-key"

_PATH = "/ws/google.ai.generativelanguage.{version}.GenerativeService.BidiGenerateContent"
_MINUTES_9 = 540.0
_MOST_MS = 3_600_000
_VAD_KEYS = ("vad_silence_ms", "vad_prefix_padding_ms")

ApiKey = Annotated[str, Pattern(r"[!-~]+", "an API key of ASCII without spaces"), Secret()]
Tools = Annotated[Sequence[Mapping[str, Any]], Secret()]


@attrs.frozen(repr=False, kw_only=True)
class GeminiRealtimeOptions:
    """Every key with its default settled.

    The first five are those of the connect-an-agent body; `models/` may be left out before the model's name. An
    `endpoint` without a path gets the API's, with `api_version` in it: `v1`, as Google's own client asks for; `v1beta`
    is common still. With `activity_detection` `manual` the caller says when it begins and ends to speak. Without
    `context_window_compression` the API ends a session of audio after about 15 minutes. `tools` are
    sent as `setup.tools` as they are. `vad_*` in milliseconds and whatever else is None are left to the server. A
    connection is renewed after `renew_after_seconds`, of the some 10 minutes that it lasts. Placeholders in
    instructions, tools and `custom_headers` stand here unfilled. The repr shows no value: any may hold a secret.
    """

    URLS: ClassVar[Mapping[str, Purpose]] = {"endpoint": "websocket"}
    """Which keys are URLs, and of what kind; checked when the agent is loaded."""

    gemini_realtime_api_key: ApiKey
    gemini_realtime_instructions: str | None = None
    gemini_realtime_model: Annotated[str, Length(1)] = "gemini-3.8-live"
    gemini_realtime_voice: Annotated[str, Length(1)] | None = None
    gemini_realtime_temperature: Annotated[float, Between(least=0, most=2)] | None = None

    endpoint: Annotated[str, Length(1)] = ENDPOINT
    api_version: Annotated[str, Pattern(r"v[0-9][0-9a-z]*", "a version such as v1 or v1beta")] = "v1"
    activity_detection: Literal["automatic", "manual"] = "automatic"
    tools: Tools = ()
    vad_silence_ms: Annotated[int, Between(least=0, most=_MOST_MS)] | None = None
    vad_prefix_padding_ms: Annotated[int, Between(least=0, most=_MOST_MS)] | None = None
    max_output_tokens: Annotated[int, Between(least=1)] | None = None
    context_window_compression: bool = False
    custom_headers: WebSocketHeaders = attrs.field(factory=dict)
    renew_after_seconds: Annotated[float, Between(least=1, most=86_400)] = _MINUTES_9
    handshake_timeout_seconds: Annotated[float, Between(above=0, most=86_400)] = 30.0

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    @staticmethod
    def check(values: Mapping[str, Any]) -> Iterator[Fault]:
        """Settings of a detection that is switched off, the key sent twice, and tools of other APIs."""
        for key in _VAD_KEYS:
            if values.get("activity_detection") == "manual" and values.get(key) is not None:
                yield Fault(key, "expected it with activity_detection automatic alone; that is manual, remove one")
        for name in values.get("custom_headers") or {}:
            if name.lower() == KEY_HEADER:
                message = "expected it once; gemini_realtime_api_key is sent in it, remove it here"
                yield Fault(f"custom_headers.{step(name)}", message)
        if _has_key(values.get("endpoint") or ""):
            yield Fault("endpoint", "expected no key in its query; gemini_realtime_api_key is sent in a header")
        for number, tool in enumerate(values.get("tools", ())):
            if "type" in tool:
                message = 'expected {"functionDeclarations": [{"name": ..., "parameters": {...}}]}, as Gemini has tools'
                yield Fault(f"tools[{number}].type", message)


def destination(options: GeminiRealtimeOptions) -> Destination:
    """Where the agent is dialled. The key is in a header: a URL ends up in logs."""
    url = _with_path(options.endpoint, options.api_version)
    fixed = {KEY_HEADER: options.gemini_realtime_api_key}
    return Destination(url, options.custom_headers, fixed, credentials="gemini_realtime_api_key")


def _with_path(endpoint: str, version: str) -> str:
    parts = urlsplit(endpoint)
    return endpoint if parts.path not in ("", "/") else parts._replace(path=_PATH.format(version=version)).geturl()


def _has_key(endpoint: str) -> bool:
    try:
        query = urlsplit(endpoint).query
        return any(name == "key" for name, _ in parse_qsl(query, keep_blank_values=True))
    except ValueError:
        return False  # what is wrong with it has a fault of its own
