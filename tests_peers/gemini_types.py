"""Holds messages of Gemini Live to the types of the `google-genai` package. Runs in its environment.

The package drops what it does not know; here every field must be declared, in camelCase as on the wire.
As a program: for each line `["client" or "server", message]` it prints a line, the JSON list of what is wrong.
"""

import json
import sys
import warnings

from google.genai import types
from pydantic import ValidationError

MESSAGES = {"client": types.LiveClientMessage, "server": types.LiveServerMessage}
# What the package's client adds to a setup, which its types do not declare there.
OF_SETUPS = {"realtimeInputConfig": types.RealtimeInputConfig}
# Declared for tools, but as anything.
TOOL = types.Tool
# What the package's client renames in `voiceActivity` before it reads it; `type` is what it knows on the wire.
RENAMED = {"type": "voiceActivityType", "voiceActivityType": "voiceActivityType instead of type"}
# The package takes base64 in both alphabets, and writes the one for URLs.
BASE64 = str.maketrans("+/", "-_")


def faults(side, message):
    """What is wrong in the JSON object `message`, in words; an empty list if nothing is."""
    if not isinstance(message, dict) or not message:
        return [f"expected an object with fields; got {message!r}"]
    wrong = [fault for model, part in _parts(side, message) for fault in _faults(model, part)]
    realtime = message.get("realtimeInput")
    if side == "client" and isinstance(realtime, dict) and len(realtime) != 1:
        wrong.append(f"realtimeInput: expected one field, as the package's client sends; got {sorted(realtime)}")
    return wrong


def _parts(side, message):
    """The message, and before it what of it has a type of its own, each with its model."""
    setup = message.get("setup")
    if side == "client" and isinstance(setup, dict):
        yield from ((model, setup[name]) for name, model in OF_SETUPS.items() if name in setup)
        yield from ((TOOL, tool) for tool in setup.get("tools", []))
        message = {**message, "setup": {name: value for name, value in setup.items() if name not in OF_SETUPS}}
    if side == "server" and isinstance(message.get("voiceActivity"), dict):
        message = {
            **message,
            "voiceActivity": {RENAMED.get(name, name): value for name, value in message["voiceActivity"].items()},
        }
    yield MESSAGES[side], message


def _faults(model, part):
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")  # the package takes an unknown name in an enumeration with a warning
        try:
            read = model.model_validate_json(json.dumps(part), by_alias=True, by_name=False)
        except ValidationError as error:
            return [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors(include_url=False)]
    written = read.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return [str(warning.message) for warning in warned] + list(_differences(part, written, ""))


def _differences(came, read, path):
    """Where the package had to bend a value for it to fit, such as "3" to 3."""
    if isinstance(came, dict) and isinstance(read, dict):
        for name in came:
            yield from _differences(came[name], read.get(name), f"{path}{name}.")
    elif isinstance(came, list) and isinstance(read, list) and len(came) == len(read):
        for nth, pair in enumerate(zip(came, read, strict=True)):
            yield from _differences(*pair, f"{path}{nth}.")
    elif isinstance(came, str) and isinstance(read, str):
        if read not in (came, came.translate(BASE64)):
            yield f"{path[:-1]}: {came[:40]!r} was read as {read[:40]!r}"
    elif came != read or isinstance(came, bool) != isinstance(read, bool):
        yield f"{path[:-1]}: {str(came)[:40]!r} was read as {str(read)[:40]!r}"


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(faults(*json.loads(line))), flush=True)
