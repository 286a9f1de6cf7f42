"""The same number of simulations at once for hours or days, with a gentle start and end."""

from collections.abc import Iterator

import attrs

from coval_load.engine.shapes.interface import Step
from coval_load.engine.shapes.straight_lines import steps_along

ROUNDING = 1e-9
"""By how much of the duration the ramps may be too long: 0.1 s and 0.2 s are more than 0.3 s in binary."""


@attrs.frozen
class Soak:
    """Up to `concurrency` at once within `ramp_up_s`, there until the last `ramp_down_s`, at 0 after `duration_s`.

    The way up is a straight line from one simulation, which starts at once: a soak that calls nobody for its first
    minutes looks hung. The way down is one to none. Both times in seconds, parts of `duration_s`; 0 leaves them out.
    Ends earlier once `simulations` were started. Raises ValueError where both don't fit into `duration_s`.
    """

    concurrency: int
    duration_s: float
    ramp_up_s: float = 0.0
    ramp_down_s: float = 0.0
    simulations: int | None = None

    def __attrs_post_init__(self) -> None:
        if self.ramp_up_s + self.ramp_down_s > self.duration_s * (1 + ROUNDING):
            raise ValueError(
                f"expected the ways up and down to fit into the {self.duration_s:g} s of the soak; got "
                f"{self.ramp_up_s:g} s + {self.ramp_down_s:g} s: shorten them, or soak longer"
            )

    @property
    def most_at_once(self) -> int:
        """`concurrency`."""
        return self.concurrency

    def steps(self) -> Iterator[Step]:
        """One place at 0, or all without a way up; then a step for each that opens or goes away, ascending."""
        return steps_along(self._corners())

    def _corners(self) -> list[Step]:
        up_s = min(self.ramp_up_s, self.duration_s)
        corners = [Step(0.0, 1), Step(up_s, self.concurrency)] if up_s > 0 else [Step(0.0, self.concurrency)]
        if self.ramp_down_s > 0:
            corners.append(Step(self.duration_s - self.ramp_down_s, self.concurrency))
            corners.append(Step(self.duration_s, 0))
        return corners
