"""One script for many test cases, and what `{{test_case.NAME}}` in its texts and checks says for each of them."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import attrs

from coval_load.agents.environment import Steps
from coval_load.agents.secrets import is_secret_key, keyed_secrets
from coval_load.codecs.encoding import as_text
from coval_load.codecs.paths import NOT_THERE, Path
from coval_load.limits import show, step
from coval_load.plans.check_schema import (
    AnyCheck,
    ContainsCheck,
    EqualsCheck,
    EventCheck,
    MatchesCheck,
    ToolCalledCheck,
)
from coval_load.plans.schema import AnyTurn, AudioTurn, TestCase, TestSetFile, TextTurn

LONGEST_TEXT = 10_000
"""Characters of a turn's text, filled."""

SCRIPT_KEYS = ("turns", "tool_results", "checks")
"""What of its test cases a plan may give beside their file."""

_PLACEHOLDER = re.compile(r"\{\{([^{}]*)\}\}")
_OF_CASE = "test_case."
_MOST_NAMES = 20

_Place = tuple[str, int, str]
"""`turns` or `checks`, which of them, and the key."""


def _inside(place: _Place) -> str:
    return f"{place[0]}[{place[1]}].{place[2]}"


def _name_in(found: re.Match[str]) -> str | None:
    placeholder = found[1].strip()
    return placeholder.removeprefix(_OF_CASE) if placeholder.startswith(_OF_CASE) else None


@attrs.frozen
class Script:
    """What all cases of a test set have of `SCRIPT_KEYS`; None where each has its own.

    `path` is where it stands; `hidden` are the places in it that something out of the environment came into.
    """

    file: TestSetFile
    path: str
    hidden: tuple[Steps, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """What it gives, and no case of its own may have."""
        return tuple(key for key in SCRIPT_KEYS if getattr(self.file, key) is not None)

    def given_to(self, case: TestCase) -> TestCase:
        """`case` with this script."""
        return attrs.evolve(case, **{key: getattr(self.file, key) for key in self.keys})


@attrs.frozen
class Unfilled:
    """A text that a test case has no value for, or none that fits; `inside` is its path in the case."""

    inside: str
    expected: str
    got: str


@attrs.frozen
class Filled:
    """A test case with the texts of its turns and its checks filled.

    `hidden` are the places of texts that hold a secret now, `unfilled` what could not be filled.
    """

    case: TestCase
    hidden: tuple[Steps, ...] = ()
    unfilled: tuple[Unfilled, ...] = ()


def fill_texts(case: TestCase, hidden: Collection[Steps]) -> Filled:
    """`case` with its attributes in place of `{{test_case.NAME}}` in the texts of its turns and in its checks.

    `hidden` are the places in the case that something out of the environment came into. What was put in is not
    looked at again; other names in braces are text. Never raises.
    """
    turns, checks = list(_with_text(case)), list(_with_expected(case))
    if not turns and not checks:
        return Filled(case)
    said: list[AnyTurn] = list(case.turns)
    expected: list[AnyCheck] = list(case.checks)
    filling = _Filling({"id": case.id, **case.attributes}, hidden)
    for at, turn in turns:
        said[at] = attrs.evolve(turn, text=filling.fill(turn.text or "", ("turns", at, "text")))
    for at, check, key in checks:
        place = ("checks", at, key)
        changes: dict[str, Any] = {key: filling.fill_expected(getattr(check, key), place)}
        expected[at] = attrs.evolve(check, **changes)
    filled = attrs.evolve(case, turns=tuple(said), checks=tuple(expected))
    return Filled(filled, tuple(filling.secret), tuple(filling.unfilled))


def _with_text(case: TestCase) -> Iterator[tuple[int, TextTurn | AudioTurn]]:
    for at, turn in enumerate(case.turns):
        if isinstance(turn, TextTurn | AudioTurn) and turn.text is not None and "{{" in turn.text:
            yield at, turn


def _with_expected(case: TestCase) -> Iterator[tuple[int, AnyCheck, str]]:
    for at, check in enumerate(case.checks):
        key = next((key for kinds, key in _EXPECTED if isinstance(check, kinds)), None)
        if key is not None and "{{" in str(getattr(check, key)):
            yield at, check, key


_EXPECTED: tuple[tuple[Any, str], ...] = (
    (ContainsCheck | EqualsCheck, "text"),
    (MatchesCheck, "pattern"),
    (EventCheck, "equals"),
    (ToolCalledCheck, "arguments"),
)
"""What of a check attributes are filled into."""


@attrs.define
class _Filling:
    values: Mapping[str, Any]
    hidden: Collection[Steps]
    secret: list[Steps] = attrs.field(factory=list)
    unfilled: list[Unfilled] = attrs.field(factory=list)

    def fill(self, text: str, place: _Place, written: Callable[[str], str] = str) -> str:
        before = len(self.unfilled)

        def value_of(found: re.Match[str]) -> str:
            name = _name_in(found)
            return found[0] if name is None else written(as_text(self.take(name, place)))

        filled = _PLACEHOLDER.sub(value_of, text)
        if len(self.unfilled) > before:
            return text
        if filled != text and not 1 <= len(filled) <= LONGEST_TEXT:
            expected = f"expected 1 to {LONGEST_TEXT} characters with attributes filled in"
            self.unfilled.append(Unfilled(_inside(place), expected, f"gives {len(filled)}"))
            return text
        return filled

    def fill_expected(self, value: Any, place: _Place) -> Any:
        if place[-1] != "pattern":
            filled = self.fill_inside(value, place)
            return as_text(None) if filled is None else filled  # None expects anything
        pattern = self.fill(value, place, re.escape)
        try:
            re.compile(pattern)
        except re.error:
            expected = "expected a regular expression with attributes filled in"
            self.unfilled.append(Unfilled(_inside(place), expected, "gives none"))
        return pattern

    def fill_inside(self, value: Any, place: _Place) -> Any:
        """All texts of a JSON value; one that is nothing but a placeholder becomes what it stands for."""
        if isinstance(value, Mapping):
            return {key: self.fill_inside(inner, place) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.fill_inside(inner, place) for inner in value]
        if not isinstance(value, str):
            return value
        whole = _PLACEHOLDER.fullmatch(value) if place[-1] != "text" else None
        name = None if whole is None else _name_in(whole)
        return self.fill(value, place) if name is None else self.take(name, place)

    def take(self, name: str, place: _Place) -> Any:
        # A column may be called `a.b`, which no path leads to; the path of no name leads to everything.
        steps = (name,) if name in self.values or not name else Path.parse(name).segments
        value = Path(steps).find(self.values)
        if value is NOT_THERE:
            expected = f"expected {{{{{_OF_CASE}{show(name)[1:-1]}}}}} to name an attribute"
            self.unfilled.append(Unfilled(_inside(place), expected, f"has {self.names()}"))
            return ""
        if self.is_secret(steps, value):
            self.secret.append(place)
        return value

    def names(self) -> str:
        known = [step(name) for name in self.values]
        return ", ".join(known[:_MOST_NAMES]) + (", ..." if len(known) > _MOST_NAMES else "")

    def is_secret(self, steps: tuple[str, ...], value: Any) -> bool:
        if any(map(is_secret_key, steps)) or any(keyed_secrets(value)):
            return True
        for place in self.hidden:
            inside = place[1:] if place[0] == "attributes" else place
            if all(str(a) == b for a, b in zip(inside, steps, strict=False)):
                return True
        return False
