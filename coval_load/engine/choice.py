"""Which test case a simulation takes: in order, shuffled pass by pass, or drawn by weight.

Pure and repeatable: the same seed gives the same cases for the same shares, on every platform and Python, in
whatever order they are asked for.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from hashlib import blake2b
from itertools import accumulate, chain, repeat
from random import Random
from typing import Literal, Protocol

import attrs

ChoiceKind = Literal["in_order", "shuffled", "weighted"]

MOST_SHUFFLED = 1_000_000
"""Entries in a pass that is shuffled: more would take too much memory."""

_PASSES_KEPT = 4


class Choice(Protocol):
    """Deals the test cases to the simulations of one agent."""

    @property
    def pass_length(self) -> int:
        """Simulations until every case was taken as often as it says; for draws, the number of cases."""
        ...

    def case(self, share: int) -> int:
        """The index of the test case for the agent's simulation number `share`, from 0."""
        ...


def choose(kind: ChoiceKind, iterations: Sequence[int], weights: Sequence[float], seed: int | str) -> Choice:
    """The choice of that kind among cases with these `iterations` and `weights`, one of each for every case.

    Raises ValueError where there is no case, and for more than `MOST_SHUFFLED` entries to shuffle.
    """
    if kind == "weighted":
        return Weighted(tuple(weights), seed)
    return Shuffled(tuple(iterations), seed) if kind == "shuffled" else InOrder(tuple(iterations))


@attrs.frozen
class InOrder:
    """The cases one after the other, each `iterations` times, starting over at the end."""

    iterations: tuple[int, ...] = attrs.field(validator=attrs.validators.min_len(1))
    _ends: tuple[int, ...] = attrs.field(init=False, repr=False)

    @_ends.default
    def _add_up(self) -> tuple[int, ...]:
        return tuple(accumulate(self.iterations))

    @property
    def pass_length(self) -> int:
        return self._ends[-1]

    def case(self, share: int) -> int:
        return bisect_right(self._ends, share % self.pass_length)


@attrs.frozen
class Shuffled:
    """Each pass has each case exactly `iterations` times, in an order of its own.

    The few passes asked for last are kept, so that a pass is shuffled once and not again for each of its shares.
    """

    iterations: tuple[int, ...] = attrs.field(validator=attrs.validators.min_len(1))
    seed: int | str
    _entries: list[int] = attrs.field(init=False, repr=False)
    _passes: "dict[int, _Pass]" = attrs.field(factory=dict, init=False, repr=False)

    @_entries.default
    def _list_entries(self) -> list[int]:
        if sum(self.iterations) > MOST_SHUFFLED:
            raise ValueError(f"expected at most {MOST_SHUFFLED} entries to shuffle; got {sum(self.iterations)}")
        return list(chain.from_iterable(map(repeat, range(len(self.iterations)), self.iterations)))

    @property
    def pass_length(self) -> int:
        return len(self._entries)

    def case(self, share: int) -> int:
        number, at = divmod(share, self.pass_length)
        if number not in self._passes:
            self._passes[number] = _Pass(list(self._entries), Random(f"{self.seed}/{number}").random)
            if len(self._passes) > _PASSES_KEPT:
                del self._passes[next(iter(self._passes))]
        return self._passes[number].entry(at)


@attrs.define
class _Pass:
    """A pass that is shuffled as far as it was asked for: all at once it would make the frames of others late."""

    order: list[int]
    # Of all methods of a `Random` only this one is promised to stay the same in later Pythons.
    draw: Callable[[], float]
    settled: int = 0

    def entry(self, at: int) -> int:
        order, length = self.order, len(self.order)
        for here in range(self.settled, at + 1):
            there = here + int(self.draw() * (length - here))
            order[here], order[there] = order[there], order[here]
        self.settled = max(self.settled, at + 1)
        return order[at]


@attrs.frozen
class Weighted:
    """Each simulation draws its case for itself, as often as the weights say."""

    weights: tuple[float, ...] = attrs.field(validator=attrs.validators.min_len(1))
    seed: int | str
    _ends: tuple[float, ...] = attrs.field(init=False, repr=False)
    _start: int = attrs.field(init=False, repr=False)

    @_ends.default
    def _add_up(self) -> tuple[float, ...]:
        return tuple(accumulate(self.weights))

    @_start.default
    def _hash_seed(self) -> int:
        return int.from_bytes(blake2b(str(self.seed).encode(), digest_size=8).digest(), "big")

    @property
    def pass_length(self) -> int:
        return len(self.weights)

    def case(self, share: int) -> int:
        drawn = bisect_right(self._ends, _unit(self._start, share) * self._ends[-1])
        return min(drawn, len(self._ends) - 1)


_64_BITS = 2**64 - 1


def _unit(start: int, share: int) -> float:
    """A number from 0 to below 1: SplitMix64, whose n-th number needs none before it.

    A seventh of what seeding a `Random` for each share costs.
    """
    mixed = (start + (share + 1) * 0x9E3779B97F4A7C15) & _64_BITS
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _64_BITS
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _64_BITS
    return ((mixed ^ (mixed >> 31)) >> 11) * 2.0**-53
