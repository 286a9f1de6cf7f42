"""Headers of agents over HTTP: `custom_headers` with placeholders, and what of a simulation fills them.

The variables and what they may hold are those of the documents' "Custom Headers" ("Connect a chat agent").
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import attrs
import orjson

from coval_load.codecs.dialects.json_messages import kind_of
from coval_load.codecs.dialects.placeholders import SIMULATION_NAMES
from coval_load.codecs.encoding import encode_json
from coval_load.codecs.paths import NOT_THERE, Path
from coval_load.codecs.templates import Template, TemplateError
from coval_load.limits import step

Headers: TypeAlias = tuple[tuple[str, str], ...]

INITIALIZATION_NAMES = (*SIMULATION_NAMES, "persona.*")
"""What `initialization_payload` may use: everything that is known before the initialization."""

SESSION_NAMES = (*INITIALIZATION_NAMES, "sessionId", "init_response.*")
"""What headers, and everything else that is sent after the initialization, may use."""

_ANSWER = "init_response"
_LATER = frozenset({_ANSWER, "sessionId"})
_SENDABLE = re.compile(r"[\t\x20-\x7e]*")


def session_values(values: Mapping[str, Any], init_response: Any) -> dict[str, Any]:
    """`values` of a simulation with what its initialization gave: `init_response` and `sessionId`.

    `init_response` is the parsed answer, or None where there is none. `sessionId` is always text: the answer's
    `sessionId` if that is a number or a string that isn't empty, else the simulation's own id.
    """
    found = init_response.get("sessionId") if isinstance(init_response, dict) else None
    is_number = isinstance(found, int | float) and not isinstance(found, bool)
    session_id = encode_json(found).decode() if is_number else found
    if not isinstance(session_id, str) or not session_id:
        session_id = values.get("simulation_output_id", "")
    return {**values, _ANSWER: init_response, "sessionId": session_id}


def merged(*groups: Iterable[tuple[str, str]]) -> Headers:
    """All headers of the groups, each once: a later one takes the place of an earlier one of its name."""
    found = {name.lower(): (name, value) for group in groups for name, value in group}
    return tuple(found.values())


@attrs.frozen
class HeaderTemplates:
    """`custom_headers`, compiled once for an agent and filled once for each simulation."""

    templates: tuple[tuple[str, Template], ...] = attrs.field(repr=False)

    @classmethod
    def parse(cls, custom_headers: Mapping[str, str]) -> "HeaderTemplates":
        """Raises `TemplateError`, whose template is `custom_headers.<name>`, for a placeholder nobody knows."""
        return cls(tuple((name, _template(name, text)) for name, text in custom_headers.items()))

    @property
    def of_answer(self) -> tuple[tuple[str, str], ...]:
        """Each (template, placeholder) that only the answer to an initialization can fill."""
        return tuple(
            (template.name, name)
            for _, template in self.templates
            for name in sorted(template.names)
            if _root(name) == _ANSWER
        )

    def fill(self, values: Mapping[str, Any]) -> Headers:
        """The headers to send; `values` are those of `session_values`.

        A header takes text only, so that it is sent as it was written: attributes of a test case, an agent or a
        persona have to be strings, what comes from the answer a string, a number or a boolean. Raises
        `TemplateError` for anything else, for a value that isn't there, and for one that a header can't hold.
        """
        return tuple((name, _filled(template, values)) for name, template in self.templates)

    def prove(self, values: Mapping[str, Any]) -> None:
        """Raises the `TemplateError` of `fill` that is known before the initialization."""
        for _, template in self.templates:
            later = [name for name in template.names if _root(name) in _LATER]
            _check(template, template.names.difference(later), values)
            if not later:
                _filled(template, values)


def _template(header: str, text: str) -> Template:
    # Text between the quotes of JSON: read back after filling, it is what was written.
    return Template.parse(encode_json(text).decode(), name=f"custom_headers.{step(header)}", allowed=SESSION_NAMES)


def _filled(template: Template, values: Mapping[str, Any]) -> str:
    _check(template, template.names, values)
    text: str = orjson.loads(template.render(values))
    if not _SENDABLE.fullmatch(text):
        raise TemplateError(
            template.name,
            None,
            "expected ASCII without control characters; a placeholder put others in: look where its value comes from",
        )
    return text


def _check(template: Template, names: Iterable[str], values: Mapping[str, Any]) -> None:
    for name in sorted(names):
        for problem in _problems(name, Path.parse(name).find(values)):
            raise TemplateError(template.name, name, problem)


def _problems(name: str, found: Any) -> Iterator[str]:
    of_answer = _root(name) == _ANSWER
    if found is NOT_THERE:
        where = "the answer of initialization_endpoint" if of_answer else "this simulation"
        yield f"no such value in {where}"
    elif of_answer and not isinstance(found, str | int | float):
        yield f"expected a string, a number or a boolean in the answer; headers take text; got {kind_of(found)}"
    elif not of_answer and not isinstance(found, str):
        advice = "write it in quotes" if isinstance(found, int | float) else "name text in it"
        yield f"expected text in the attribute; headers take strings only; got {kind_of(found)}: {advice}"


def _root(name: str) -> str:
    return name.partition(".")[0]
