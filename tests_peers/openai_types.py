"""Holds realtime messages to the types of the `openai` package. Runs in its environment.

The package takes whatever comes; here every field must be declared, and every declared one as declared.
As a program: for each line `["client" or "server", message]` it prints a line, the JSON list of what is wrong.
"""

import json
import sys
import typing

from openai.types.realtime import RealtimeClientEvent, RealtimeServerEvent
from pydantic import BaseModel, TypeAdapter, ValidationError

EVENTS = {"client": RealtimeClientEvent, "server": RealtimeServerEvent}
# The package declares a session as it is asked for; the server gives these besides, as in its other session types.
OF_SESSIONS = {"session.id", "session.object", "session.expires_at"}


def _by_type(union):
    if typing.get_origin(union) is typing.Annotated:
        union = typing.get_args(union)[0]
    return {
        name: TypeAdapter(model)
        for model in typing.get_args(union)
        for name in typing.get_args(model.model_fields["type"].annotation)
    }


ADAPTERS = {side: _by_type(union) for side, union in EVENTS.items()}


def faults(side, message):
    """What is wrong in the JSON object `message`, in words; an empty list if nothing is."""
    kind = message.get("type") if isinstance(message, dict) else None
    adapter = ADAPTERS[side].get(kind)
    if adapter is None:
        return [f"{kind!r} is no type of a {side} event"]
    try:
        model = adapter.validate_json(json.dumps(message), strict=True)
    except ValidationError as error:
        return [f"{kind}: {'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors(include_url=False)]
    return [f"{kind}: {path} is not known" for path in sorted(set(_unknown(model, "")) - OF_SESSIONS)]


def _unknown(value, path):
    if isinstance(value, BaseModel):
        yield from (f"{path}{name}" for name in value.model_extra or ())
        for name in value.model_fields_set & set(type(value).model_fields):
            yield from _unknown(getattr(value, name), f"{path}{name}.")
    elif isinstance(value, list):
        for nth, item in enumerate(value):
            yield from _unknown(item, f"{path}{nth}.")


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(faults(*json.loads(line))), flush=True)
