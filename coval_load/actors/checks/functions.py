"""Checks that are functions of the user's own, found by their entry points."""

import inspect
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import attrs

from coval_load.actors.checks.interface import Conversation

ENTRY_POINTS = "coval_load.checks"
"""The entry-point group under which a package adds a function of its own: `f(conversation, **options)`."""

Function = Callable[..., object]


class CannotLoad(Exception):
    """There is no function of this name, or it can't be loaded; says what was expected and what came."""


@attrs.define
class FunctionShelf:
    """The functions of installed packages, each loaded when it is first asked for."""

    _points: Mapping[str, EntryPoint] | None = attrs.field(default=None, init=False)
    _loaded: dict[str, Function] = attrs.field(factory=dict, init=False)

    def function(self, name: str) -> Function:
        """The function that is called `name`. Raises CannotLoad."""
        if name not in self._loaded:
            self._loaded[name] = self._load(name)
        return self._loaded[name]

    def refuses(self, name: str, options: Mapping[str, Any]) -> str | None:
        """Why the function `name` can't be called with a conversation and `options`. Raises CannotLoad."""
        try:
            signature = inspect.signature(self.function(name))
        except (TypeError, ValueError):
            return None  # it does not tell what it takes, as some that are written in C
        try:
            signature.bind(Conversation(), **options)
        except TypeError as error:
            return str(error)
        return None

    def _load(self, name: str) -> Function:
        if self._points is None:
            self._points = {point.name: point for point in entry_points(group=ENTRY_POINTS)}
        if name not in self._points:
            known = f"one of {', '.join(sorted(self._points))}" if self._points else "none, since none is installed"
            raise CannotLoad(
                f"expected {known}; got {name}: a package adds one in the entry-point group {ENTRY_POINTS}"
            )
        point = self._points[name]
        try:
            function = point.load()
        except (Exception, SystemExit) as error:
            raise CannotLoad(f"expected {point.value} to load; got {say_error(error)}") from error
        if not callable(function) or inspect.iscoroutinefunction(function):
            kind = "an async function" if callable(function) else f"one of type {type(function).__name__}"
            raise CannotLoad(f"expected {point.value} to be a plain function; got {kind}")
        found: Function = function
        return found


@attrs.frozen
class FunctionSays:
    """What `function` says of a conversation, or, with `turn`, of what there was from that turn to the next one.

    None or True: it passes. False, a text that says why not, and whatever it raises: it does not.
    """

    name: str
    function: Function
    options: Mapping[str, Any] = attrs.field(factory=dict)
    turn: int | None = None

    def judge(self, conversation: Conversation) -> str | None:
        """See `interface.Check`."""
        seen = conversation if self.turn is None else conversation.only(self.turn)
        try:
            said = self.function(seen, **self.options)
        except AssertionError as error:
            return say_text(error) or "an assertion failed, without a message"
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a fault of theirs must not end a simulation of ours
            return f"expected the function to say whether the conversation passes; it raised {say_error(error)}"
        if said is None or said is True:
            return None
        if said is False:
            return "expected the function to say True; got False"
        if isinstance(said, str):
            return str(said) or "the function gave an empty text for why not"
        return f"expected None, True, False or a text from the function; got a value of type {type(said).__name__}"


def say_error(error: BaseException) -> str:
    """An error by its class and what it says."""
    text = say_text(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def say_text(error: BaseException) -> str:
    """What an error says; nothing where even that raises."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - its `__str__` is not ours
        return ""
