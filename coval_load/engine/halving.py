"""What goes on without end, in a bounded number of points."""

from typing import Generic, Protocol, Self, TypeVar

import attrs


class Joinable(Protocol):
    """A stretch of something, which can be joined with the next."""

    def joined(self, later: Self, /) -> Self:
        """This one and the one after it as one."""


P = TypeVar("P", bound=Joinable)


@attrs.define
class Halving(Generic[P]):
    """At most `at_most` points: when they are there, neighbours are joined in pairs.

    From then on each point takes in twice as many of what is put in.
    """

    at_most: int = attrs.field(validator=attrs.validators.ge(2), kw_only=True)
    stride: int = attrs.field(default=1, init=False)
    """How many of what was put in a point holds."""
    _full: list[P] = attrs.field(factory=list, init=False)
    _filling: P | None = attrs.field(default=None, init=False)
    _filled: int = attrs.field(default=0, init=False)

    def put(self, point: P) -> None:
        """Take in the next one."""
        self._filling = point if self._filling is None else self._filling.joined(point)
        self._filled += 1
        if self._filled >= self.stride:
            self._full.append(self._filling)
            self._filling, self._filled = None, 0
            if len(self._full) >= self.at_most:
                self._halve()

    @property
    def points(self) -> list[P]:
        """All of them in order; the last one may still be filling."""
        return [*self._full, self._filling] if self._filling else list(self._full)

    def _halve(self) -> None:
        # An odd last one goes on filling: it holds half of what a point holds now.
        odd = self._full.pop() if len(self._full) % 2 else None
        self._full = [one.joined(other) for one, other in zip(self._full[::2], self._full[1::2], strict=True)]
        self._filling, self._filled = odd, self.stride if odd else 0
        self.stride *= 2
