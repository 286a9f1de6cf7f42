"""What happened when, in bounded memory: bins that double in width as the run grows."""

from collections.abc import Sequence
from random import Random

import attrs

from coval_load.report.diagnosis.reservoir import Reservoir

MOST_BINS = 512
FIRST_WIDTH_S = 0.125
LATENCIES_A_BIN = 64

_NO_SPAN = (float("inf"), float("-inf"))


@attrs.define
class TimeBins:
    """Counts by name and a sample of latencies, each at a second of the run."""

    chance: Random
    width_s: float = FIRST_WIDTH_S
    counts: dict[str, list[int]] = attrs.field(factory=dict)
    """By name; a list ends with the last bin that has anything in it."""
    spans: dict[str, list[tuple[float, float]]] = attrs.field(factory=dict)
    """By name and bin the first and the last second that was given with it; (inf, -inf) where there is none."""
    latencies: list[Reservoir] = attrs.field(factory=list)

    @property
    def bins(self) -> int:
        """How many bins there are."""
        return max([len(self.latencies), *map(len, self.counts.values())])

    def count(self, name: str, at_s: float) -> None:
        """One more of `name` at `at_s`."""
        place = int(at_s / self.width_s)
        if place >= MOST_BINS:
            self._widen(at_s)
            place = int(at_s / self.width_s)
        counted = self.counts.get(name)
        if counted is None:
            counted = self.counts[name] = []
        if place >= len(counted):
            counted.extend([0] * (place + 1 - len(counted)))
        counted[place] += 1

    def span(self, name: str, at_s: float, told_s: float) -> None:
        """Widen the span of the bin of `at_s` to `told_s`; to be called after `count`."""
        place, spans = int(at_s / self.width_s), self.spans.setdefault(name, [])
        while place >= len(spans):
            spans.append(_NO_SPAN)
        first, last = spans[place]
        spans[place] = (min(first, told_s), max(last, told_s))

    def sample(self, at_s: float, latency_s: float) -> None:
        """A latency that was measured at `at_s`."""
        place = int(at_s / self.width_s)
        if place >= MOST_BINS:
            self._widen(at_s)
            place = int(at_s / self.width_s)
        while place >= len(self.latencies):
            self.latencies.append(Reservoir(LATENCIES_A_BIN, self.chance))
        self.latencies[place].add(latency_s)

    def _widen(self, at_s: float) -> None:
        while at_s / self.width_s >= MOST_BINS:
            self.width_s *= 2
            for name, counted in self.counts.items():
                self.counts[name] = [sum(counted[at : at + 2]) for at in range(0, len(counted), 2)]
            for name, spans in self.spans.items():
                self.spans[name] = [_both(spans[at : at + 2]) for at in range(0, len(spans), 2)]
            for first, second in zip(self.latencies[::2], self.latencies[1::2], strict=False):
                first.merge(second)
            self.latencies = self.latencies[::2]


def _both(spans: Sequence[tuple[float, float]]) -> tuple[float, float]:
    return min(first for first, _ in spans), max(last for _, last in spans)
