"""The same number of simulations at once for some time."""

from collections.abc import Iterator

import attrs

from coval_load.engine.shapes.interface import Step


@attrs.frozen
class Constant:
    """`concurrency` at once for `duration_s`, or until `simulations` were started, whichever comes first."""

    concurrency: int
    duration_s: float
    simulations: int | None = None

    @property
    def most_at_once(self) -> int:
        """`concurrency`."""
        return self.concurrency

    def steps(self) -> Iterator[Step]:
        """All places at once."""
        yield Step(0.0, self.concurrency)
