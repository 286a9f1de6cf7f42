"""More and fewer simulations at once, stage by stage."""

from collections.abc import Iterator

import attrs

from coval_load.engine.shapes.interface import Step
from coval_load.engine.shapes.straight_lines import steps_along


@attrs.frozen
class Stage:
    """`duration_s` seconds that lead to `concurrency` at once. 0 s is a jump; an unchanged concurrency is a hold."""

    duration_s: float
    concurrency: int


@attrs.frozen
class Ramp:
    """From `start` at once through `stages`, each a straight line from the one before, or until `simulations`.

    While a stage goes up, the concurrency is the line rounded down, while it goes down the line rounded up: a stage's
    concurrency is never exceeded on the way to it, and reached exactly at the stage's end. For the last stage that is
    at `duration_s`, when nothing is started any more: whoever wants to stay there adds a hold.
    """

    stages: tuple[Stage, ...]
    start: int = 0
    simulations: int | None = None

    @property
    def duration_s(self) -> float:
        """All stages together, in seconds."""
        return self._corners()[-1].at_s

    @property
    def most_at_once(self) -> int:
        """The highest of `start` and the stages."""
        return max(corner.concurrency for corner in self._corners())

    def steps(self) -> Iterator[Step]:
        """`start` at 0, then one step for each place that opens or goes away, ascending; jumps are one step."""
        return steps_along(self._corners())

    def _corners(self) -> list[Step]:
        corners = [Step(0.0, self.start)]
        for stage in self.stages:
            corners.append(Step(corners[-1].at_s + stage.duration_s, stage.concurrency))
        return corners
