"""`${NAME}` in a string takes an environment variable; `$${` stands for a plain `${`."""

import json
import re
from collections.abc import Mapping
from typing import Any

import attrs

from coval_load.faults import Fault
from coval_load.json_text import is_too_deep, read_json
from coval_load.limits import step

Steps = tuple[str | int, ...]

_REFERENCE = re.compile(r"\$\$\{|\$\{([^}]*)\}?")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@attrs.frozen
class Expanded:
    """A document with its variables filled in.

    `secrets` are the values that came out of the environment, `places` the keys and indices on the way to
    each string they came into, `faults` the variables that are not set.
    """

    value: Any = attrs.field(repr=False)
    secrets: frozenset[str] = attrs.field(repr=False)
    places: tuple[Steps, ...]
    faults: tuple[Fault, ...]


def expand(raw: Any, environ: Mapping[str, str]) -> Expanded:
    """`raw` with every `${NAME}` replaced, at any depth; keys are left as they are.

    In a string that encodes JSON the value is put in JSON-escaped, so that no value breaks out of its
    string. Never raises; what is nested too deeply is left as it is, for the loader to refuse.
    """
    if is_too_deep(raw):
        return Expanded(raw, frozenset(), (), ())
    expansion = _Expansion(environ)
    value = expansion.walk(raw, ())
    return Expanded(value, frozenset(expansion.secrets), tuple(expansion.places), tuple(expansion.faults))


def path_of(steps: Steps) -> str:
    """Keys and indices as a JSON path."""
    path = ""
    for one in steps:
        path = Fault(f"[{one}]" if isinstance(one, int) else step(str(one)), "").under(path).path
    return path


@attrs.define
class _Expansion:
    environ: Mapping[str, str]
    secrets: set[str] = attrs.field(factory=set)
    places: list[Steps] = attrs.field(factory=list)
    faults: list[Fault] = attrs.field(factory=list)

    def walk(self, value: Any, at: Steps) -> Any:
        if isinstance(value, dict):
            return {key: self.walk(child, (*at, key)) for key, child in value.items()}
        if isinstance(value, list):
            return [self.walk(child, (*at, index)) for index, child in enumerate(value)]
        if isinstance(value, str) and "${" in value:
            return self.fill(value, at)
        return value

    def fill(self, text: str, at: Steps) -> str:
        encodes_json = _encodes_json(text)

        def replacement(found: re.Match[str]) -> str:
            if found[0] == "$${":
                return "${"
            value = self.take(found, at)
            return json.dumps(value)[1:-1] if encodes_json else value

        return _REFERENCE.sub(replacement, text)

    def take(self, found: re.Match[str], at: Steps) -> str:
        name = found[1]
        if not _NAME.fullmatch(name) or not found[0].endswith("}"):
            self.faults.append(Fault(path_of(at), "expected ${NAME}; write $${ for a plain ${"))
            return ""
        value = self.environ.get(name)
        if value is None:
            self.faults.append(Fault(path_of(at), f"expected the environment variable {name} to be set; it is not"))
            return ""
        self.places.append(at)
        if value:
            self.secrets.add(value)
        return value


def _encodes_json(text: str) -> bool:
    if not text.lstrip().startswith(("{", "[")):
        return False
    try:
        # A template may have a placeholder where JSON has a value.
        read_json(re.sub(r"\{\{[^{}]*\}\}", "0", text))
    except ValueError:
        return False
    return True
