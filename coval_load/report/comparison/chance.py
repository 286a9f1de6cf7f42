"""Whether two numbers differ by more than chance, and by how much they may: ratios, shares, rates, ranks.

`risk` is how often a difference may be told where there is none; an interval holds with what is left of 1.
"""

import math

import attrs
import numpy as np
from numpy.typing import NDArray

from coval_load.report.comparison.bootstrap import Spread
from coval_load.report.comparison.sample import Clusters

# scipy takes 0.7 s to load, so it is loaded where it is needed.


@attrs.frozen
class Difference:
    """`change` of the second number from the first, the `interval` it lies in, and whether chance explains it.

    A ratio less 1, a difference of shares, or Cliff's delta, which has no interval.
    """

    change: float
    interval: tuple[float, float] | None
    is_noise: bool


def of_ratio(before: float, after: float, spreads: tuple[Spread, Spread], risk: float) -> Difference | None:
    """Of two positive numbers whose logarithms vary as `spreads` say, by Student's t (Welch and Satterthwaite)."""
    from scipy.stats import t

    if before <= 0 or after <= 0:
        return None
    ratio = math.log(after / before)
    variances = [spread.of_log**2 for spread in spreads]
    both = sum(variances)
    parts = [v**2 / s.freedom for v, s in zip(variances, spreads, strict=True)]
    freedom = both**2 / sum(parts) if sum(parts) > 0 else math.inf
    margin = float(t.ppf(1 - risk / 2, freedom)) * math.sqrt(both)
    interval = (math.expm1(min(ratio - margin, 700)), math.expm1(min(ratio + margin, 700)))
    return Difference(math.expm1(ratio), interval, abs(ratio) <= margin)


def of_shares(before: tuple[int, int], after: tuple[int, int], risk: float) -> Difference:
    """Of two shares, each (how many, of how many): Fisher's exact test, with Newcombe's interval of the difference.

    R. G. Newcombe, "Interval estimation for the difference between independent proportions", 1998, method 10.
    """
    from scipy.stats import binomtest, fisher_exact

    (some, all_), (later, all_later) = before, after
    first, second = some / all_, later / all_later
    tests = (binomtest(some, all_), binomtest(later, all_later))
    one, two = (test.proportion_ci(1 - risk, method="wilson") for test in tests)
    down = math.hypot(second - two.low, one.high - first)
    up = math.hypot(two.high - second, first - one.low)
    interval = (second - first - down, second - first + up)
    p = fisher_exact([[some, all_ - some], [later, all_later - later]]).pvalue
    return Difference(second - first, interval, bool(p > risk or interval[0] <= 0 <= interval[1]))


def of_rates(before: tuple[int, float], after: tuple[int, float], risk: float) -> Difference:
    """Of two rates, each (how many, in how many seconds), as if all came independently: exact, given their sum.

    What comes more evenly, as with a constant load, varies less than that, so it errs on the side of noise.
    """
    from scipy.stats import binomtest

    (some, first_s), (later, second_s) = before, after
    share = binomtest(later, some + later).proportion_ci(1 - risk, method="exact")
    low, high = ((p / (1 - p) if p < 1 else math.inf) * first_s / second_s - 1 for p in (share.low, share.high))
    change = (later / second_s) / (some / first_s) - 1 if some else math.inf
    return Difference(change, (low, high), low <= 0 <= high)


def of_ranks(before: Clusters, after: Clusters, risk: float) -> Difference:
    """Cliff's delta of the medians of simulations, by the test of Mann and Whitney, corrected for ties.

    1 means that every simulation of `after` took longer than every one of `before`, -1 the opposite. Where
    simulations that ended one after the other are alike, they count as fewer.
    """
    from scipy.stats import mannwhitneyu, norm, rankdata

    first, second = before.medians(), after.medians()
    ranks = rankdata(np.concatenate([first, second]))
    if np.ptp(ranks) == 0:
        return Difference(0.0, None, True)
    found = mannwhitneyu(second, first, alternative="two-sided", method="asymptotic")
    delta = 2 * float(found.statistic) / (len(first) * len(second)) - 1
    alike = (_alike(before, ranks[: len(first)]) + _alike(after, ranks[len(first) :])) / 2
    p = 2 * float(norm.sf(norm.isf(float(found.pvalue) / 2) / math.sqrt(alike)))
    return Difference(delta, None, p > risk)


def _alike(clusters: Clusters, ranks: NDArray[np.float64]) -> float:
    """How much more the ranks of blocks vary than if simulations came in any order, at least 1."""
    apart = ranks - ranks.mean()
    varied = float((apart**2).sum())
    return max(1.0, float((np.bincount(clusters.blocks(), apart) ** 2).sum()) / varied) if varied else 1.0
