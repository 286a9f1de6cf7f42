import attrs
import pytest

from coval_load.engine.verdict import Evidence, Vitals, verdict

CALM = Evidence(
    vitals=Vitals(cpu_s=3.0, watched_s=10.0),
    loop_lag_samples=100,
    loop_lag_p99_s=0.002,
    send_lateness_samples=100_000,
    send_lateness_p99_s=0.001,
    frames_sent=100_000,
    offered=10,
    started=10,
)


def test_a_calm_generator_is_valid():
    judged = verdict(CALM)
    assert (judged["verdict"], judged["reasons"], judged["cpu_share"]) == ("valid", [], 0.3)


@pytest.mark.parametrize(
    ("change", "expected", "reason"),
    [
        ({"internal_errors": 1}, "invalid", "this machine, got 1;"),
        ({"rows_lost": 1}, "invalid", "simulations.jsonl to be lost, got 1"),
        ({"send_lateness_p99_s": 0.101}, "invalid", "frames left 101 ms late"),
        ({"send_lateness_p99_s": 0.1}, "degraded", "frames left 100 ms late"),
        ({"send_lateness_p99_s": 0.021}, "degraded", "at most 20 ms"),
        ({"send_lateness_p99_s": 0.02}, "valid", None),
        ({"loop_lag_p99_s": 0.251}, "invalid", "woke up 251 ms late"),
        ({"loop_lag_p99_s": 0.25}, "degraded", "woke up 250 ms late"),
        ({"loop_lag_p99_s": 0.05}, "valid", None),
        ({"frames_skipped": 1001}, "invalid", "got 1001 beside 100000 sent"),
        ({"frames_skipped": 1000}, "valid", None),
        ({"frames_skipped": 1, "frames_sent": 0}, "invalid", "got 1 beside 0 sent"),
        ({"vitals": Vitals(cpu_s=9.1, watched_s=10.0)}, "degraded", "of a core, got 91%"),
        ({"vitals": Vitals(cpu_s=9.0, watched_s=10.0)}, "valid", None),
        ({"vitals": Vitals(cpu_s=0.5, watched_s=0.5)}, "valid", None),
        ({"loop_lag_p99_s": 9.0, "loop_lag_samples": 19}, "valid", None),
        ({"loop_lag_p99_s": 9.0, "loop_lag_samples": 20}, "invalid", "woke up 9000 ms late"),
        ({"send_lateness_p99_s": 9.0, "send_lateness_samples": 19}, "valid", None),
    ],
)
def test_each_rule_at_its_border(change, expected, reason):
    judged = verdict(attrs.evolve(CALM, **change))
    assert judged["verdict"] == expected
    assert len(judged["reasons"]) == (reason is not None)
    assert reason is None or reason in judged["reasons"][0]


def test_reasons_against_trust_come_before_reasons_for_doubt():
    judged = verdict(attrs.evolve(CALM, loop_lag_p99_s=0.06, rows_lost=2))
    assert judged["verdict"] == "invalid"
    assert ["to be lost" in reason for reason in judged["reasons"]] == [True, False]


def test_before_the_first_second_there_is_no_share_of_cpu():
    assert verdict(Evidence())["cpu_share"] is None
