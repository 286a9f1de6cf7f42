"""Runs as they are compared, without the detour over files."""

from pathlib import Path

import numpy as np
from past_runs import RUN

from coval_load.engine.results import Results
from coval_load.report.comparison.measured import RunMeasured
from coval_load.report.comparison.sample import Sample
from coval_load.report.recovery import Recovered


def measured(latencies, *, failed=0, seconds=60.0, with_turns=True, checked=0, passed=0, more=None, **summary):
    """A run with so many simulations as `latencies` has rows, and the values of a row in their turns.

    `more` has values for each simulation of further metrics, by name.
    """
    results, sample = Results(), Sample()
    results.record_many("response_latency", [float(value) for value in np.ravel(latencies)])
    for name, values in (more or {}).items():
        results.record_many(name, [float(value) for value in values])
    results.count("completed", len(latencies))
    results.count("failed", failed)
    if failed:
        results.whole.errors["no_response"] = failed
    for at, values in enumerate(latencies):
        turns = [{"metrics": {"response_latency": float(value)}} for value in values] if with_turns else []
        once = {name: float(of[at]) for name, of in (more or {}).items()}
        sample.add({"agent": "support", "scenario": "default", "metrics": once, "transcript": turns})
    sample.checked, sample.passed = checked, passed
    recovered = Recovered(results.summary() | summary, dict(RUN), is_whole=True)
    return RunMeasured(Path("run"), recovered, seconds, sample)
