"""One script for many test cases, and what `{{test_case.NAME}}` in a turn's text says for each of them."""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import attrs

from coval_load.agents.environment import Steps
from coval_load.agents.secrets import is_secret_key, keyed_secrets
from coval_load.codecs.encoding import as_text
from coval_load.codecs.paths import NOT_THERE, Path
from coval_load.limits import show, step
from coval_load.plans.schema import AnyTurn, AudioTurn, TestCase, TestSetFile, TextTurn

LONGEST_TEXT = 10_000
"""Characters of a turn's text, filled."""

SCRIPT_KEYS = ("turns", "tool_results", "checks")
"""What of its test cases a plan may give beside their file."""

_PLACEHOLDER = re.compile(r"\{\{([^{}]*)\}\}")
_OF_CASE = "test_case."
_MOST_NAMES = 20


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
    """A test case with the texts of its turns filled.

    `hidden` are the places of texts that hold a secret now, `unfilled` what could not be filled.
    """

    case: TestCase
    hidden: tuple[Steps, ...] = ()
    unfilled: tuple[Unfilled, ...] = ()


def fill_texts(case: TestCase, hidden: Collection[Steps]) -> Filled:
    """`case` with its attributes in place of `{{test_case.NAME}}` in the texts of its turns.

    `hidden` are the places in the case that something out of the environment came into. What was put in is not
    looked at again; other names in braces are text. Never raises.
    """
    if not any(_with_text(case)):
        return Filled(case)
    values = {"id": case.id, **case.attributes}
    turns: list[AnyTurn] = list(case.turns)
    filling = _Filling(values, hidden)
    for at, turn in _with_text(case):
        turns[at] = attrs.evolve(turn, text=filling.fill(turn.text or "", at))
    return Filled(attrs.evolve(case, turns=tuple(turns)), tuple(filling.secret), tuple(filling.unfilled))


def _with_text(case: TestCase) -> Iterator[tuple[int, TextTurn | AudioTurn]]:
    for at, turn in enumerate(case.turns):
        if isinstance(turn, TextTurn | AudioTurn) and turn.text is not None and "{{" in turn.text:
            yield at, turn


@attrs.define
class _Filling:
    values: Mapping[str, Any]
    hidden: Collection[Steps]
    secret: list[Steps] = attrs.field(factory=list)
    unfilled: list[Unfilled] = attrs.field(factory=list)

    def fill(self, text: str, at: int) -> str:
        before = len(self.unfilled)

        def value_of(found: re.Match[str]) -> str:
            placeholder = found[1].strip()
            return self.take(placeholder.removeprefix(_OF_CASE), at) if placeholder.startswith(_OF_CASE) else found[0]

        filled = _PLACEHOLDER.sub(value_of, text)
        if len(self.unfilled) > before:
            return text
        if filled != text and not 1 <= len(filled) <= LONGEST_TEXT:
            expected = f"expected 1 to {LONGEST_TEXT} characters with attributes filled in"
            self.unfilled.append(Unfilled(f"turns[{at}].text", expected, f"gives {len(filled)}"))
            return text
        return filled

    def take(self, name: str, at: int) -> str:
        # A column may be called `a.b`, which no path leads to; the path of no name leads to everything.
        steps = (name,) if name in self.values or not name else Path.parse(name).segments
        value = Path(steps).find(self.values)
        if value is NOT_THERE:
            expected = f"expected {{{{{_OF_CASE}{show(name)[1:-1]}}}}} to name an attribute"
            self.unfilled.append(Unfilled(f"turns[{at}].text", expected, f"has {self.names()}"))
            return ""
        if self.is_secret(steps, value):
            self.secret.append(("turns", at, "text"))
        return as_text(value)

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
