"""Who calls and what they do: a persona's manners, and the scripted turns of a test case."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Literal, TypeAlias

import attrs

from coval_load.actors.checks.interface import Check
from coval_load.actors.clips import PreparedClip


@attrs.frozen
class Persona:
    """How a caller behaves. Silences and waits are in seconds, the threshold of sound in dBFS.

    `initialization_parameters` fill `{{persona.*}}`.
    """

    name: str = "default"
    conversation_initiation: Literal["speak_first", "wait_for_user"] = "speak_first"
    wait_s: float = 0.5
    send_silence: bool = True
    onset_threshold_dbfs: float = -45.0
    end_of_turn_silence_s: float = 0.8
    yield_silence_s: float = 0.25
    initialization_parameters: Mapping[str, Any] = attrs.field(factory=dict, repr=False)

    @cached_property
    def values(self) -> Mapping[str, Any]:
        """What `persona` is in the agent's templates: one for all simulations."""
        return {"name": self.name, **self.initialization_parameters}


@attrs.frozen
class Say:
    """Words: spoken by `clip` to a voice agent, written to a chat agent. `text` is None where not known."""

    text: str | None
    clip: PreparedClip | None = None


@attrs.frozen
class Skip:
    """Say nothing, and let the agent go on."""


@attrs.frozen
class Press:
    """Keypad digits."""

    digits: str


@attrs.frozen
class Show:
    """An image."""

    name: str
    mime_type: str
    data: bytes = attrs.field(repr=False)


Action: TypeAlias = Say | Skip | Press | Show


@attrs.frozen
class Turn:
    """One turn of the caller. `barge_in_after_s`: begin so long after the agent's turn began."""

    action: Action
    barge_in_after_s: float | None = None
    expects_reply: bool = True


@attrs.frozen
class ToolAnswer:
    """What the tool `tool` gives back (any JSON) to calls whose arguments have `arguments`; None: to every call."""

    tool: str
    arguments: Mapping[str, Any] | None = attrs.field(default=None, repr=False)
    result: Any = attrs.field(default=None, repr=False)

    def fits(self, name: str, arguments: Any) -> bool:
        """Whether it answers a call of the tool `name` with `arguments`, parsed JSON."""
        return name == self.tool and (self.arguments is None or _has(arguments, self.arguments))


def _has(given: Any, wanted: Any) -> bool:
    """Whether `given` has all that `wanted` has: of objects the keys, of lists the items one by one."""
    if isinstance(wanted, Mapping):
        return isinstance(given, Mapping) and all(
            key in given and _has(given[key], value) for key, value in wanted.items()
        )
    if isinstance(wanted, list | tuple):
        return isinstance(given, list | tuple) and len(given) == len(wanted) and all(map(_has, given, wanted))
    # 1 and 1.0 are one number in JSON; true and 1 are not one value, as they are in Python.
    return bool(given == wanted) and isinstance(given, bool) == isinstance(wanted, bool)


@attrs.frozen
class TestCase:
    """A script; `attributes` fill `{{test_case.*}}`, `tool_results` answer the agent's tool calls.

    `checks` are what a conversation that went through all of it is expected to keep to.
    """

    __test__ = False  # not one of pytest's

    id: str
    turns: Sequence[Turn]
    attributes: Mapping[str, Any] = attrs.field(factory=dict)
    tool_results: Sequence[ToolAnswer] = ()
    checks: Sequence[Check] = ()

    @cached_property
    def values(self) -> Mapping[str, Any]:
        """What `test_case` is in the agent's templates: one for all simulations."""
        return {"id": self.id, **self.attributes}

    def result_for(self, name: str, arguments: Any) -> ToolAnswer | None:
        """The first answer that fits a call of the tool `name` with `arguments` (parsed JSON, whatever it is)."""
        return next((answer for answer in self.tool_results if answer.fits(name, arguments)), None)
