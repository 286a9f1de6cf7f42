"""A fair sample of a long series, in bounded memory."""

import math
from array import array
from random import Random

import attrs


@attrs.define
class Reservoir:
    """`most` of all values that were added, each with the same chance (Li's algorithm L, 1994)."""

    most: int
    chance: Random
    count: int = 0
    """How many were added."""
    values: "array[float]" = attrs.field(factory=lambda: array("d"))
    _next: int = 0
    _w: float = 1.0

    def add(self, value: float) -> None:
        """Take in one value. Nearly all of a long series cost a comparison."""
        self.count += 1
        if len(self.values) < self.most:
            self.values.append(value)
            if len(self.values) == self.most:
                self._skip()
        elif self.count >= self._next:
            self.values[int(self.chance.random() * self.most)] = value
            self._skip()

    def merge(self, other: "Reservoir") -> None:
        """Take in a sample of another series; each gives as many values as it is a share of both."""
        total = self.count + other.count
        if len(self.values) + len(other.values) <= self.most:
            self.values.extend(other.values)
        elif total:
            mine = min(len(self.values), round(self.most * self.count / total))
            theirs = min(len(other.values), self.most - mine)
            self.values = array("d", self.chance.sample(list(self.values), mine))
            self.values.extend(self.chance.sample(list(other.values), theirs))
        self.count = total
        if len(self.values) >= self.most:
            self._next = 0
            self._skip()

    def _skip(self) -> None:
        if not self._next:  # of a merged series, w begins at the share that was kept of it
            self._w = min(1.0, self.most / max(self.count, 1))
        self._w *= self._root_of_chance()
        w = min(max(self._w, 1e-12), 1 - 1e-9)
        self._next = self.count + 1 + int(math.log(1.0 - self.chance.random()) / math.log1p(-w))

    def _root_of_chance(self) -> float:
        return math.exp(math.log(1.0 - self.chance.random()) / self.most)
