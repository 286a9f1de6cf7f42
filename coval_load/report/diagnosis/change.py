"""Where a share changed: the stretch of a series that a share of its own fits best, unless chance explains it."""

import math

import attrs
import numpy as np
from numpy.typing import NDArray

SURE = math.log(1000)
"""A stretch as good as the best one would be found once in a thousand series without a change."""

_Numbers = NDArray[np.float64]


@attrs.frozen
class Stretch:
    """Places `begin` to `end` (excluded) of a series, in which more failed than in the rest of it.

    `gain` is the logarithm of how much likelier the series is with two shares than with one.
    """

    begin: int
    end: int
    tried: int
    failed: int
    tried_elsewhere: int
    failed_elsewhere: int
    gain: float

    @property
    def share(self) -> float:
        """Of those in the stretch that failed."""
        return self.failed / self.tried if self.tried else 0.0

    @property
    def share_elsewhere(self) -> float:
        """The same of the rest."""
        return self.failed_elsewhere / self.tried_elsewhere if self.tried_elsewhere else 0.0


def stretches(tried: _Numbers, failed: _Numbers) -> list[Stretch]:
    """At most two stretches in which more failed, in order.

    The second is looked for in what the first leaves. `failed` is of `tried`, place by place.
    """
    first = stretch(tried, failed)
    if first is None:
        return []
    if first.begin == 0 or first.end == len(tried):
        return [first]
    left = np.concatenate([np.arange(first.begin), np.arange(first.end, len(tried))])
    second = stretch(tried[left], failed[left])
    if second is None or second.begin < first.begin < second.end:
        return [first]
    gap = first.end - first.begin if second.begin >= first.begin else 0
    moved = attrs.evolve(second, begin=second.begin + gap, end=second.end + gap)
    # What stands elsewhere is what neither has.
    first = attrs.evolve(first, tried_elsewhere=second.tried_elsewhere, failed_elsewhere=second.failed_elsewhere)
    return sorted([first, moved], key=lambda found: found.begin)


def stretch(tried: _Numbers, failed: _Numbers, *, only_until_the_end: bool = False) -> Stretch | None:
    """The stretch whose share is higher and that fits best (likelihood ratio of binomials); None if chance would do.

    One that begins or ends with the series is preferred to one within it, which has one border more.
    """
    places = np.flatnonzero(tried > 0)
    if len(places) < 2 or failed.sum() <= 0:
        return None
    tried_to, failed_to = (np.concatenate([[0.0], np.cumsum(series[places])]) for series in (tried, failed))
    gains = _gains(tried_to, failed_to)
    count = len(places)
    row, column = np.indices(gains.shape)
    one_border = column == count if only_until_the_end else (row == 0) | (column == count)
    best = _best(np.where(one_border, gains, -math.inf), SURE + math.log(2 * count))
    if not only_until_the_end:
        within = _best(np.where(one_border, -math.inf, gains), SURE + math.log(count * count / 2))
        if within is not None and (best is None or gains[within] > gains[best] + math.log(count) + 2):
            best = within
    if best is None:
        return None
    begin, end = best
    inside = tried_to[end] - tried_to[begin], failed_to[end] - failed_to[begin]
    return Stretch(
        begin=0 if begin == 0 else int(places[begin]),
        end=len(tried) if end == count else int(places[end - 1]) + 1,
        tried=round(inside[0]),
        failed=round(inside[1]),
        tried_elsewhere=round(tried_to[-1] - inside[0]),
        failed_elsewhere=round(failed_to[-1] - inside[1]),
        gain=float(gains[best]),
    )


def _best(gains: _Numbers, needed: float) -> tuple[int, int] | None:
    begin, end = np.unravel_index(int(np.argmax(gains)), gains.shape)
    return (int(begin), int(end)) if gains[begin, end] > needed else None


def _gains(tried_to: _Numbers, failed_to: _Numbers) -> _Numbers:
    """Of each pair of borders, what two shares explain better than one; -inf where the stretch has the lower share."""
    tried, failed = (series[None, :] - series[:, None] for series in (tried_to, failed_to))
    total, all_failed = tried_to[-1], failed_to[-1]
    apart = (tried > 0) & (tried < total)
    higher = apart & (failed * (total - tried) > (all_failed - failed) * tried)
    fit = _likelihood(tried, failed) + _likelihood(total - tried, all_failed - failed)
    alone = _likelihood(np.array([total]), np.array([all_failed]))[0]
    gains: _Numbers = np.where(higher, fit - alone, -math.inf)
    return gains


def _likelihood(tried: _Numbers, failed: _Numbers) -> _Numbers:
    """The highest logarithm of the likelihood of so many failures, whatever the share."""
    with np.errstate(divide="ignore", invalid="ignore"):
        went_well = tried - failed
        lost = np.where(failed > 0, failed * np.log(failed / tried), 0.0)
        kept = np.where(went_well > 0, went_well * np.log(went_well / tried), 0.0)
    total: _Numbers = lost + kept
    return total
