"""The names that an agent's templates may use, and the checks all formats make of them."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from coval_load.codecs.dialects.interface import Handshaking, Outgoing
from coval_load.codecs.encoding import encode_json
from coval_load.codecs.templates import JsonTemplate, Template, TemplateError

SIMULATION_NAMES = (
    "run_id",
    "simulation_output_id",
    "simulation_id",
    "stream_sid",
    "call_sid",
    "agent.*",
    "test_case.*",
    "run_metadata.*",
)
"""Made afresh for each simulation: for `initialization_json`, headers, HTTP bodies and send templates."""

Complaint: TypeAlias = tuple[str, str]
"""A field of a format and what is wrong with it."""


def parse_send_template(text: str, field: str, required: str, *optional: str) -> Template:
    """A template that must hold `{{required}}`. Raises `TemplateError`."""
    template = Template.parse(text, name=field, allowed=(*SIMULATION_NAMES, required, *optional))
    if required not in template.names:
        raise TemplateError(field, required, "expected this placeholder in the template; put it where the value goes")
    return template


def parse_initialization(value: Any) -> JsonTemplate | None:
    """The `initialization_json` of an agent, None where it has none. Raises `TemplateError`."""
    if value is None:
        return None
    return JsonTemplate.parse(value, name="initialization_json", allowed=SIMULATION_NAMES)


def opening_messages(template: JsonTemplate | None, values: Mapping[str, Any]) -> tuple[Outgoing, ...]:
    """The filled `initialization_json` as a message, if there is one. Raises `TemplateError`."""
    if template is None:
        return ()
    filled = template.fill(values)
    try:
        return (Outgoing(encode_json(filled), is_text=True),)
    except ValueError as error:
        raise TemplateError(template.name, None, str(error)) from error


def complaints(format_: Any, parts: Iterable[str]) -> Iterator[Complaint]:
    """What making each of the `parts` (lazily compiled properties) of a format fails with."""
    for part in parts:
        try:
            getattr(format_, part)
        except TemplateError as error:
            yield error.template, error.detail


def check_ready_type(format_: Any) -> Iterator[Complaint]:
    """A ready message can't be told by its type where messages have none."""
    if format_.handshake_ready_message_type and not format_.message_type_path:
        yield (
            "handshake_ready_message_type",
            "no message has a type while message_type_path is empty: set that, or leave this empty",
        )


def handshaking(ready_type: str, requires_session_id: bool, timeout_s: float) -> Handshaking:
    """The wait for a ready message of `ready_type`, which is an agent's `handshake_ready_message_type`."""
    if not ready_type:
        return Handshaking()
    return Handshaking(
        f"a message of type {ready_type!r}",
        requires_session_id,
        timeout_s,
        "set handshake_ready_message_type to what the agent sends, or to an empty string to wait for nothing",
    )
