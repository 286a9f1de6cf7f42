import attrs
import pytest

from coval_load.engine.evidence import Evidence
from coval_load.engine.verdict import verdict
from coval_load.engine.vitals import Used, Vitals

VITALS = Vitals(
    watched_s=10.0,
    cpu_s=3.0,
    cpu_wait_s=0.1,
    throttled_s=0.0,
    gc_s=0.01,
    descriptors=Used(100, 20_000),
    ports=Used(200, 28_232),
)
CALM = Evidence(
    vitals=VITALS,
    loop_lag_samples=100,
    loop_lag_p99_s=0.002,
    loop_lag_max_s=0.01,
    send_lateness_samples=100_000,
    send_lateness_p99_s=0.001,
    start_lateness_samples=1000,
    start_lateness_p99_s=0.001,
    gc_pause_samples=100,
    gc_pause_p99_s=0.002,
    gc_pause_max_s=0.004,
    frames_sent=100_000,
    offered=1000,
    started=1000,
)


def vitals(**change):
    return {"vitals": attrs.evolve(VITALS, **change)}


def test_a_calm_generator_is_valid():
    judged = verdict(CALM)
    assert (judged["verdict"], judged["reasons"], judged["cpu_share"]) == ("valid", [], 0.3)


@pytest.mark.parametrize(
    ("change", "expected", "reason"),
    [
        ({"internal_errors": 1}, "invalid", "this machine, got 1;"),
        ({"lost_with_workers": 17}, "invalid", "process that ran it, got 17; look at the errors of kind worker_lost"),
        ({"rows_lost": 1}, "invalid", "simulations.jsonl to be lost, got 1"),
        ({"send_lateness_p99_s": 0.101}, "invalid", "frames left 101 ms late"),
        ({"send_lateness_p99_s": 0.1}, "degraded", "frames left 100 ms late"),
        ({"send_lateness_p99_s": 0.021}, "degraded", "at most 20 ms"),
        ({"send_lateness_p99_s": 0.02}, "valid", None),
        ({"loop_lag_p99_s": 0.251}, "invalid", "woke up 251 ms late"),
        ({"loop_lag_p99_s": 0.25}, "degraded", "woke up 250 ms late"),
        ({"loop_lag_p99_s": 0.05}, "valid", None),
        ({"loop_lag_p99_s": 9.0, "loop_lag_samples": 19}, "valid", None),
        ({"loop_lag_p99_s": 9.0, "loop_lag_samples": 20}, "invalid", "woke up 9000 ms late"),
        ({"loop_lag_max_s": 2.04}, "degraded", "stood still for 2.0 s"),
        ({"loop_lag_max_s": 2.04, "loop_lag_samples": 19}, "valid", None),
        ({"loop_lag_max_s": 1.0}, "valid", None),
        ({"loop_lag_max_s": 2.04, "loop_lag_p99_s": 2.0}, "invalid", "woke up 2000 ms late"),
        ({"start_lateness_p99_s": 0.251}, "invalid", "simulations began 251 ms late"),
        ({"start_lateness_p99_s": 0.25}, "degraded", "at most 50 ms"),
        ({"start_lateness_p99_s": 0.05}, "valid", None),
        ({"start_lateness_p99_s": 9.0, "start_lateness_samples": 19}, "valid", None),
        ({"frames_skipped": 1001}, "invalid", "got 1001 beside 100000 sent"),
        ({"frames_skipped": 1000}, "valid", None),
        ({"frames_skipped": 1, "frames_sent": 0}, "invalid", "got 1 beside 0 sent"),
        ({"send_lateness_p99_s": 9.0, "send_lateness_samples": 19}, "valid", None),
        (vitals(cpu_s=9.1), "degraded", "of a core, got 91%"),
        (vitals(cpu_s=9.0), "valid", None),
        (vitals(cpu_s=0.5, watched_s=0.5), "valid", None),
        (vitals(cpu_wait_s=1.1), "degraded", "others had the CPU for 11% of the run"),
        (vitals(cpu_wait_s=1.02), "degraded", "others had the CPU for 10.2% of the run"),
        (vitals(cpu_wait_s=1.0), "valid", None),
        (vitals(cpu_wait_s=0.5, watched_s=0.9), "valid", None),
        (vitals(cpu_wait_s=None, throttled_s=None), "valid", None),
        (vitals(throttled_s=1.2), "degraded", "the CPU limit of the container held the generator for 12%"),
        (vitals(throttled_s=1.0), "valid", None),
        (vitals(gc_s=0.6), "degraded", "stopped the generator for 6% of the run"),
        (vitals(gc_s=0.5), "valid", None),
        ({"gc_pause_p99_s": 0.021}, "degraded", "for 21 ms (p99)"),
        ({"gc_pause_p99_s": 0.02}, "valid", None),
        ({"gc_pause_p99_s": 0.021, "gc_pause_samples": 19}, "valid", None),
        ({"gc_pause_max_s": 0.251, "gc_pause_samples": 1}, "degraded", "for 251 ms (longest)"),
        ({"gc_pause_max_s": 0.25}, "valid", None),
        (
            {"dropped": 6, "never_started": 5},
            "degraded",
            "11 of 1,000 simulations that were due never began (6 dropped, 5",
        ),
        ({"dropped": 10}, "valid", None),
        ({"never_started": 900}, "degraded", "900 of 1,000"),
        ({"offered": 0, "started": 0}, "valid", None),
        (vitals(descriptors=Used(901, 1000)), "degraded", "901 file descriptors were in use, the limit is 1,000"),
        (vitals(descriptors=Used(900, 1000)), "valid", None),
        (vitals(descriptors=Used(900, None)), "valid", None),
        (vitals(ports=Used(26_000, 28_232)), "degraded", "26,000 ports were in use"),
        (vitals(ports=Used(25_000, 28_232)), "valid", None),
    ],
)
def test_each_rule_at_its_border(change, expected, reason):
    judged = verdict(attrs.evolve(CALM, **change))
    assert judged["verdict"] == expected
    assert len(judged["reasons"]) == (reason is not None)
    assert reason is None or reason in judged["reasons"][0]


@pytest.mark.parametrize("late", ["send_lateness_p99_s", "loop_lag_p99_s", "start_lateness_p99_s", "loop_lag_max_s"])
@pytest.mark.parametrize(
    ("change", "advice"),
    [
        ({"cpu_wait_s": 4.0, "cpu_s": 6.0}, "busy with other things: free the machine"),
        ({"cpu_wait_s": 4.0, "throttled_s": 4.0}, "the container's CPU limit held it: raise the CPU limit"),
        ({"cpu_s": 7.5}, "had much to do: lower the concurrency"),
        ({"busiest_cpu_share": 0.99}, "had much to do: lower the concurrency"),
        ({}, "an agent that floods, a disk that hangs, or a process that was stopped"),
        ({"watched_s": 0.0}, "an agent that floods"),
    ],
)
def test_what_to_do_about_lateness_follows_from_where_the_cpu_went(late, change, advice):
    judged = verdict(attrs.evolve(CALM, **{late: 9.0}, **vitals(**change)))
    assert judged["verdict"] == ("degraded" if late == "loop_lag_max_s" else "invalid")
    assert advice in judged["reasons"][0]


def test_reasons_against_trust_come_before_reasons_for_doubt():
    judged = verdict(attrs.evolve(CALM, loop_lag_p99_s=0.06, rows_lost=2))
    assert judged["verdict"] == "invalid"
    assert ["to be lost" in reason for reason in judged["reasons"]] == [True, False]


def test_before_the_first_second_there_are_no_shares():
    judged = verdict(Evidence())
    shares = ("cpu_share", "cpu_wait_share", "throttled_share", "gc_share")
    assert [judged[name] for name in shares] == [None] * 4


def test_every_figure_that_is_judged_is_told():
    judged = verdict(attrs.evolve(CALM, dropped=7, never_started=3, **vitals(rss_bytes=5, max_rss_bytes=6)))
    told = ("cpu_wait_share", "throttled_share", "gc_share", "watched_s", "rss_bytes", "max_rss_bytes")
    assert [judged[name] for name in told] == [0.01, 0.0, 0.001, 10.0, 5, 6]
    told = ("descriptors_most", "descriptors_limit", "ports_most", "ports_limit", "dropped", "never_started")
    assert [judged[name] for name in told] == [100, 20_000, 200, 28_232, 7, 3]
    told = ("gc_pause_p99_s", "gc_pause_max_s", "loop_lag_max_s", "start_lateness_p99_s")
    assert [judged[name] for name in told] == [0.002, 0.004, 0.01, 0.001]
