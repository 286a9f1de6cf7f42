"""Whether failures go with how many conversations ran at once."""

import attrs
import numpy as np
from numpy.typing import NDArray

from coval_load.report.diagnosis.census import BEGAN, ENDED, Census
from coval_load.report.diagnosis.change import Stretch, stretch
from coval_load.report.diagnosis.onset import FEW, Onset, series
from coval_load.report.diagnosis.words import of

LEVEL_WITHIN = 1.15
"""The load is level where its 95th percentile is at most so much of its 5th."""
WENT_WELL_AT_LEAST = 20
AS_MANY = 0.95
WITH_LOAD = 0.8
"""Where levels of load explain nearly as much as times do, it is told as going with the load."""
ENOUGH = 20

_Numbers = NDArray[np.float64]


@attrs.frozen
class ByLoad:
    """From `level` conversations at once on `at_or_above` failed; `below` is the next lower level that there was."""

    level: int
    below: int
    found: Stretch


def levels(census: Census) -> _Numbers:
    """How many ran at once in each bin: the higher of its two ends."""
    after = np.cumsum(series(census, BEGAN)) - np.cumsum(series(census, ENDED))
    before = np.concatenate([[0.0], after[:-1]])
    highest: _Numbers = np.maximum(np.maximum(before, after), 1.0)
    return highest


def span(running: _Numbers, weights: _Numbers) -> tuple[int, int]:
    """The 5th and the 95th percentile of the levels, weighted by how many conversations began there."""
    if not weights.sum():
        return 0, 0
    order = np.argsort(running, kind="stable")
    up_to = np.cumsum(weights[order])
    low, high = (running[order][np.searchsorted(up_to, share * up_to[-1])] for share in (0.05, 0.95))
    return int(low), int(high)


def is_level(low: int, high: int) -> bool:
    """Whether that is one level of load, but for conversations that end and begin."""
    return high <= max(low * LEVEL_WITHIN, low + 2)


def by_load(running: _Numbers, tried: _Numbers, failed: _Numbers) -> ByLoad | None:
    """The level from which on more failed; None where chance explains it."""
    known, place = np.unique(running[tried > 0], return_inverse=True)
    if len(known) < 2:
        return None
    tried_at, failed_at = (
        np.bincount(place, weights=counted[tried > 0]).astype(np.float64) for counted in (tried, failed)
    )
    found = stretch(tried_at, failed_at, only_until_the_end=True)
    if found is None or found.begin == 0:
        return None
    return ByLoad(int(known[found.begin]), int(known[found.begin - 1]), found)


def load_sentence(census: Census, kind: str, onset: Onset) -> str | None:
    """What the load was when it began, and whether it goes with the load."""
    running, tried, failed = levels(census), series(census, BEGAN), series(census, kind)
    if failed.sum() <= FEW:
        return None
    low, high = span(running, tried)
    if is_level(low, high):
        return f"the load was level: about {high:,} ran at once all the time"
    found = by_load(running, tried, failed)
    if found is not None and found.found.gain >= WITH_LOAD * onset.gain:
        inside, outside = found.found, of(found.found.failed_elsewhere, found.found.tried_elsewhere)
        return (
            f"it goes with the load: of those that began when {found.level:,} or more ran at once "
            f"{of(inside.failed, inside.tried)}, with at most {found.below:,} {outside}"
        )
    if onset.from_s is not None:
        at = min(int(onset.from_s / census.bins.width_s), len(tried) - 1)
        before = (np.arange(len(tried)) < at) & (running >= AS_MANY * running[at])
        well = int((tried - failed)[before].sum())
        if well >= WENT_WELL_AT_LEAST and failed[before].sum() < 0.5 * tried[before].sum():
            return (
                f"when it began {int(running[at]):,} ran at once, and with as many {well:,} conversations "
                "had begun before and did not fail: the load does not explain it"
            )
    if failed.sum() >= ENOUGH:
        return f"not more often when more ran at once ({low:,} to {high:,})"
    return None
