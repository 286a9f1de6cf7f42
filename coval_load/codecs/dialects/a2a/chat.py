"""One simulation's side of a conversation over A2A: its requests, and which task and context it is in."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from coval_load.codecs.dialects.a2a.errors import Asked
from coval_load.codecs.dialects.a2a.initialization import InitializationFailed
from coval_load.codecs.dialects.a2a.replies import BoundedReading, Expected, reading_of
from coval_load.codecs.dialects.a2a.results import AnswerPicture
from coval_load.codecs.dialects.a2a.versions import A2AVersion
from coval_load.codecs.dialects.http_headers import Headers, merged
from coval_load.codecs.dialects.http_interface import HttpRequest
from coval_load.codecs.dialects.tool_results import ToolResult
from coval_load.codecs.encoding import encode_json


@attrs.frozen
class Terms:
    """What is the same for all conversations with an agent; states are written as in 0.3."""

    endpoint: str
    version: A2AVersion
    streams: bool
    terminal_states: frozenset[str]
    new_task_states: frozenset[str]


@attrs.frozen
class Begun:
    """What the initialization settled: the agent's own headers, and `metadata` of each message sent."""

    headers: Headers = attrs.field(repr=False)
    metadata: Any = attrs.field(repr=False)


class A2AChat:
    """The dialect of one simulation.

    Everything is repeatable: a message's id comes from `simulation_output_id` and the turn, a request's id counts
    up. `begin` is given the answer of the initialization; it raises `InitializationFailed` and `TemplateError`.
    """

    def __init__(
        self,
        terms: Terms,
        initialization: HttpRequest | None,
        begin: Callable[[bytes | None], Begun],
        simulation_output_id: str,
    ) -> None:
        self._terms = terms
        self._initialization = initialization
        self._begin = begin
        self._simulation_output_id = simulation_output_id
        self._begun = Begun((), None)
        self._turn = 0
        self._request_id = 0
        self._asked_within_task = False
        self._task_artifacts: Mapping[str, Sequence[str]] = {}
        self._answer = AnswerPicture({}, "")

    def initialization(self) -> HttpRequest | None:
        """The request to the initialization endpoint, None where there is none."""
        return self._initialization

    def initialized(self, answer: bytes | None) -> str | None:
        """Take the token and all that placeholders ask for; returns what is wrong with the answer."""
        try:
            self._begun = self._begin(answer)
        except InitializationFailed as error:
            return str(error)
        return None

    def say(self, text: str, timestamp: str) -> HttpRequest:
        """The caller's next message, in the context and the task of the last answer. A2A takes no timestamp."""
        self._turn += 1
        context_id, task_id = self._leave_turn()
        message_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"coval-load:{self._simulation_output_id}/{self._turn}"))
        self._answer = AnswerPicture(self._task_artifacts, message_id, context_id, task_id)
        version = self._terms.version
        params = {
            "message": version.message(message_id, text, contextId=context_id, taskId=task_id),
            "configuration": dict(version.configuration),
        }
        if self._begun.metadata is not None:
            params["metadata"] = self._begun.metadata
        self._asked_within_task = task_id is not None
        if self._terms.streams:
            return self._request(version.stream, params, "text/event-stream")
        return self._request(version.send, params)

    def ask_again(self) -> HttpRequest:
        """For the task as it is now."""
        return self._request(self._terms.version.get_task, {"id": self._answer.task_id})

    def give_results(self, results: Sequence[ToolResult], timestamp: str) -> HttpRequest:
        """Never called: in A2A an agent's tools are its own, so no reply holds a call."""
        raise NotImplementedError("an A2A agent calls no tools of its caller")

    def read(self, content_type: str) -> BoundedReading:
        """Begin to read the answer to the last request."""
        last = self._answer
        self._answer = AnswerPicture(self._task_artifacts, last.message_id, last.context_id, last.task_id)
        asked = Asked(self._terms.version, self._terms.streams, self._asked_within_task)
        return reading_of(content_type, Expected(self._request_id, asked, self._terms.terminal_states), self._answer)

    def heard(self, text: str, tool_calls: bool, timestamp: str) -> None:
        """Nothing: the agent keeps the history, by the context's id."""

    def _leave_turn(self) -> tuple[str | None, str | None]:
        answer = self._answer
        if answer.state in self._terms.new_task_states:
            self._task_artifacts = {}
            return answer.context_id, None
        self._task_artifacts = {**self._task_artifacts, **answer.artifacts}
        return answer.context_id, answer.task_id

    def _request(self, method: str, params: Mapping[str, Any], accept: str = "application/json") -> HttpRequest:
        self._request_id += 1
        call = {"jsonrpc": "2.0", "id": self._request_id, "method": method, "params": params}
        own = (("Content-Type", "application/json"), ("Accept", accept), *self._terms.version.headers)
        return HttpRequest("POST", self._terms.endpoint, merged(own, self._begun.headers), encode_json(call))
