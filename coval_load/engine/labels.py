"""What one simulation is told apart by, and which simulations a threshold is about."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping

import attrs

_BARE = re.compile(r'[^\s,{}="]+')


@attrs.frozen
class Labels:
    """The names that a simulation's measurements carry."""

    scenario: str = ""
    agent: str = ""
    test_case: str = ""
    persona: str = ""


NAMES = tuple(field.name for field in attrs.fields(Labels))
"""What can stand on the left of `=` in a selector, beside `kind`."""

_PAIR = re.compile(rf'(?:^|,)({"|".join(NAMES)})=("(?:[^"\\]|\\.)*"|[^\s,{{}}="]+)')


@attrs.frozen
class Selector:
    """Simulations by label: `Selector.of({"agent": "support"})`. The empty one selects all."""

    wanted: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, wanted: Mapping[str, str]) -> "Selector":
        """`wanted` has values of labels by their names (`NAMES`)."""
        return cls(tuple(sorted(wanted.items())))

    @classmethod
    def read(cls, text: str) -> "Selector":
        """What `str` of a selector wrote. Raises ValueError for any other text."""
        pairs = [(name, json.loads(value) if value[0] == '"' else value) for name, value in _PAIR.findall(text)]
        selector = cls(tuple(pairs))
        if str(selector) != text:
            raise ValueError(f"expected labels such as agent=support; got {text!r}")
        return selector

    def selects(self, labels: Labels) -> bool:
        """Whether a simulation with `labels` is one of them."""
        return all(getattr(labels, name) == value for name, value in self.wanted)

    def __str__(self) -> str:
        """`agent=support,scenario=morning`; empty for all."""
        return ",".join(written(self.wanted))


def written(labels: Iterable[tuple[str, str]]) -> Iterator[str]:
    """`agent=support` for each pair; a value that can't stand bare is quoted as in JSON."""
    for name, value in labels:
        yield f"{name}={value if _BARE.fullmatch(value) else json.dumps(value, ensure_ascii=False)}"
