"""From when on something failed: throughout, from a time on, until one, or in bursts."""

from collections.abc import Sequence

import attrs
import numpy as np
from numpy.typing import NDArray

from coval_load.report.diagnosis.census import BEGAN, Census, KindSeen
from coval_load.report.diagnosis.change import Stretch, stretches
from coval_load.report.diagnosis.words import between, of
from coval_load.report.units import clock

FEW = 5
"""So many failures say nothing about when they began."""


@attrs.frozen
class Onset:
    """`words` are for a title, empty where it is throughout; `from_s` and `until_s` are None at the run's own ends."""

    sentence: str
    words: str = ""
    from_s: float | None = None
    until_s: float | None = None
    gain: float = 0.0
    """That of the stretch, see `Stretch`."""


def series(census: Census, name: str) -> NDArray[np.float64]:
    """What was counted under a name in each bin of the run."""
    counted = census.bins.counts.get(name, [])
    return np.array([*counted, *([0] * (census.bins.bins - len(counted)))], dtype=np.float64)


def find_onset(census: Census, kind: str) -> Onset:
    """When conversations failed with `kind`.

    Conversations are compared by when they began, as one that fails may be over much sooner or later than one that does
    not; when it happened is told by when the failed ones were in trouble.
    """
    tried, failed = series(census, BEGAN), series(census, kind)
    seen, total = census.kinds[kind], int(failed.sum())
    if total >= census.whole.settled:
        return Onset(f"all {total:,} of them, {_span(seen)}")
    found = stretches(tried, failed)
    if not found:
        return _nowhere(seen, total)
    spans = [_trouble(census, kind, one) for one in found]
    if len(found) == 2:
        return _twice(found, spans)
    return _once(found[0], spans[0], len(tried))


def _nowhere(seen: KindSeen, total: int) -> Onset:
    if total <= FEW:
        return Onset(f"{_span(seen)}: too few to tell whether anything changed")
    return Onset(f"throughout, {_span(seen)}: in no part of the run more often than chance explains")


def _span(seen: KindSeen) -> str:
    return between(seen.first_s, seen.last_s)


def _trouble(census: Census, kind: str, found: Stretch) -> tuple[float, float]:
    """From when to when those were in trouble that began in a stretch."""
    spans = census.bins.spans[kind][found.begin : found.end]
    return min(first for first, _ in spans), max(last for _, last in spans)


def _once(found: Stretch, trouble: tuple[float, float], bins: int) -> Onset:
    from_s, until_s = trouble
    inside = of(found.failed, found.tried)
    outside = of(found.failed_elsewhere, found.tried_elsewhere)
    if found.end == bins:
        words = f"from {clock(from_s)} on"
        return Onset(
            f"{words}: {inside} that were under way or began then, before that {outside}",
            words,
            from_s,
            None,
            found.gain,
        )
    if found.begin == 0:
        words = f"until {clock(until_s)}"
        often = "most" if found.failed_elsewhere else "only"
        sentence = f"{often} {words}: {inside} that began first, of those that began later {outside}"
        return Onset(sentence, words, None, until_s, found.gain)
    words = between(from_s, until_s)
    sentence = f"in a burst {words}: {inside} that were under way or began then, outside of it {outside}"
    return Onset(sentence, words, from_s, until_s, found.gain)


def _twice(found: Sequence[Stretch], spans: Sequence[tuple[float, float]]) -> Onset:
    first, second = found
    begins, ends = spans[0][0], spans[1][1]
    bursts = " and ".join(between(*span) for span in spans)
    inside = of(first.failed + second.failed, first.tried + second.tried)
    outside = of(
        min(first.failed_elsewhere, second.failed_elsewhere), min(first.tried_elsewhere, second.tried_elsewhere)
    )
    sentence = f"in two bursts, {bursts}: {inside} that were under way or began then, outside of them {outside}"
    return Onset(sentence, f"in two bursts from {clock(begins)} on", begins, ends, first.gain)
