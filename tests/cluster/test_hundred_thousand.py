"""Very many at once over 200 workers: nothing is rounded, forgotten or counted twice."""

import os

from modelled_parts import Model
from runs_over import ensemble_of, pooled, run_over, same_metric

WORKERS = 200
AT_ONCE, LENGTH_S = (100_000, 60.0) if os.environ.get("HYPOTHESIS_PROFILE") == "deep" else (2_000, 15.0)
"""The 100,000 take some two minutes of a core."""
SIMULATIONS = AT_ONCE * 3 // 2


def test_splitting_and_merging_are_exact():
    ensemble = ensemble_of({"concurrency": AT_ONCE, "simulations": SIMULATIONS}, per_agent=AT_ONCE)
    ran = run_over(ensemble, workers=WORKERS, model=Model(length_s=(0.9 * LENGTH_S, 1.1 * LENGTH_S)))
    assert ran.keys() == sorted(("s0", number) for number in range(SIMULATIONS))
    assert all(len(begun) == 1 for begun in ran.truth.begun.values())
    assert len(ran.truth.begun) == SIMULATIONS == ran.counts["completed"] == ran.counts["offered"]
    assert ran.truth.most_of_agent("alpha") == AT_ONCE
    at_once = at_the_start(ran)
    assert len(at_once) == WORKERS
    assert set(at_once.values()) == {AT_ONCE // WORKERS}
    for metric, values in ran.truth.recorded.items():
        if values:
            assert same_metric(ran.summary["metrics"][metric], pooled(values)), metric
    assert ran.summary["metrics"]["response_latency"]["count"] == 3 * SIMULATIONS
    assert sum(row["counts"]["completed"] for row in ran.timeline) == SIMULATIONS
    assert ran.finished.exit_code == 0


def at_the_start(ran):
    """How many of those that begin together each worker has."""
    found = {}
    for (_, number), (begun,) in ran.truth.begun.items():
        if number < AT_ONCE:
            found[begun.worker] = found.get(begun.worker, 0) + 1
    return found
