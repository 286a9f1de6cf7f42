"""What a simulation tells whoever watches it closely: `check --dial` prints it, a load test has no one listening."""

from typing import Protocol


class Narrator(Protocol):
    """Gets each step of one simulation as it happens."""

    def tell(self, at: float, what: str, detail: str = "") -> None:
        """`at` is a time of the Trio clock; `what` is short; `detail` may hold a message of the agent's."""
        ...
