"""What one simulation is told apart by, and which simulations a threshold is about."""

from collections.abc import Mapping

import attrs


@attrs.frozen
class Labels:
    """The names that a simulation's measurements carry."""

    scenario: str = ""
    agent: str = ""
    test_case: str = ""
    persona: str = ""


NAMES = tuple(field.name for field in attrs.fields(Labels))
"""What can stand on the left of `=` in a selector, beside `kind`."""


@attrs.frozen
class Selector:
    """Simulations by label: `Selector.of({"agent": "support"})`. The empty one selects all."""

    wanted: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, wanted: Mapping[str, str]) -> "Selector":
        """`wanted` has values of labels by their names (`NAMES`)."""
        return cls(tuple(sorted(wanted.items())))

    def selects(self, labels: Labels) -> bool:
        """Whether a simulation with `labels` is one of them."""
        return all(getattr(labels, name) == value for name, value in self.wanted)

    def __str__(self) -> str:
        """`agent=support,scenario=morning`; empty for all."""
        return ",".join(f"{name}={value}" for name, value in self.wanted)
