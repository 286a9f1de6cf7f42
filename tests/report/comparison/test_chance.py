"""What is told apart from chance: against known results, and against runs of the same thing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from measured_runs import measured

from coval_load.report.comparison.bootstrap import FIGURES, Spread, spreads
from coval_load.report.comparison.chance import of_ranks, of_rates, of_ratio, of_shares
from coval_load.report.comparison.rows import compared
from coval_load.report.comparison.sample import Clusters

PAIRS = 24
"""Of each kind; 60 of each of nine kinds, with more metrics, told a change in 1.5 % of cases."""


def clusters(values):
    values = np.asarray(values, float)
    return Clusters(values.ravel(), np.repeat(np.arange(len(values)), values.shape[1]), len(values))


def test_newcombes_interval_is_as_published():
    # Newcombe 1998, table II, method 10: 56/70 against 48/80 has 0.0524 to 0.3339.
    found = of_shares((48, 80), (56, 70), 0.05)
    assert found.change == pytest.approx(0.2)
    assert found.interval == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert not found.is_noise


def test_shares_that_fisher_can_not_tell_apart_are_noise():
    assert of_shares((0, 20), (4, 20), 0.05).is_noise
    assert not of_shares((0, 20), (9, 20), 0.05).is_noise
    assert of_shares((5, 20), (5, 20), 0.05).interval[0] < 0 < of_shares((5, 20), (5, 20), 0.05).interval[1]


def test_rates_are_told_apart_by_their_counts():
    assert of_rates((100, 60), (110, 60), 0.05).is_noise
    assert not of_rates((10_000, 60), (11_000, 60), 0.05).is_noise
    assert of_rates((100, 60), (200, 120), 0.05).change == pytest.approx(0)
    gone = of_rates((100, 60), (0, 60), 0.05)
    assert (gone.change, gone.is_noise, gone.interval[1] < 0) == (-1.0, False, True)
    come = of_rates((0, 60), (100, 60), 0.05)
    assert come.interval[1] == float("inf")
    assert not come.is_noise


def test_ranks():
    low, high = clusters([[n, n] for n in range(30)]), clusters([[n + 100] for n in range(30)])
    assert of_ranks(low, high, 0.01).change == 1
    assert not of_ranks(low, high, 0.01).is_noise
    assert of_ranks(low, low, 0.01).change == pytest.approx(0)
    same = clusters([[1.0]] * 30)
    assert of_ranks(same, same, 0.01).is_noise


def test_ratios():
    sure = Spread(0.01, 100)
    found = of_ratio(1.0, 1.2, (sure, sure), 0.05)
    assert found.change == pytest.approx(0.2)
    assert 0.15 < found.interval[0] < 0.2 < found.interval[1] < 0.25
    assert of_ratio(1.0, 1.2, (Spread(0.1, 100), sure), 0.05).is_noise
    assert of_ratio(0.0, 1.2, (sure, sure), 0.05) is None
    never = Spread(0.0, 100)
    assert not of_ratio(1.0, 1.2, (never, never), 0.05).is_noise


@given(st.floats(0.1, 10), st.integers(1, 1000))
def test_a_spread_does_not_depend_on_the_unit(unit, seed):
    values = np.random.default_rng(seed).lognormal(0, 0.3, (30, 2))
    one, other = spreads(clusters(values), 100), spreads(clusters(values * unit), 100)
    for figure in FIGURES:
        assert one[figure].of_log == pytest.approx(other[figure].of_log, rel=1e-6)


def test_turns_that_belong_together_count_once():
    own = np.random.default_rng(1).lognormal(0, 0.3, (200, 1))
    alone, repeated = spreads(clusters(own)), spreads(clusters(np.repeat(own, 10, axis=1)))
    for figure in FIGURES:
        assert repeated[figure].of_log == pytest.approx(alone[figure].of_log, rel=0.15)


def test_blocks_vary_as_simulations_do():
    values = clusters(np.random.default_rng(1).lognormal(0, 0.3, (3000, 3)))
    sampled = [np.random.default_rng(seed).lognormal(0, 0.3, (3000, 3)).mean() for seed in range(300)]
    assert spreads(values)["mean"].of_log == pytest.approx(np.std(np.log(sampled)), rel=0.25)


def in_waves(random):
    """A tenth of the run's time long, 30 simulations, the agent is slower or faster."""
    return np.repeat(np.exp(random.normal(0, 0.3, 10)), 30)[:, None] * random.lognormal(0, 0.1, (300, 2))


def test_an_agent_that_is_slow_for_a_while_widens_what_is_noise():
    random = np.random.default_rng(1)
    waves = in_waves(random)
    mixed = random.permutation(waves)
    for figure in ("p50", "mean"):
        assert spreads(clusters(waves))[figure].of_log > 1.8 * spreads(clusters(mixed))[figure].of_log
    told = {"as it was": 0, "shuffled": 0}
    for _ in range(20):
        pair = in_waves(random), in_waves(random)
        told["as it was"] += not of_ranks(*map(clusters, pair), 0.005).is_noise
        told["shuffled"] += not of_ranks(*(clusters(random.permutation(one)) for one in pair), 0.005).is_noise
    assert told["as it was"] <= 6  # blocks are shorter than these waves
    assert told["shuffled"] >= 12


def test_what_few_decide_is_known_with_few_degrees_of_freedom():
    values = np.ones((100, 1))
    values[0] = 50.0
    assert spreads(clusters(values))["mean"].freedom < 5
    normal = np.random.default_rng(1).normal(10, 1, (100, 1))
    assert spreads(clusters(normal))["mean"].freedom > 15


def lognormal(random, count, turns):
    return 0.5 * np.exp(random.normal(0, 0.6, (count, 1)) + random.normal(0, 0.4, (count, turns)))


def heavy(random, count, turns):
    return 0.3 * np.exp(random.normal(0, 0.3, (count, 1))) * (1 + random.pareto(2.5, (count, turns)))


def now_and_then_slow(random, count, turns):
    return np.where(random.random((count, turns)) < 0.06, 5.0, 0.5) * np.exp(random.normal(0, 0.1, (count, turns)))


def a_run(random, make, count, turns, *, times=1.0):
    latencies = make(random, count, turns) * times
    more = {"queue_time": np.where(random.random(count) < 0.1, random.exponential(0.05, count), 0.0002)}
    passed, failed = random.binomial(count, 0.9), random.binomial(count, 0.05)
    return measured(latencies, failed=failed, checked=count, passed=passed, more=more)


def test_runs_of_the_same_thing_differ_in_nothing_in_95_percent_of_cases(monkeypatch):
    monkeypatch.setattr("coval_load.report.comparison.rows.spreads", lambda found: spreads(found, 150))
    told = []
    for make, count, turns in ((lognormal, 25, 6), (heavy, 60, 3), (now_and_then_slow, 100, 5)):
        for seed in range(PAIRS):
            random = np.random.default_rng(seed)
            rows = compared(a_run(random, make, count, turns), a_run(random, make, count, turns))
            assert sum(row.verdict == "no_change" for row in rows) >= 9
            told.append(any(row.verdict == "changed" for row in rows))
    assert len(told) == 3 * PAIRS
    assert sum(told) <= 0.05 * len(told)


def test_what_is_slower_is_found(monkeypatch):
    monkeypatch.setattr("coval_load.report.comparison.rows.spreads", lambda found: spreads(found, 300))
    for seed in range(2):
        random = np.random.default_rng(seed)
        rows = compared(a_run(random, lognormal, 400, 5), a_run(random, lognormal, 400, 5, times=1.5))
        found = {row.aggregate: row for row in rows if row.name == "response_latency"}
        for figure in ("p50", "mean", "distribution"):
            assert found[figure].verdict == "changed"
            assert found[figure].change > 0
        low, high = found["mean"].interval
        assert low < 0.5 < high
