"""So many simulations, at most so many at once."""

from collections.abc import Iterator

import attrs

from coval_load.engine.shapes.interface import Step


@attrs.frozen
class Simulations:
    """`concurrency` at once until `simulations` were started."""

    concurrency: int = 1
    simulations: int = 1

    @property
    def duration_s(self) -> None:
        """None: it ends by its number."""
        return

    @property
    def most_at_once(self) -> int:
        """`concurrency`, or all of them where they are fewer."""
        return min(self.concurrency, self.simulations)

    def steps(self) -> Iterator[Step]:
        """All places at once."""
        yield Step(0.0, self.most_at_once)
