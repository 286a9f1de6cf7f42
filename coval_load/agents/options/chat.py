"""`metadata` of MODEL_TYPE_CHAT: text over HTTP, with the requests of chat completions or of the responses API."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

import attrs

from coval_load.agents.authorization import token_headers
from coval_load.agents.headers import Token
from coval_load.agents.model_types import ModelType
from coval_load.agents.options.connection import DotPath
from coval_load.agents.options.http_chat import CustomData, HttpChatOptions, SmallPayload, endpoint_faults
from coval_load.agents.options.input_template import InputTemplate
from coval_load.faults import Fault
from coval_load.limits import Between, JsonObject, Length, Pattern, Secret

DEFAULT_MODEL = "gpt-4o"
DEFAULT_TEMPERATURE = 1.0

PersonaId = Annotated[
    str, Pattern(r"[A-Za-z0-9]{22}", "a persona's id: a ShortUUID, 22 characters of A-Z, a-z and 0-9")
]


@attrs.frozen(kw_only=True)
class ToolCallExtraction:
    """Where a custom response has its tool calls: paths of `id`, `name` and `arguments` start from each call."""

    tool_calls_path: DotPath
    id_path: DotPath | None = None
    name_path: DotPath = "name"
    arguments_path: DotPath = "arguments"


@attrs.frozen(repr=False, kw_only=True)
class ChatOptions(HttpChatOptions):
    """Every key with its default settled ("For CHAT agents", "Connecting an OpenAI-compatible API").

    `openai_compatible` says that the simulator drives a model itself; it is the default where any key asks
    for that, and only then are `model` and `temperature` set. `input_template` is JSON text. `stream` asks
    for the answer in pieces. `extra_body` holds further members of the request, such as `tools`, in place of
    those it has; null takes one out.
    """

    authentication_token: Annotated[str, Token(), Secret()] | None = None
    model: Annotated[str, Length(1, 200)] | None = None
    system_prompt: Annotated[str, Length(0, 50_000)] | None = None
    temperature: Annotated[float, Between(least=0, most=2)] | None = None
    max_tokens: Annotated[int, Between(least=1, most=100_000)] | None = None
    openai_compatible: bool = attrs.field()
    stream: bool = attrs.field()

    extra_body: CustomData | None = None
    custom_persona_data: SmallPayload | None = None
    persona_id: PersonaId | None = None
    response_format: Literal["chat_completions", "responses"] = "chat_completions"
    input_template: Annotated[str, InputTemplate(), Length(1), Secret()] | None = None
    payload_wrapper: Annotated[str, Length(1, 200)] | None = None
    response_message_path: DotPath | None = None
    strip_message_timestamps: bool = attrs.field()
    tool_call_extraction_config: Annotated[ToolCallExtraction, JsonObject()] | None = None
    max_tool_rounds: Annotated[int, Between(least=1, most=100)] = 10

    @openai_compatible.default
    def _is_asked_for(self) -> bool:
        return any(getattr(self, key) is not None for key in _ASKING_KEYS)

    @stream.default
    def _streams(self) -> bool:
        return self.openai_compatible

    @strip_message_timestamps.default
    def _strips(self) -> bool:
        return self.openai_compatible

    def __attrs_post_init__(self) -> None:
        if self.openai_compatible:
            for key, value in (("model", DEFAULT_MODEL), ("temperature", DEFAULT_TEMPERATURE)):
                if getattr(self, key) is None:
                    object.__setattr__(self, key, value)  # frozen only from here on

    @property
    def authorization(self) -> Mapping[str, str]:
        """The header that authorizes each request, if there is one: a token is sent as `Bearer`."""
        return token_headers(self.authentication_token) if self.authentication_token else super().authorization

    @staticmethod
    def check(values: Mapping[str, Any]) -> Iterator[Fault]:
        """What holds between the keys: one authorization, and one way to shape a request."""
        yield from endpoint_faults(values, ModelType.CHAT)
        if values.get("authorization_header") and values.get("authentication_token"):
            yield Fault("authentication_token", "expected it or authorization_header; got both, remove one")
        yield from _shape_faults(values)
        yield from _extra_faults(values)


_MODEL_KEYS = ("model", "system_prompt", "temperature", "max_tokens")
_ASKING_KEYS = (*_MODEL_KEYS, "authentication_token")
"""Where one of these is given, the API of a model is meant ("Connecting an OpenAI-compatible API")."""


_OURS = ("messages", "input", "stream")


def _extra_faults(values: Mapping[str, Any]) -> Iterator[Fault]:
    extra = values.get("extra_body") or {}
    if extra and values.get("input_template") is not None:
        yield Fault("extra_body", "expected it or input_template, which is the whole request; got both, choose one")
    for key in _OURS:
        if key in extra:
            other = "set stream beside it" if key == "stream" else "the history goes there"
            yield Fault(f"extra_body.{key}", f"expected parameters beside those that every turn sets; {other}")


def _shape_faults(values: Mapping[str, Any]) -> Iterator[Fault]:
    # What is given and has a fault of its own is not among the values; it asks all the same.
    asking = [key for key in _ASKING_KEYS if values.get(key, "") is not None]
    says = values.get("openai_compatible", bool(asking))
    if says and values.get("input_template") is not None:
        reason = ", ".join(asking) or "openai_compatible"
        yield Fault(
            "input_template",
            f"expected it or an OpenAI-compatible request, which {reason} asks for; got both, choose one"
            + ("; openai_compatible: false sends the token all the same" if reason == _ASKING_KEYS[-1] else ""),
        )
    if not says:
        for key in asking:
            if key in _MODEL_KEYS:
                yield Fault(key, "expected openai_compatible: true, or it has no effect; got false, remove one")
