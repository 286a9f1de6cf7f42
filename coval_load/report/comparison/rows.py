"""What two runs are compared by, and what came of each."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Literal

import attrs
import numpy as np

from coval_load.engine import metrics
from coval_load.report.comparison.bootstrap import FIGURES, PERCENTS, Spread, spreads
from coval_load.report.comparison.chance import Difference, of_ranks, of_rates, of_ratio, of_shares
from coval_load.report.comparison.measured import GROUPS, RunMeasured
from coval_load.report.comparison.sample import Clusters

RISK_OF_MAIN, RISK_OF_OTHERS = 0.02, 0.005
"""How often any of the main comparisons, and any of the others, may tell a change where there is none.

Together half of what is promised, 5 %: with few simulations a bootstrap's intervals are somewhat too narrow.
"""

SIMULATIONS_AT_LEAST = 20
BEYOND_AT_LEAST = 5
"""So many values have to lie beyond a percentile."""

LEAST_SHARE, LEAST_S, LEAST_DELTA = 0.01, 0.001, 0.05
"""A smaller change is nobody's concern, however surely it is there: arrivals are stamped up to 1 ms late."""

MOST_GROUPS = 20
DISTRIBUTION = "distribution"

Verdict = Literal["changed", "no_change", "too_few", "not_judged"]
Unit = Literal["s", "share", "1/min", "delta"]


@attrs.frozen(kw_only=True)
class Row:
    """One comparison. `baseline` and `value` are in `unit`; so is `change` of shares, otherwise it is a ratio less 1.

    `group` and `member` name the agent or scenario it is about, where it is not about all. `needs` is how many
    simulations or values it takes, of one where there were too few. `is_guess`: see `Clusters`.
    """

    name: str
    aggregate: str
    unit: Unit
    baseline: float | None
    value: float | None
    is_main: bool = False
    group: str | None = None
    member: str = ""
    change: float | None = None
    interval: tuple[float, float] | None = None
    verdict: Verdict = "not_judged"
    needs: int | None = None
    is_guess: bool = False

    def shown(self) -> dict[str, Any]:
        """In JSON."""
        told = attrs.asdict(self)
        return told | {"interval": None if self.interval is None else list(self.interval)}


Settle = Callable[[float], Row]
"""Gives the row with its verdict, for the risk it may take: that depends on how many rows there are."""


def compared(before: RunMeasured, after: RunMeasured) -> list[Row]:
    """Every comparison of two runs, the main ones first. Raises Faulty where a histogram can't be read."""
    drafts = list(_drafts(before, after))
    main, others = (
        sum(row.is_main is wanted and settle is not None for row, settle in drafts) for wanted in (True, False)
    )
    risks = {True: RISK_OF_MAIN / max(main, 1), False: RISK_OF_OTHERS / max(others, 1)}
    return [row if settle is None else settle(risks[row.is_main]) for row, settle in drafts]


def _drafts(before: RunMeasured, after: RunMeasured) -> Iterator[tuple[Row, Settle | None]]:
    names = [name for name in metrics.METRICS if before.entry(name) and after.entry(name)]
    names.sort(key=lambda name: (name != metrics.RESPONSE_LATENCY, name.startswith("scheduled_")))
    for name in names[:1]:
        yield from _of_metric(before, after, name)
        yield from _of_groups(before, after)
    yield from _of_simulations(before, after)
    for name in names[1:]:
        yield from _of_metric(before, after, name)


def _of_metric(
    before: RunMeasured, after: RunMeasured, name: str, group: str | None = None, member: str = ""
) -> Iterator[tuple[Row, Settle | None]]:
    first, second = before.entry(name, group, member), after.entry(name, group, member)
    if first is None or second is None:
        return
    is_main = name == metrics.RESPONSE_LATENCY and group is None
    judged = name not in metrics.OF_THE_GENERATOR
    pair = (before.clusters(name, group, member), after.clusters(name, group, member)) if judged else None
    is_guess = pair is not None and any(one.is_guess for one in pair)
    varying = _Spreads(pair) if pair else None
    for figure in FIGURES:
        row = Row(
            name=name,
            aggregate=figure,
            unit="s",
            baseline=first[figure],
            value=second[figure],
            is_main=is_main,
            group=group,
            member=member,
            is_guess=is_guess,
        )
        yield row, None if varying is None else partial(_settle_figure, row, varying)
    if pair is not None and group is None:
        row = Row(
            name=name,
            aggregate=DISTRIBUTION,
            unit="delta",
            baseline=None,
            value=None,
            is_main=is_main,
            is_guess=is_guess,
        )
        yield row, partial(_settle_ranks, row, pair)


def _of_groups(before: RunMeasured, after: RunMeasured) -> Iterator[tuple[Row, Settle | None]]:
    for group in GROUPS:
        first, second = before.summary.get(group) or {}, after.summary.get(group) or {}
        both = sorted({*first} & {*second})
        if max(len(first), len(second)) > 1:
            for member in both[:MOST_GROUPS]:
                yield from _of_metric(before, after, metrics.RESPONSE_LATENCY, group, member)


def _of_simulations(before: RunMeasured, after: RunMeasured) -> Iterator[tuple[Row, Settle | None]]:
    runs = (before, after)
    yield _share(metrics.FAILED, [(run.counts[metrics.FAILED], run.settled) for run in runs], is_main=True)
    if all(run.sample.checked for run in runs):
        passed = [(run.sample.passed, run.sample.checked) for run in runs]
        yield _share(metrics.CHECKS_PASSED, passed, is_main=True)
    rates = [(run.counts[metrics.COMPLETED], run.elapsed_s) for run in runs]
    a_minute = [count / seconds * 60 if seconds > 0 else None for count, seconds in rates]
    row = Row(
        name=metrics.COMPLETED,
        aggregate="per_minute",
        unit="1/min",
        baseline=a_minute[0],
        value=a_minute[1],
        is_main=True,
    )
    yield row, None if None in a_minute else partial(_settle_rates, row, rates)
    for kind in sorted({*before.summary["errors"], *after.summary["errors"]}):
        yield _share(kind, [(run.summary["errors"].get(kind, 0), run.settled) for run in runs])


def _share(name: str, shares: Sequence[tuple[int, int]], *, is_main: bool = False) -> tuple[Row, Settle | None]:
    values = [some / of if of else None for some, of in shares]
    row = Row(name=name, aggregate="rate", unit="share", baseline=values[0], value=values[1], is_main=is_main)
    return row, None if None in values else partial(_settle_shares, row, shares)


@attrs.define
class _Spreads:
    """Of both runs, worked out when the first row asks."""

    pair: tuple[Clusters, Clusters]
    _found: list[dict[str, Spread]] | None = None

    def of(self, figure: str) -> tuple[Spread, Spread]:
        if self._found is None:
            self._found = [spreads(clusters) for clusters in self.pair]
        return self._found[0][figure], self._found[1][figure]


def _settle_figure(row: Row, varying: _Spreads, risk: float) -> Row:
    share = PERCENTS.get(row.aggregate, 0.0)
    values = max(SIMULATIONS_AT_LEAST, round(BEYOND_AT_LEAST / (1 - share)))
    if min(one.count for one in varying.pair) < SIMULATIONS_AT_LEAST:
        return attrs.evolve(row, verdict="too_few", needs=SIMULATIONS_AT_LEAST)
    if min(len(one.values) for one in varying.pair) < values:
        return attrs.evolve(row, verdict="too_few", needs=values)
    if row.baseline is None or row.value is None:
        return row
    found = of_ratio(row.baseline, row.value, varying.of(row.aggregate), risk)
    if found is None:
        return attrs.evolve(row, verdict="no_change") if row.baseline == row.value else row
    apart = abs(row.value - row.baseline)
    return _settled(row, found, apart >= LEAST_S and apart >= LEAST_SHARE * row.baseline)


def _settle_ranks(row: Row, pair: tuple[Clusters, Clusters], risk: float) -> Row:
    if min(one.count for one in pair) < SIMULATIONS_AT_LEAST:
        return attrs.evolve(row, verdict="too_few", needs=SIMULATIONS_AT_LEAST)
    first, second = (float(np.median(one.medians())) for one in pair)
    found = of_ranks(*pair, risk)
    apart = abs(second - first)
    matters = abs(found.change) >= LEAST_DELTA and apart >= LEAST_S and apart >= LEAST_SHARE * first
    return _settled(row, found, matters)


def _settle_shares(row: Row, shares: Sequence[tuple[int, int]], risk: float) -> Row:
    if min(of for _, of in shares) < SIMULATIONS_AT_LEAST:
        return attrs.evolve(row, verdict="too_few", needs=SIMULATIONS_AT_LEAST)
    return _settled(row, of_shares(shares[0], shares[1], risk), matters=True)


def _settle_rates(row: Row, rates: Sequence[tuple[int, float]], risk: float) -> Row:
    if sum(count for count, _ in rates) < SIMULATIONS_AT_LEAST:
        return attrs.evolve(row, verdict="too_few", needs=SIMULATIONS_AT_LEAST)
    found = of_rates(rates[0], rates[1], risk)
    return _settled(row, found, abs(found.change) >= LEAST_SHARE)


def _settled(row: Row, found: Difference, matters: bool) -> Row:
    verdict: Verdict = "changed" if matters and not found.is_noise else "no_change"
    return attrs.evolve(row, change=found.change, interval=found.interval, verdict=verdict)
