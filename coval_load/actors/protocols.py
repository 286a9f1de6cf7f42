"""Which dialect speaks with which model type: one line for each protocol, and those that other packages add."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib.metadata import entry_points
from typing import Any, Literal

import attrs

from coval_load.agents.body import Agent
from coval_load.agents.destination import Destination
from coval_load.agents.model_types import ModelType
from coval_load.agents.options import connection
from coval_load.agents.options import gemini_realtime as options_of_gemini_realtime
from coval_load.agents.options import openai_realtime as options_of_openai_realtime
from coval_load.agents.options.chat import ChatOptions
from coval_load.agents.options.chat_a2a import ChatA2AOptions
from coval_load.agents.options.chat_websocket import ChatWebSocketOptions
from coval_load.agents.options.gemini_realtime import GeminiRealtimeOptions
from coval_load.agents.options.openai_realtime import OpenAIRealtimeOptions
from coval_load.agents.options.websocket import WebSocketOptions
from coval_load.codecs.dialects import http_chat, websocket_chat, websocket_voice
from coval_load.codecs.dialects.a2a import format as a2a
from coval_load.codecs.dialects.gemini_realtime import format as gemini_realtime
from coval_load.codecs.dialects.openai_realtime import format as openai_realtime
from coval_load.codecs.dialects.placeholders import SIMULATION_NAMES
from coval_load.codecs.templates import JsonTemplate, TemplateError, fill_json
from coval_load.faults import Fault
from coval_load.limits import step

ENTRY_POINTS = "coval_load.dialects"
"""The entry-point group under which a package adds an `AgentProtocol` of its own, named by its model type."""


@attrs.frozen
class AgentProtocol:
    """How a model type is spoken with.

    Over `transport` `http` the format is an `HttpChatFormat`, and the options name a `chat_endpoint`. `options` is
    the attrs class of its `metadata`; `make_format(options)` compiles what all simulations of an agent share;
    `check(format)` gives (field, what is wrong) and never raises. Over a WebSocket `destination(options)` is where
    it is dialled. Of a protocol over WebSocket, `calls_tools` says whether its agents may call tools, as agents over
    HTTP may, and of one for voice `transcribes` whether they send the words of what they say.
    """

    medium: Literal["voice", "chat"]
    options: type
    make_format: Callable[[Any], Any]
    check: Callable[[Any], list[tuple[str, str]]]
    transport: Literal["websocket", "http"] = "websocket"
    destination: Callable[[Any], Destination] = connection.destination
    calls_tools: bool = False
    transcribes: bool = False

    @property
    def may_call_tools(self) -> bool:
        """Whether tool calls of its agents are seen, and answered."""
        return self.calls_tools or self.transport == "http"

    @property
    def has_words(self) -> bool:
        """Whether it is known as text what its agents say."""
        return self.transcribes or self.medium == "chat"


def _fields_of(form: type) -> Callable[[Any], Any]:
    names = [field.name for field in attrs.fields(form)]

    def make(options: Any) -> Any:
        return form(**{name: _plain(getattr(options, name)) for name in names})

    return make


def _plain(value: Any) -> Any:
    """As formats take it: a list becomes a tuple, an options class of its own a mapping."""
    if isinstance(value, list):
        return tuple(value)
    return attrs.asdict(value) if attrs.has(type(value)) else value


OURS: Mapping[str, AgentProtocol] = {
    ModelType.WEBSOCKET: AgentProtocol(
        "voice", WebSocketOptions, _fields_of(websocket_voice.WebSocketVoiceFormat), websocket_voice.check
    ),
    ModelType.CHAT_WEBSOCKET: AgentProtocol(
        "chat", ChatWebSocketOptions, _fields_of(websocket_chat.WebSocketChatFormat), websocket_chat.check
    ),
    ModelType.CHAT: AgentProtocol(
        "chat", ChatOptions, _fields_of(http_chat.HttpAgentFormat), http_chat.check, transport="http"
    ),
    ModelType.CHAT_A2A: AgentProtocol("chat", ChatA2AOptions, _fields_of(a2a.A2AFormat), a2a.check, transport="http"),
    ModelType.OPENAI_REALTIME: AgentProtocol(
        "voice",
        OpenAIRealtimeOptions,
        _fields_of(openai_realtime.OpenAIRealtimeFormat),
        openai_realtime.check,
        destination=options_of_openai_realtime.destination,
        calls_tools=True,
        transcribes=True,
    ),
    ModelType.GEMINI_REALTIME: AgentProtocol(
        "voice",
        GeminiRealtimeOptions,
        _fields_of(gemini_realtime.GeminiRealtimeFormat),
        gemini_realtime.check,
        destination=options_of_gemini_realtime.destination,
        calls_tools=True,
        transcribes=True,
    ),
}


def known_protocols() -> dict[str, AgentProtocol]:
    """Ours, and those of installed packages, which may not replace ours."""
    added = {point.name: point.load() for point in entry_points(group=ENTRY_POINTS)}
    return {**added, **OURS}


def template_faults(agent: Agent, protocols: Mapping[str, AgentProtocol]) -> Iterator[Fault]:
    """What is wrong with an agent's templates: placeholders nobody knows, text that could never be JSON."""
    protocol = protocols[agent.model_type]
    for field, message in protocol.check(protocol.make_format(agent.options)):
        yield Fault(f"metadata.{field}", message)
    for field, value in connection_templates(protocol, agent.options):
        try:
            JsonTemplate.parse(value, name=field, allowed=SIMULATION_NAMES)
        except TemplateError as error:
            yield Fault(f"metadata.{field}", error.detail)


def value_faults(
    protocol: AgentProtocol, agent: Agent, form: Any, values: Mapping[str, Any]
) -> Iterator[tuple[str, Fault]]:
    """Placeholders of an agent's templates that lead nowhere in `values`, each with its name.

    `form` is the agent's format. Paths are relative to the agent's body, as in `template_faults`.
    """
    attempts: list[Callable[[], object]] = [partial(form.open, values)]
    templates = connection_templates(protocol, agent.options)
    attempts += [partial(fill_json, value, values, name=field) for field, value in templates]
    for attempt in attempts:
        try:
            attempt()
        except TemplateError as error:
            yield error.placeholder or "", Fault(f"metadata.{error.template}", error.detail)


def connection_templates(protocol: AgentProtocol, options: Any) -> Iterator[tuple[str, Any]]:
    """What of an agent's options the connector fills in for each simulation, with its path in `metadata`."""
    if protocol.transport != "websocket":
        return
    for field in ("custom_headers", "http_headers"):
        for header, value in (getattr(options, field, None) or {}).items():
            yield f"{field}.{step(header)}", value
    yield "http_request_body", getattr(options, "http_request_body", None)
