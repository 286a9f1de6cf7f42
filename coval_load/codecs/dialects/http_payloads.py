"""What a chat agent over HTTP is posted: a template, written by the user or made from the agent's options.

Both are filled in three steps: once for an agent, once for a simulation when its initialization is answered, and
once for each request, which puts in the history and the latest message ("Input Template", "Custom Data" of the
documents' "Connect a chat agent").
"""

from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from coval_load.codecs.dialects.http_headers import INITIALIZATION_NAMES, SESSION_NAMES
from coval_load.codecs.encoding import encode_json
from coval_load.codecs.paths import NOT_THERE, Path
from coval_load.codecs.templates import JsonTemplate, Template, TemplateError

CUSTOM = ("custom_data", "custom_persona_data")
"""Options that are sent as they are, or stand in an input template under their names."""

_TURN_NAMES = frozenset({"messages", "latest_message"})
_INPUT_NAMES = (*sorted(_TURN_NAMES), *CUSTOM, *(f"{name}.*" for name in CUSTOM), *INITIALIZATION_NAMES, "sessionId")
_ANSWER = "init_response"
_BEFORE_ANSWER = frozenset(name.partition(".")[0] for name in INITIALIZATION_NAMES)
_OURS = _BEFORE_ANSWER | _TURN_NAMES | {*CUSTOM, "sessionId", _ANSWER}


def parse_input_template(text: str, *, is_initialized: bool) -> Template:
    """`input_template`. With an initialization, a name that means nothing else is a path into its answer.

    Raises `TemplateError`.
    """
    of_answer = (_ANSWER, f"{_ANSWER}.*", "*") if is_initialized else ()
    return Template.parse(text, name="input_template", allowed=(*_INPUT_NAMES, *of_answer))


def parse_custom(value: Any, name: str) -> JsonTemplate | None:
    """`custom_data` or `custom_persona_data`, None where it isn't given. Raises `TemplateError`."""
    return None if value is None else JsonTemplate.parse(value, name=name, allowed=SESSION_NAMES)


def object_of(members: Mapping[str, str], values: Mapping[str, Any]) -> Template:
    """A JSON object whose `members` are named after the key: the name that fills each. `values` are put in now."""
    text = ",".join(f"{encode_json(key).decode()}:{{{{{name}}}}}" for key, name in members.items())
    return Template.parse(f"{{{text}}}", name="payload").partial(values)


def wrapped(body: Template, key: str) -> Template:
    """`body` as the only member of an object ("Payload Wrapper")."""
    return Template(body.name, (b"{" + encode_json(key) + b":", *body.parts, b"}"))


@attrs.frozen
class Payload:
    """The template of an agent's requests, and the options that fill it."""

    body: Template
    custom: Mapping[str, JsonTemplate] = attrs.field(repr=False)

    @classmethod
    def of(cls, body: Template, custom: Iterable[JsonTemplate]) -> "Payload":
        """`custom` is what the agent has; what `body` doesn't ask for is left out, and never filled."""
        asked = {_root(name) for name in body.names}
        return cls(body, {template.name: template for template in custom if template.name in asked})

    def fill(self, session: Mapping[str, Any]) -> Template:
        """What is left to fill is `messages` and `latest_message`. `session` is made by `session_values`.

        Raises `TemplateError`, also for what the answer to the initialization lacks.
        """
        for template in self.custom.values():
            _require(template, template.names, session)
        answer = session[_ANSWER]
        roots = answer if isinstance(answer, dict) else {}
        values = {name: value for name, value in roots.items() if name not in _OURS}
        values |= {name: {} for name in CUSTOM}
        values |= {name: template.fill(session) for name, template in self.custom.items()}
        values |= {name: value for name, value in session.items() if name not in _TURN_NAMES}
        _require(self.body, self.body.names - _TURN_NAMES, values)
        return self.body.partial(values)

    def prove(self, values: Mapping[str, Any]) -> None:
        """Raises the `TemplateError` of `fill` that is known before the initialization."""
        known: dict[str, Any] = {name: {} for name in CUSTOM if name not in self.custom}
        known |= values
        for name, template in self.custom.items():
            early = {placeholder for placeholder in template.names if _root(placeholder) in _BEFORE_ANSWER}
            _require(template, early, values)
            if early == template.names:
                known[name] = template.fill(values)
        # Custom data that depends on the answer is not among the known.
        _require(self.body, {name for name in self.body.names if _root(name) in _BEFORE_ANSWER.union(known)}, known)
        self.body.partial(known)


def _require(template: Template | JsonTemplate, names: Iterable[str], values: Mapping[str, Any]) -> None:
    for name in sorted(names):
        if Path.parse(name).find(dict(values)) is NOT_THERE:
            of_answer = _root(name) == _ANSWER or _root(name) not in _OURS
            where = "the answer of initialization_endpoint" if of_answer else "this simulation"
            raise TemplateError(template.name, name, f"no such value in {where}")


def _root(name: str) -> str:
    return name.partition(".")[0]
