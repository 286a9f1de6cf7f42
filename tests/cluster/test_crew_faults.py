"""Whatever happens to workers, and whenever: the run ends, each simulation has one row, and what was heard counts."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from modelled_parts import Model
from runs_over import FEW, Fault, ensemble_of, pooled, run_over, same_metric

from coval_load.plans.ending import EXIT_WORKERS_LOST

LATEST_S = 40.0
OVER_WITHIN_S = 240.0
"""20 s of load after 15 s of waiting for workers, or what is left of it with few workers; then 30 s of grace, 30 s
without any worker, 13 s until one that is cut off has surely ended, 15 s for the last report."""
SHORT = Model(length_s=(1.0, 8.0), failing=0.1)

LOADS = (
    {"concurrency": 7, "simulations": 40},
    {"concurrency": 6, "duration": "20s"},
    {"stages": [{"duration": "10s", "concurrency": 9}, {"duration": "10s", "concurrency": 1}]},
    {"rate": "3/s", "duration": "15s", "concurrency": 8, "when_full": "queue"},
    {"rate": "3/s", "duration": "15s", "concurrency": 8, "when_full": "drop", "spacing": "poisson"},
)
LEAVING_NO_TRACE = ("crash", "stall", "cut_off", "join")


def faults_of(acts):
    workers, times = st.integers(0, 5), st.floats(0.0, LATEST_S)
    kinds = {
        "join": st.builds(Fault, times, st.just("join")),
        "break_scheduler": st.builds(Fault, times, st.just("break_scheduler")),
        "stall": st.builds(Fault, times, st.just("stall"), workers, st.tuples(st.floats(0.1, 15.0))),
    }
    of_one = {act: st.builds(Fault, times, st.just(act), workers) for act in ("crash", "hang", "thaw", "cut_off")}
    return st.lists(st.one_of(*((kinds | of_one)[act] for act in acts)), max_size=6)


def plan_of(loads, limit, policy):
    agents = ("alpha", "beta") if len(loads) > 1 else ("alpha",)
    return ensemble_of(*loads, agents=agents, per_agent=limit, workers={"when_lost": policy})


plans = st.builds(
    plan_of,
    st.lists(st.sampled_from(LOADS), min_size=1, max_size=2),
    st.sampled_from((2, 3, 5, 100)),
    st.sampled_from(("leave", "take_over")),
)
clusters = st.fixed_dictionaries(
    {
        "workers": st.integers(1, 4),
        "seed": st.integers(0, 1000),
        "missed_after_s": st.sampled_from((None, 0.3, 5.0, 30.0)),
        "told_after_s": st.sampled_from((0.0, 0.05, 3.0)),
    }
)


def check(ran):
    """All that is true of any run, whatever went wrong."""
    assert ran.took_s < OVER_WITHIN_S
    if ran.refused is not None:
        assert not ran.truth.begun
        return
    check_rows(ran)
    check_lost(ran)
    check_measured(ran)
    check_nothing_is_left(ran)


def check_rows(ran):
    counts = ran.counts
    keys = ran.keys()
    assert len(set(keys)) == len(keys) == counts["offered"] - counts["dropped"]
    outcomes = Counter(row["outcome"] for row in ran.rows)
    assert outcomes == +Counter({name: counts[name] for name in ("completed", "failed", "cancelled")})
    never = [row for row in ran.rows if row["started_at"] is None and not row["worker"]]
    assert len(never) >= counts["never_started"]
    assert counts["started"] == counts["offered"] - counts["dropped"] - counts["never_started"]
    errors = Counter(row["error"]["kind"] for row in ran.rows if row["error"])
    assert errors == Counter(ran.summary["errors"])
    for row in ran.rows:
        key = row["scenario"], row["number"]
        assert len(ran.truth.begun[key]) <= 1
        if row["outcome"] == "completed":
            assert ran.truth.settled[key] == ["completed"]


def check_lost(ran):
    workers, lost = ran.workers, ran.lost()
    names = {member.number: name for name, member in ran.crew.members.items()}
    for key, row in lost.items():
        assert workers[names[row["worker"]]]["lost"] is not None, key
    assert Counter(names[row["worker"]] for row in lost.values()) == +Counter(
        {name: row["simulations_lost"] for name, row in workers.items()}
    )
    assert Counter(names[row["worker"]] for row in ran.rows if row["worker"]) == +Counter(
        {name: row["simulations"] for name, row in workers.items()}
    )
    # Who was in a conversation when it ended lost it, unless the coordinator had given up on it before.
    for key, name in ran.truth.lost_with.items():
        assert key in lost, (key, name)
    some_were_lost = any(row["lost"] is not None for row in workers.values())
    assert (ran.finished.exit_code == EXIT_WORKERS_LOST) is some_were_lost
    assert all((row["lost_at_s"] or 0.0) >= 0 for row in workers.values())


def check_measured(ran):
    """What was heard of a worker before it was given up is in the results, and nothing else."""
    heard = Counter()
    values = {metric: [] for metric in ran.truth.recorded}
    for worker, at, reported in ran.truth.reports:
        if at <= ran.crew.members[worker].lost_at or ran.crew.members[worker].lost is None:
            heard[worker] += 1
            for metric, those in reported.items():
                values[metric] += those
    for metric, those in values.items():
        found = ran.summary["metrics"].get(metric)
        assert (found is None) if not those else same_metric(found, pooled(those)), metric
    for metric, found in ran.summary["metrics"].items():
        assert sum(row["metrics"].get(metric, {}).get("count", 0) for row in ran.timeline) == found["count"], metric
    for name, amount in ran.counts.items():
        assert sum(row["counts"].get(name, 0) for row in ran.timeline) == amount, name


def check_nothing_is_left(ran):
    assert (ran.live.runner.running, ran.live.runner.queued) == (0, 0)
    assert not any(member.deals for member in ran.crew.members.values())
    assert set(ran.crew.shares.running.values()) <= {0}


def check_limit(ran, ensemble):
    for agent in ("alpha", "beta"):
        limit = ensemble.plan.limits.per_agent.get(agent, 0)
        assert ran.truth.most_of_agent(agent) <= limit, agent


@FEW
@given(plans, clusters, faults_of(LEAVING_NO_TRACE))
def test_whoever_is_lost_the_limit_holds_and_nothing_is_forgotten(ensemble, cluster, faults):
    ran = run_over(ensemble, faults=faults, model=SHORT, **cluster)
    check(ran)
    check_limit(ran, ensemble)


@FEW
@given(plans, clusters, faults_of((*LEAVING_NO_TRACE, "hang", "thaw", "break_scheduler")))
def test_workers_that_hang_and_schedulers_that_die(ensemble, cluster, faults):
    check(run_over(ensemble, faults=faults, model=SHORT, **cluster))
