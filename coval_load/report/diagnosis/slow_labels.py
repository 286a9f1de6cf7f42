"""Whose conversations are slower than the rest: one agent, one test case, one persona."""

from collections.abc import Iterator, Mapping

import numpy as np

from coval_load.engine.labels import NAMES
from coval_load.report.diagnosis.census import OTHERS, Census, Tally
from coval_load.report.diagnosis.finding import Finding
from coval_load.report.diagnosis.words import label_words
from coval_load.report.units import duration

SURE_P = 0.001
"""Of Mann and Whitney's test, after it was multiplied by how many values were tried (Bonferroni)."""
TIMES, APART_S = 1.5, 0.05
"""Of the median of the rest: less is what test cases differ by anyway."""
CONVERSATIONS_AT_LEAST = 20
MOST = 3
REST_AT_MOST = 1_000


def slow_labels(census: Census) -> Iterator[Finding]:
    """A warning for each value of a label whose conversations are slower, the slowest first; three at most.

    A label all of whose slow values belong to a slow value of another one is not told.
    """
    tried = sum(len(tallies) for tallies in census.values if len(tallies) > 1)
    found = []
    for label, tallies in zip(NAMES, census.values, strict=True):
        if len(tallies) > 1:
            found += [(label, *one) for one in _slow(tallies, tried)]
    told: set[tuple[int, float]] = set()
    for label, value, conversations, came_s, was_s in sorted(found, key=lambda one: one[4] / one[3]):
        # The same conversations under another label, as where each agent has a scenario of its own.
        if (conversations, was_s) not in told and len(told) < MOST:
            told.add((conversations, was_s))
            yield Finding(
                "agent",
                "warning",
                f"{label_words(label, [value])} is slower: {duration(came_s)}, the rest {duration(was_s)}",
                (f"medians of response latency, of {conversations:,} conversations against the others",),
                labels={} if value == OTHERS else {label: value},
            )


def _slow(tallies: Mapping[str, Tally], tried: int) -> Iterator[tuple[str, int, float, float]]:
    kept = {
        value: (tally.latency.count, np.asarray(tally.latency.values))
        for value, tally in tallies.items()
        if tally.latency is not None and tally.latency.count
    }
    total = sum(count for count, _ in kept.values())
    # As many of each as it is a share of all, though samples of each are as large.
    shares = {value: values[: -(-REST_AT_MOST * count // total)] for value, (count, values) in kept.items()}
    medians = {value: float(np.median(values)) for value, (_, values) in kept.items()}
    for value, (count, values) in kept.items():
        if len(values) < CONVERSATIONS_AT_LEAST or medians[value] < min(medians.values()) + APART_S:
            continue
        rest = np.concatenate([np.array([]), *(one for other, one in shares.items() if other != value)])
        if len(rest) < CONVERSATIONS_AT_LEAST:
            continue
        was_s = float(np.median(rest))
        if medians[value] >= max(TIMES * was_s, was_s + APART_S) and _chance(values, rest) * tried < SURE_P:
            yield value, count, medians[value], was_s


def _chance(values: object, rest: object) -> float:
    from scipy.stats import mannwhitneyu  # 0.7 s to load, which a run where all are alike need not wait for

    return float(mannwhitneyu(values, rest, alternative="greater").pvalue)
