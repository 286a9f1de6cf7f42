"""The same run, over however many workers, however long messages take, whatever their clocks say."""

from itertools import pairwise
from random import Random

import attrs
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from modelled_parts import Model
from runs_over import FEW, ThoroughClock, ensemble_of, latencies, pooled, run_over, same_metric

from coval_load.engine import metrics
from coval_load.engine.outcome import Failure, Outcome, SimulationFailed, Stage
from coval_load.engine.results import Results
from coval_load.engine.runner import Runner
from coval_load.engine.scenario import Scenario
from coval_load.engine.tally import Account
from coval_load.plans.casting import identify

SYNCHRONOUS_S = 0.05
SHORT = Model(length_s=(0.5, 3.0))


@attrs.define
class Here:
    """A simulation in this process, that takes as long as a simulated worker would make it take."""

    part: object
    account: Account
    stage = Stage.CONVERSATION

    async def run(self, due):
        await trio.sleep(self.part.length_s)
        if self.part.failure is not None:
            raise SimulationFailed(self.part.failure.kind, self.part.failure.message)

    def failure_of(self, error):
        return Failure(error.kind, self.stage, str(error))

    def row(self):
        return self.part.identity.blank_row(0)

    def finished(self, outcome: Outcome):
        pass


@attrs.frozen
class CastHere:
    """Makes those of one scenario."""

    troupe: object
    results: Results
    model: Model

    def labels(self, number):
        return self.troupe.labels(number)

    def __call__(self, number):
        return Here(self.model.part(identify("run", self.troupe, number)), self.results.account(self.labels(number)))


def run_here(ensemble, model):
    """The rows of the same plan in one process, and its results."""
    results, rows = Results(), []

    async def main(clock):
        scenarios = [
            Scenario(
                one.scenario.name,
                one.scenario.shape,
                CastHere(one, results, model),
                one.scenario.start_s,
                one.scenario.seed,
            )
            for one in ensemble.troupes
        ]
        plan = ensemble.plan
        await Runner(scenarios, plan.timeouts, plan.limits.per_agent, results, rows.append).run()

    clock = ThoroughClock()
    trio.run(clock.run, main, clock=clock, instruments=[clock])
    return {(row["scenario"], row["number"]): row for row in rows}, results


def ways():
    """How long messages take: anything up to 80 ms, each in a range of its own."""
    ends = st.floats(0.0, 0.08)
    return st.tuples(ends, ends).map(lambda pair: (min(pair), max(pair)))


clusters = st.fixed_dictionaries(
    {
        "workers": st.sampled_from((1, 2, 3, 7)),
        "seed": st.integers(0, 1000),
        "to_worker_s": ways(),
        "from_worker_s": ways(),
        "offset_s": st.sampled_from((0.0, 1.0, 1e5)),
        "drift": st.floats(0.0, 50e-6),
    }
)
even = st.builds(
    lambda rate, seconds: {"rate": f"{rate}/s", "duration": f"{seconds}s", "concurrency": 1000},
    st.sampled_from((0.7, 2, 5)),
    st.integers(1, 8),
)
poisson = even.map(lambda load: load | {"spacing": "poisson"})
ramping = st.builds(
    lambda rates: {"stages": [{"duration": "2s", "rate": f"{rate}/s"} for rate in rates], "concurrency": 1000},
    st.lists(st.sampled_from((0, 1, 4, 9)), min_size=1, max_size=3).filter(any),
)
open_loads = st.lists(
    st.tuples(st.sampled_from((0, 0.5, 2.25)), st.one_of(even, poisson, ramping)), min_size=1, max_size=3
)


def due_of(ensemble):
    """When each simulation is due by the plan alone."""
    return {
        (one.name, number): one.start_s + at_s
        for one in ensemble.plan.scenarios
        for number, at_s in enumerate(one.shape.due_times(Random(one.seed)))
    }


@FEW
@given(open_loads, clusters)
def test_open_loads_begin_the_same_simulations_when_they_are_due(loads, cluster):
    ensemble = ensemble_of(*loads, agents=("alpha", "beta"))
    ran = run_over(ensemble, model=SHORT, **cluster)
    due = due_of(ensemble)
    assert ran.keys() == sorted(due)
    found = {(row["scenario"], row["number"]): row["scheduled_at"] for row in ran.rows}
    assert found == pytest.approx(due, abs=1e-6)
    late_by = ran.late_by()
    assert sorted(late_by) == sorted(due)
    assert max(map(abs, late_by.values()), default=0.0) <= SYNCHRONOUS_S
    assert all(len(begun) == 1 for begun in ran.truth.begun.values())
    assert ran.counts["completed"] == ran.counts["offered"] == len(due)


@FEW
@given(
    clusters,
    st.lists(st.tuples(st.integers(1, 12), st.integers(1, 30)), min_size=1, max_size=2),
    st.sampled_from((1, 3, 8, 100)),
)
def test_closed_loads_run_each_number_once_and_keep_to_the_limit_and_reach_it(cluster, loads, limit):
    ensemble = ensemble_of(
        *({"concurrency": concurrency, "simulations": simulations} for concurrency, simulations in loads),
        per_agent=limit,
    )
    ran = run_over(ensemble, model=SHORT, **cluster)
    wanted = [(f"s{at}", number) for at, (_, simulations) in enumerate(loads) for number in range(simulations)]
    assert ran.keys() == sorted(ran.truth.begun) == sorted(wanted)
    assert all(len(begun) == 1 for begun in ran.truth.begun.values())
    assert all(row["scheduled_at"] <= row["started_at"] + SYNCHRONOUS_S for row in ran.rows)
    assert all(row["metrics"]["queue_time"] > -SYNCHRONOUS_S for row in ran.rows)
    at_once = min(limit, sum(min(pair) for pair in loads))
    assert ran.truth.most_of_agent("alpha") == at_once
    assert ran.finished.exit_code == 0


@FEW
@given(
    st.sampled_from(("queue", "drop")),
    st.integers(1, 6),
    st.integers(1, 6),
    st.sampled_from((1, 2, 3, 7)),
    st.integers(0, 1000),
)
def test_what_is_dropped_or_queued_is_the_same_as_in_one_process(when_full, cap, limit, workers, seed):
    # What nobody waits for ends a quarter of a second from when anything is due, which is more than news of it takes.
    model = Halves(seed)
    load = {"rate": "2/s", "duration": "12s", "concurrency": cap, "when_full": when_full}
    ensemble = ensemble_of(load, per_agent=limit)
    here, results = run_here(ensemble, model)
    ran = run_over(ensemble, model=model, workers=workers, seed=seed)
    there = {(row["scenario"], row["number"]): row for row in ran.rows}
    assert sorted(there) == sorted(here)
    for key, row in here.items():
        assert there[key]["scheduled_at"] == pytest.approx(row["scheduled_at"], abs=1e-6)
    assert 0 < ran.truth.most_of_agent("alpha") <= min(cap, limit)
    if when_full == "drop":
        same = ("offered", "started", "dropped", "never_started", "completed", "failed", "cancelled")
        assert {name: ran.counts[name] for name in same} == {name: results.counted(name) for name in same}
        for key, row in here.items():
            assert there[key]["started_at"] == pytest.approx(row["started_at"], abs=SYNCHRONOUS_S)
        return
    # Who waits begins when another one ends, which may be when the load does.
    assert abs(ran.counts["started"] - results.counted("started")) <= min(cap, limit)
    began = sorted((row["number"], row["started_at"]) for row in ran.rows if row["started_at"] is not None)
    assert all(row["metrics"]["queue_time"] >= -SYNCHRONOUS_S for row in ran.rows)
    assert all(one <= other + SYNCHRONOUS_S for (_, one), (_, other) in pairwise(began))


@attrs.frozen
class Halves:
    """Conversations of some halves of a second and a quarter."""

    seed: int

    def part(self, identity):
        part = Model(self.seed, (1.0, 1.0)).part(identity)
        return attrs.evolve(part, length_s=0.25 + Random(f"{self.seed}/{identity.number}").randrange(1, 12) / 2)


@pytest.mark.parametrize("workers", [2, 3, 7])
def test_nobody_starves_where_all_are_alike(workers):
    ensemble = ensemble_of({"concurrency": 4 * workers + 1, "simulations": 20 * workers}, per_agent=3 * workers)
    ran = run_over(ensemble, workers=workers, model=Model(length_s=(4.0, 4.0)), to_worker_s=(0, 0.08))
    dealt = [row["simulations"] for row in ran.workers.values()]
    assert sum(dealt) == 20 * workers
    assert max(dealt) - min(dealt) <= 3  # a round: who is told sooner begins its last one sooner
    busiest = {}
    for name in ran.workers:
        mine = [(begun[0].at, begun[0].at + 4.0) for begun in ran.truth.begun.values() if begun[0].worker == name]
        busiest[name] = max(sum(began <= at < ended for began, ended in mine) for at, _ in mine)
    assert set(busiest.values()) == {3}


@FEW
@given(clusters, st.booleans())
def test_results_are_those_of_all_samples_pooled(cluster, has_failures):
    asked = {
        "response_latency{agent=alpha}": "p95 < 2s",
        "response_latency{scenario=s1}": ["p50 < 10ms", "count > 1"],
        "response_latency{agent=beta,scenario=s0}": "p99 < 1h",
        "failed{agent=beta}": "rate < 5%",
        "completed": "count > 0",
    }
    ensemble = ensemble_of(
        {"rate": "5/s", "duration": "4s", "concurrency": 100},
        (1.5, {"concurrency": 3, "simulations": 9}),
        agents=("alpha", "beta"),
        thresholds=asked,
    )
    model = Model(length_s=(1.0, 5.0), failing=0.2 if has_failures else 0.0)
    ran = run_over(ensemble, model=model, **cluster)
    here, results = run_here(ensemble, model)
    assert {key: row["outcome"] for key, row in here.items()} == {
        (row["scenario"], row["number"]): row["outcome"] for row in ran.rows
    }
    for metric, values in ran.truth.recorded.items():
        if metric != metrics.START_LATENESS or values:
            assert same_metric(ran.summary["metrics"][metric], pooled(values)), metric
    for kind, name in (("agents", "alpha"), ("agents", "beta"), ("scenarios", "s0"), ("scenarios", "s1")):
        entry = ran.summary[kind][name]
        mine = latencies(ran, lambda row, kind=kind, name=name: row[kind.removesuffix("s")] == name)
        assert same_metric(entry["response_latency"], pooled(mine)), name
        assert entry["counts"] == {key: results_of(results, kind, name).counts[key] for key in entry["counts"]}
    check_thresholds(ran, results)


def results_of(results, kind, name):
    return (results.agents if kind == "agents" else results.scenarios)[name]


def check_thresholds(ran, results):
    judged = {(row["metric"], row["threshold"]): row for row in ran.summary["thresholds"]}
    by_labels = {
        "response_latency{agent=alpha}": lambda row: row["agent"] == "alpha",
        "response_latency{scenario=s1}": lambda row: row["scenario"] == "s1",
        "response_latency{agent=beta,scenario=s0}": lambda row: (row["agent"], row["scenario"]) == ("beta", "s0"),
    }
    assert len(judged) == 6
    for (metric, text), row in judged.items():
        if metric in by_labels:
            expected = pooled(latencies(ran, by_labels[metric]))[text.split()[0]]
            assert row["value"] == expected, (metric, text)
    beta = results.agents["beta"].counts
    assert judged["failed{agent=beta}", "rate < 5%"]["value"] == pytest.approx(
        beta["failed"] / (beta["failed"] + beta["completed"])
    )
    assert judged["completed", "count > 0"]["value"] == results.counted("completed")
