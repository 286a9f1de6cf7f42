"""Text over HTTP (MODEL_TYPE_CHAT): the history is posted with every message, in a shape the agent's options describe.

The rules are those of the documents' "Connect a chat agent": "Standard Protocol", "Connecting an OpenAI-compatible
API", "Optional Configuration" and "Advanced Configuration".
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import attrs
import orjson

from coval_load.codecs.dialects.chat_replies.reading import open_reading
from coval_load.codecs.dialects.chat_replies.tool_call_extraction import ToolCallExtraction
from coval_load.codecs.dialects.http_headers import (
    INITIALIZATION_NAMES,
    Headers,
    HeaderTemplates,
    merged,
    session_values,
)
from coval_load.codecs.dialects.http_history import History, ResponseFormat
from coval_load.codecs.dialects.http_interface import HttpRequest, ReplyReading
from coval_load.codecs.dialects.http_payloads import (
    CUSTOM,
    Payload,
    object_of,
    parse_custom,
    parse_input_template,
    wrapped,
)
from coval_load.codecs.dialects.json_messages import kind_of
from coval_load.codecs.dialects.placeholders import Complaint, complaints
from coval_load.codecs.dialects.tool_results import ToolResult
from coval_load.codecs.encoding import encode_json
from coval_load.codecs.events import Event, ToolCallReceived
from coval_load.codecs.paths import Path
from coval_load.codecs.templates import JsonTemplate, Template, TemplateError

_JSON = (("Content-Type", "application/json"), ("Accept", "application/json"))
_STREAM = ("Accept", "application/json, text/event-stream")


@attrs.frozen(eq=False)
class HttpAgentFormat:
    """The options of a MODEL_TYPE_CHAT agent that shape requests and answers, named as in its metadata.

    `authorization` is the header made of `authorization_header` or `authentication_token`. URLs are absolute.
    `model`, `system_prompt`, `temperature` and `max_tokens` are sent only if `openai_compatible`. Members of
    `extra_body` take the place of the request's own, if it is no `input_template`; null takes one out.
    `tool_call_extraction_config` is a mapping, or an attrs class with the members of one. Templates are compiled on
    first use; `check` says beforehand what is wrong with them.
    """

    chat_endpoint: str
    authorization: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    initialization_endpoint: str | None = None
    initialization_payload: Any = attrs.field(default=None, repr=False)
    custom_data: Any = attrs.field(default=None, repr=False)
    custom_persona_data: Any = attrs.field(default=None, repr=False)
    custom_headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    response_format: ResponseFormat = "chat_completions"
    input_template: str | None = attrs.field(default=None, repr=False)
    payload_wrapper: str | None = None
    response_message_path: str | None = None
    strip_message_timestamps: bool = False
    tool_call_extraction_config: Any = None
    openai_compatible: bool = False
    model: str | None = None
    system_prompt: str | None = attrs.field(default=None, repr=False)
    temperature: float | None = None
    max_tokens: int | None = None
    stream: bool = False
    extra_body: Any = attrs.field(default=None, repr=False)

    def discovery(self) -> Sequence[HttpRequest]:
        """Nothing: all there is to know stands in the options."""
        return ()

    def open(self, values: Mapping[str, Any], discovered: bytes | None = None) -> "HttpChat":
        """The dialect of one simulation. Raises `TemplateError` where a placeholder has no value.

        What only the answer of the initialization endpoint fills is asked for in `HttpChat.initialized`.
        """
        return HttpChat(self, values)

    @cached_property
    def initialization(self) -> JsonTemplate:
        """What the initialization endpoint is sent, an empty object where the options have nothing."""
        value = {} if self.initialization_payload is None else self.initialization_payload
        return JsonTemplate.parse(value, name="initialization_payload", allowed=INITIALIZATION_NAMES)

    @cached_property
    def headers(self) -> HeaderTemplates:
        """`custom_headers`, for the chat endpoint."""
        return HeaderTemplates.parse(self.custom_headers)

    @cached_property
    def payload(self) -> Payload:
        """What the chat endpoint is sent."""
        body = self._input if self._input is not None else self._standard
        if self.payload_wrapper is not None:
            body = wrapped(body, self.payload_wrapper)
        return Payload.of(body, [template for template in (self._custom, self._persona) if template is not None])

    @cached_property
    def reply_path(self) -> Path | None:
        """Where the text of an answer stands, None where that is as usual."""
        return None if self.response_message_path is None else Path.parse(self.response_message_path)

    @cached_property
    def extraction(self) -> ToolCallExtraction | None:
        """Where the tool calls of an answer stand, None where that is as usual."""
        config = self.tool_call_extraction_config
        if config is None:
            return None
        return ToolCallExtraction.of(config if isinstance(config, Mapping) else attrs.asdict(config))

    @cached_property
    def request_headers(self) -> Headers:
        """All headers for the chat endpoint but the custom ones."""
        return merged(_JSON, (_STREAM,) if self.stream else (), self.authorization.items())

    @property
    def instructs_in_messages(self) -> bool:
        """Whether the system prompt is the first of the messages."""
        is_elsewhere = self.response_format == "responses" and self.input_template is None
        return self.openai_compatible and bool(self.system_prompt) and not is_elsewhere

    @cached_property
    def _input(self) -> Template | None:
        if self.input_template is None:
            return None
        return parse_input_template(self.input_template, is_initialized=self.initialization_endpoint is not None)

    @cached_property
    def _custom(self) -> JsonTemplate | None:
        return parse_custom(self.custom_data, "custom_data")

    @cached_property
    def _persona(self) -> JsonTemplate | None:
        return parse_custom(self.custom_persona_data, "custom_persona_data")

    @property
    def _standard(self) -> Template:
        members = _model_members(self) if self.openai_compatible else {"messages": "messages"}
        if self.stream or self.openai_compatible:
            members["stream"] = "stream"
        if self.stream and self.openai_compatible and self.response_format == "chat_completions":
            members["stream_options"] = "stream_options"
        members |= {name: name for name in CUSTOM if getattr(self, name) is not None}
        known = {
            name: getattr(self, name) for name in ("model", "system_prompt", "temperature", "max_tokens", "stream")
        }
        for number, (key, value) in enumerate((self.extra_body or {}).items()):
            members.pop(key, None)
            if value is not None:
                members[key] = f"extra_{number}"
                known[f"extra_{number}"] = value
        return object_of(members, {**known, "stream_options": {"include_usage": True}})


def _model_members(agent: HttpAgentFormat) -> dict[str, str]:
    if agent.response_format == "responses":
        names = {"model": "model", "input": "messages", "instructions": "system_prompt"}
        limit = "max_output_tokens"
    else:
        names = {"model": "model", "messages": "messages"}
        limit = "max_tokens"
    members = {**names, "temperature": "temperature", limit: "max_tokens"}
    return {key: name for key, name in members.items() if name == "messages" or getattr(agent, name) not in (None, "")}


def check(agent: HttpAgentFormat) -> list[Complaint]:
    """All that is wrong with a format, as (field, message). Never raises."""
    parts = ("initialization", "headers", "_custom", "_persona", "_input")
    found = [_of_template(field, message) for field, message in complaints(agent, parts)]
    if agent.initialization_endpoint is None:
        if agent.initialization_payload:
            found.append(("initialization_payload", "sent nowhere: set initialization_endpoint, or remove this"))
        found += [
            (field, f"{{{{{name}}}}}: expected an initialization_endpoint, whose answer fills it; set one")
            for field, name in _waiting(agent)
        ]
    return found


def _of_template(field: str, message: str) -> Complaint:
    if field != "input_template":
        return field, message
    advice = "" if message.startswith("{{") else "; quote a placeholder only where its value is text"
    return field, f"invalid input template: {message}{advice}"


def _waiting(agent: HttpAgentFormat) -> Iterator[tuple[str, str]]:
    """Each (template, placeholder) that waits for the answer to an initialization."""
    for part in ("headers", "_custom", "_persona"):
        try:
            compiled: HeaderTemplates | JsonTemplate | None = getattr(agent, part)
        except TemplateError:
            continue  # complained of already
        if isinstance(compiled, HeaderTemplates):
            yield from compiled.of_answer
        elif compiled is not None:
            yield from ((compiled.name, name) for name in sorted(compiled.names) if name.startswith("init_response."))


class HttpChat:
    """One simulation's side of a text conversation over HTTP.

    Every request holds the whole history. Calls of tools are kept until it is known whether results follow.
    """

    def __init__(self, agent: HttpAgentFormat, values: Mapping[str, Any]) -> None:
        self._agent = agent
        self._values = values
        self._history = History(agent.response_format, stamps=not agent.strip_message_timestamps)
        if agent.instructs_in_messages:
            self._history.instruct(agent.system_prompt or "")
        self._calls: list[ToolCallReceived] = []
        self._body: Template
        self._headers: Headers
        self._initialization = self._begin()

    def initialization(self) -> HttpRequest | None:
        """The request to the initialization endpoint: the payload, and no custom headers, which may need its answer."""
        return self._initialization

    def initialized(self, answer: bytes | None) -> str | None:
        """Take the answer, a JSON object; fill all that depends on it. See `HttpChatDialect.initialized`."""
        if self._initialization is None:
            return None
        try:
            found = orjson.loads(answer or b"")
        except orjson.JSONDecodeError as error:
            # Not quoted: it may hold the session's token.
            return self._not_an_object(f"no JSON: {error.msg}" if answer else "an empty answer")
        if not isinstance(found, dict):
            return self._not_an_object(kind_of(found))
        self._settle(found)
        return None

    def say(self, text: str, timestamp: str) -> HttpRequest:
        """The caller's next message. `timestamp` is ISO 8601 in UTC."""
        self._history.say(text, timestamp)
        return self._request()

    def give_results(self, results: Sequence[ToolResult], timestamp: str) -> HttpRequest:
        """The results of all tool calls of the last reply.

        Raises `TemplateError` where the input template sends no history, which is what the results stand in.
        """
        if "messages" not in self._body.names:
            raise TemplateError(
                "input_template",
                "messages",
                "expected it in the template, since results of tools are sent in the history; add it, or take the "
                "tool_results out of the test case",
            )
        self._history.give(results, timestamp)
        return self._request()

    def ask_again(self) -> HttpRequest:
        """The last request again; no answer of such an agent asks for that."""
        return self._request()

    def read(self, content_type: str) -> ReplyReading:
        """Begin to read the answer to the last request."""
        self._calls = []
        reading = open_reading(content_type, self._agent.reply_path, self._agent.extraction)
        return _Overheard(reading, self._calls)

    def heard(self, text: str, tool_calls: bool, timestamp: str) -> None:
        """The agent said `text`; with `tool_calls` the calls of the last answer are kept too."""
        self._history.hear(text, self._calls if tool_calls else (), timestamp)
        self._calls = []

    def _begin(self) -> HttpRequest | None:
        agent = self._agent
        if agent.initialization_endpoint is None:
            self._settle(None)
            return None
        agent.headers.prove(self._values)
        agent.payload.prove(self._values)
        template = agent.initialization
        try:
            body = encode_json(template.fill(self._values))
        except ValueError as error:
            raise TemplateError(template.name, None, str(error)) from error
        headers = merged(_JSON, agent.authorization.items())
        return HttpRequest("POST", agent.initialization_endpoint, headers, body)

    def _settle(self, answer: Mapping[str, Any] | None) -> None:
        session = session_values(self._values, answer)
        self._headers = merged(self._agent.request_headers, self._agent.headers.fill(session))
        self._body = self._agent.payload.fill(session)

    def _request(self) -> HttpRequest:
        history = self._history
        body = self._body.render({"messages": history.messages, "latest_message": history.latest_message})
        return HttpRequest("POST", self._agent.chat_endpoint, self._headers, body)

    def _not_an_object(self, came: str) -> str:
        return (
            f"Invalid JSON response from endpoint {self._agent.initialization_endpoint}: expected a JSON object; "
            f"got {came}"
        )


@attrs.frozen
class _Overheard:
    """A reading whose tool calls are kept for the history."""

    reading: ReplyReading
    calls: list[ToolCallReceived]

    def feed(self, data: bytes) -> Sequence[Event]:
        return self._kept(self.reading.feed(data))

    def end(self) -> Sequence[Event]:
        return self._kept(self.reading.end())

    def _kept(self, events: Sequence[Event]) -> Sequence[Event]:
        self.calls.extend(event for event in events if isinstance(event, ToolCallReceived))
        return events
