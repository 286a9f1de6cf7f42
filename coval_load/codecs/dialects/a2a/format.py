"""Text with an agent over A2A, in JSON-RPC: versions 0.3 and 1.0 of the protocol."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import Any

import attrs

from coval_load.codecs.dialects.a2a.card import card_urls, version_on
from coval_load.codecs.dialects.a2a.chat import A2AChat, Begun, Terms
from coval_load.codecs.dialects.a2a.initialization import FORM, JSON, Initialization, Session
from coval_load.codecs.dialects.a2a.versions import (
    CANCELED,
    COMPLETED,
    FAILED,
    REJECTED,
    STATES,
    VERSIONS,
    plain_state,
    plain_states,
)
from coval_load.codecs.dialects.http_headers import (
    SESSION_NAMES,
    HeaderTemplates,
    merged,
    session_values,
)
from coval_load.codecs.dialects.http_interface import HttpRequest
from coval_load.codecs.dialects.json_messages import kind_of, quoted
from coval_load.codecs.dialects.placeholders import Complaint, complaints
from coval_load.codecs.templates import JsonTemplate, TemplateError, fill_json


@attrs.frozen
class A2AFormat:
    """The options of a MODEL_TYPE_CHAT_A2A agent that shape its requests and replies, named as in its metadata.

    `authorization` are the headers that its `authorization_header` becomes. `a2a_version` None takes the version
    from the agent's card. Templates are compiled on first use; `check` says beforehand what is wrong with them.
    """

    chat_endpoint: str
    authorization: Mapping[str, str] = attrs.field(factory=dict, repr=False, hash=False)
    custom_headers: Mapping[str, str] = attrs.field(factory=dict, repr=False, hash=False)
    custom_data: Any = attrs.field(default=None, repr=False, hash=False)
    initialization_endpoint: str | None = None
    initialization_payload: Any = attrs.field(default=None, repr=False, hash=False)
    initialization_content_type: str = FORM
    a2a_version: str | None = None
    stream: bool = False
    terminal_states: tuple[str, ...] = (FAILED, CANCELED, REJECTED)
    new_task_states: tuple[str, ...] = (COMPLETED,)

    def discovery(self) -> Sequence[HttpRequest]:
        """For the agent's card, where the version is not given."""
        if self.a2a_version is not None:
            return ()
        headers = merged([("Accept", JSON)], self.authorization.items())
        return tuple(HttpRequest("GET", url, headers) for url in card_urls(self.chat_endpoint))

    def open(self, values: Mapping[str, Any], discovered: bytes | None = None) -> A2AChat:
        """The dialect of one simulation; `discovered` is the agent's card.

        Raises `TemplateError` for a placeholder without a value that is known before the initialization.
        """
        terms = Terms(
            endpoint=self.chat_endpoint,
            version=VERSIONS.get(self.a2a_version or "") or version_on(discovered, self.chat_endpoint),
            streams=self.stream,
            terminal_states=plain_states(self.terminal_states),
            new_task_states=plain_states(self.new_task_states),
        )
        initialization = self._initialization
        request = initialization.request(values, self.authorization) if initialization else None
        self._headers.prove(values)
        self._prove_metadata(values)
        return A2AChat(terms, request, partial(self._begin, values), values.get("simulation_output_id", ""))

    def _prove_metadata(self, values: Mapping[str, Any]) -> None:
        known = session_values(values, None)
        names = sorted(self._metadata.names) if self._metadata else ()
        fill_json([f"{{{{{name}}}}}" for name in names if not _is_of_answer(name)], known, name="custom_data")

    def _begin(self, values: Mapping[str, Any], answer: bytes | None) -> Begun:
        session = self._initialization.session(answer or b"") if self._initialization else Session()
        known = session_values(values, session.init_response)
        # A custom header is the user's own word, so it comes last.
        headers = merged(self.authorization.items(), session.headers, self._headers.fill(known))
        return Begun(headers, self._metadata.fill(known) if self._metadata else None)

    def answers_in_headers(self) -> Sequence[tuple[str, str]]:
        """Each (field, placeholder) that only the answer to an initialization can fill. Raises `TemplateError`."""
        return self._headers.of_answer

    def answers_in_metadata(self) -> Sequence[tuple[str, str]]:
        """The same, of `custom_data`."""
        names = sorted(self._metadata.names) if self._metadata else ()
        return tuple(("custom_data", name) for name in names if _is_of_answer(name))

    @cached_property
    def _headers(self) -> HeaderTemplates:
        return HeaderTemplates.parse(self.custom_headers)

    @cached_property
    def _initialization(self) -> Initialization | None:
        if self.initialization_endpoint is None:
            return None
        return Initialization.parse(
            self.initialization_endpoint, self.initialization_payload, self.initialization_content_type
        )

    @cached_property
    def _metadata(self) -> JsonTemplate | None:
        if self.custom_data is None:
            return None
        if not isinstance(self.custom_data, Mapping):
            came = kind_of(self.custom_data)
            raise TemplateError(
                "custom_data", None, f"expected an object, as it is sent as params.metadata; got {came}"
            )
        return JsonTemplate.parse(self.custom_data, name="custom_data", allowed=SESSION_NAMES)


def check(chat: A2AFormat) -> list[Complaint]:
    """All that is wrong with a format, as (field, message). Never raises."""
    return [
        *complaints(chat, ("_headers", "_initialization", "_metadata")),
        *_check_session(chat),
        *_check_states(chat),
    ]


def _check_session(chat: A2AFormat) -> Iterator[Complaint]:
    if chat.initialization_endpoint is not None:
        return
    if chat.initialization_payload is not None:
        yield "initialization_payload", "sent nowhere while initialization_endpoint is not set: set it, or remove this"
    for field, placeholder in _needed_answers(chat):
        yield field, f"{{{{{placeholder}}}}}: there is no answer to take it from; set initialization_endpoint"


def _needed_answers(chat: A2AFormat) -> Iterator[tuple[str, str]]:
    for of_answer in (chat.answers_in_headers, chat.answers_in_metadata):
        try:
            yield from of_answer()
        except TemplateError:
            continue  # complained of already


def _is_of_answer(name: str) -> bool:
    return name.startswith("init_response.")


def _check_states(chat: A2AFormat) -> Iterator[Complaint]:
    for field in ("terminal_states", "new_task_states"):
        for state in getattr(chat, field):
            if plain_state(state) not in STATES:
                yield field, f"expected task states of {', '.join(STATES)}; got {quoted(state)}"
