"""How far loads are scaled down so that trying them takes seconds, and what that makes of the agents' limits."""

import math
from collections.abc import Iterable, Mapping
from itertools import pairwise

from coval_load.engine.shapes.interface import ClosedShape, OpenShape, Shape, Step


def expected_simulations(shape: Shape, mean_s: float, most_at_once: int | None = None) -> float:
    """How many simulations of `mean_s` seconds `shape` offers, about; of a closed one, so many at once at most."""
    if isinstance(shape, OpenShape):
        return shape.due_before(shape.duration_s)
    counted = math.inf if shape.simulations is None else float(shape.simulations)
    if shape.duration_s is None:
        return counted
    steps = [*shape.steps(), Step(shape.duration_s, 0)]
    most = math.inf if most_at_once is None else most_at_once
    busy_s = sum(min(step.concurrency, most) * (following.at_s - step.at_s) for step, following in pairwise(steps))
    return min(counted, busy_s / mean_s + shape.most_at_once)


def divisor_for(shape: Shape, expected: float, budget: float) -> int:
    """By how much to divide `shape`, which offers `expected` simulations, so that about `budget` are left.

    Of the numbers up to twice as high the one that leaves the least to round: 50 at once are 10 times 5 at once, and
    not 7 times 7. A closed shape is never divided to less than one at once.
    """
    least = math.ceil(expected / budget)
    if least <= 1:
        return 1
    most = 2 * least
    if isinstance(shape, ClosedShape):
        least, most = min(least, shape.most_at_once), min(most, shape.most_at_once)
    return min(range(least, most + 1), key=lambda divisor: (_lost(shape, divisor), divisor))


def _lost(shape: Shape, divisor: int) -> float:
    """Which part of the concurrency rounding takes away."""
    return shape.most_at_once % divisor / shape.most_at_once


def divided_limits(limits: Mapping[str, int | None], users: Iterable[tuple[str, int]]) -> dict[str, int | None]:
    """The agents' limits, each divided as its scenarios are, the most where several call it; never below 1.

    `users` has an agent's name and a divisor for each scenario that calls it.
    """
    divisors: dict[str, int] = {}
    for agent, divisor in users:
        divisors[agent] = max(divisors.get(agent, 1), divisor)
    return {
        agent: None if limit is None else max(round(limit / divisors.get(agent, 1)), 1)
        for agent, limit in limits.items()
    }


def most_opened_at_once(shape: Shape) -> int:
    """The most places that a closed shape opens within a second; 0 for an open one."""
    if isinstance(shape, OpenShape):
        return 0
    opened: list[tuple[float, int]] = []
    before = most = within = first = 0
    for step in shape.steps():
        opened.append((step.at_s, max(step.concurrency - before, 0)))
        before, within = step.concurrency, within + opened[-1][1]
        while opened[first][0] <= step.at_s - 1 + 1e-9:
            within -= opened[first][1]
            first += 1
        most = max(most, within)
    return most
