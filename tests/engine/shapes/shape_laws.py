"""What every load shape keeps to."""

import tracemalloc
from collections import deque
from itertools import islice, pairwise
from random import Random

from scipy.stats import kstest

from coval_load.engine.shapes.interface import ClosedShape, OpenShape

WEEK_S = 7 * 24 * 3600.0


def steps_of(closed):
    """All steps of `closed`, which keep to the contract of closed shapes."""
    assert isinstance(closed, ClosedShape)
    assert not isinstance(closed, OpenShape)
    steps = list(closed.steps())
    assert steps[0].at_s == 0
    assert all(earlier.at_s <= later.at_s for earlier, later in pairwise(steps))
    assert all(step.concurrency >= 0 for step in steps)
    assert max(step.concurrency for step in steps) == closed.most_at_once
    if closed.duration_s is not None:
        # At the end itself, when nothing is started any more, only the last stage's own end is reached.
        assert steps[-1].at_s <= closed.duration_s
    return steps


def times_of(opened, seed=7):
    """All due times of `opened`, which keep to the contract of open shapes."""
    assert isinstance(opened, OpenShape)
    assert not isinstance(opened, ClosedShape)
    times = list(opened.due_times(Random(seed)))
    assert all(earlier <= later for earlier, later in pairwise(times))
    assert all(0 <= at_s < opened.duration_s for at_s in times)
    return times


def concurrency_at(steps, at_s):
    """How many at once `at_s` seconds after the start, by the last step that was not later."""
    return [step.concurrency for step in steps if step.at_s <= at_s][-1]


def is_exponential(gaps):
    """Whether a Kolmogorov-Smirnov test finds nothing against gaps with the exponential distribution of mean 1."""
    return kstest(gaps, "expon").pvalue > 0.01


def takes_no_memory(many):
    """Whether the first ten of `many`, and then 30,000 more, are had without keeping any."""
    tracemalloc.start()
    try:
        assert len(list(islice(many, 10))) == 10
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        deque(islice(many, 30_000), maxlen=0)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return peak - before < 20_000
