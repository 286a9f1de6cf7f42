"""How a run over several processes is judged: each of them is named that did not keep pace, and told of once."""

from collections import Counter

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.engine import metrics
from coval_load.engine.evidence import Evidence
from coval_load.engine.lapses import Lapses
from coval_load.engine.outcome import ErrorKind, Failure, Outcome, Stage
from coval_load.engine.results import Results
from coval_load.engine.verdict import verdict, verdict_over
from coval_load.engine.vitals import Used, Vitals
from coval_load.engine.worker_health import COORDINATOR, LOST_WITH, WorkerHealth

CALM = Evidence(
    vitals=Vitals(watched_s=10.0, cpu_s=3.0, cpu_wait_s=0.1, gc_s=0.01, descriptors=Used(100, 20_000)),
    loop_lag_samples=100,
    loop_lag_p99_s=0.002,
    loop_lag_max_s=0.01,
    send_lateness_samples=100_000,
    send_lateness_p99_s=0.001,
    frames_sent=100_000,
    offered=1000,
    started=1000,
)
KILLED = "its process was killed by SIGKILL"


def worker(number, evidence=CALM, host="host-b", **more):
    return WorkerHealth(name=f"worker-{number}", host=host, generator=verdict(evidence), **more)


def late(number, seconds=0.13, **more):
    return worker(number, attrs.evolve(CALM, send_lateness_p99_s=seconds), **more)


def lost(number, **more):
    told = {"lost": KILLED, "lost_at_s": 35.2, "simulations": 40, "simulations_lost": 17} | more
    return worker(number, **told)


def coordinator(evidence=CALM):
    return WorkerHealth(name=COORDINATOR, host="host-a", generator=verdict(evidence))


def test_where_all_kept_pace_the_run_is_valid():
    judged = verdict_over(CALM, [coordinator(), worker(1), worker(2)], takes_over=False)
    assert (judged["verdict"], judged["reasons"]) == ("valid", [])
    assert [row["name"] for row in judged["workers"]] == [COORDINATOR, "worker-1", "worker-2"]


def test_a_worker_that_was_late_is_named_though_the_whole_was_not():
    judged = verdict_over(CALM, [coordinator(), worker(1), late(3)], takes_over=False)
    (reason,) = judged["reasons"]
    assert judged["verdict"] == "invalid"
    assert reason.startswith("worker-3 on host-b: frames left 130 ms late (p99), expected at most 100 ms; ")
    assert judged["send_lateness_p99_s"] == 0.001  # that of all together


def test_the_coordinator_is_one_of_them():
    busy = attrs.evolve(CALM, loop_lag_p99_s=0.2)
    judged = verdict_over(CALM, [coordinator(busy), worker(1)], takes_over=False)
    (reason,) = judged["reasons"]
    assert judged["verdict"] == "degraded"
    assert reason.startswith("coordinator on host-a: the generator woke up 200 ms late")


def test_the_worst_come_first_and_of_more_only_the_number():
    some = [late(number, 0.03 + number / 1000) for number in range(6)]
    judged = verdict_over(CALM, [*some, late(6, 0.5), late(7, 0.2)], takes_over=False)
    assert [reason.split(" on ")[0] for reason in judged["reasons"]] == [
        *("worker-6", "worker-7", "worker-5"),
        "and 5 more workers: see generator.workers in summary.json",
    ]
    one_more = verdict_over(CALM, some[:4], takes_over=False)
    assert one_more["reasons"][-1] == "and 1 more worker: see generator.workers in summary.json"
    assert len(verdict_over(CALM, some[:3], takes_over=False)["reasons"]) == 3


@pytest.mark.parametrize(
    ("takes_over", "expected", "said"),
    [
        (False, "invalid", "and its share of the load was not offered from then on"),
        (True, "degraded", "and the others took over its share from then on"),
    ],
)
def test_a_lost_worker_is_told_by_name_with_when_and_why(takes_over, expected, said):
    judged = verdict_over(CALM, [worker(1), lost(2), worker(3, joined_at_s=40.0)], takes_over)
    (reason,) = judged["reasons"]
    assert judged["verdict"] == expected
    told = f"worker-2 on host-b was lost at 0:00:35 ({KILLED}): 17 simulations were lost with it, {said}"
    assert reason.startswith(f"{told}: look at ")


@pytest.mark.parametrize(
    ("amount", "said"),
    [(0, "no simulations were lost"), (1, "1 simulation was lost"), (2345, "2,345 simulations were lost")],
)
def test_how_many_were_lost_is_told_in_words(amount, said):
    (reason,) = verdict_over(CALM, [lost(1, simulations_lost=amount, lost_at_s=None)], False)["reasons"]
    assert reason.startswith(f"worker-1 on host-b was lost ({KILLED}): {said} with it")


def test_of_many_that_were_lost_the_first_are_named():
    reasons = verdict_over(CALM, [lost(number) for number in range(10)], takes_over=False)["reasons"]
    assert [reason.split(" on ")[0] for reason in reasons[:3]] == ["worker-0", "worker-1", "worker-2"]
    assert reasons[3:] == [
        "7 more workers were lost: 119 simulations were lost with them, and their share of the load was not offered: "
        "see generator.workers in summary.json"
    ]
    assert all(any(part in reason for part in LOST_WITH) for reason in reasons)


def test_a_worker_that_was_never_heard_of_has_a_row():
    silent = WorkerHealth(name="worker-1", host="b", lost=KILLED, lost_at_s=3.0)
    judged = verdict_over(CALM, [silent], takes_over=True)
    (row,) = judged["workers"]
    assert (row["verdict"], row["reasons"], row["cpu_share"], row["lost"]) == (None, [], None, KILLED)
    assert judged["cpu_share"] == 0.3  # there is none other to go by


def test_shares_and_limits_are_those_of_the_worst_worker_and_counts_those_of_all():
    busy = attrs.evolve(
        CALM,
        vitals=Vitals(watched_s=5.0, cpu_s=4.2, busiest_cpu_share=0.97, gc_s=0.2, descriptors=Used(19_999, 20_000)),
    )
    judged = verdict_over(attrs.evolve(CALM, offered=2000, frames_skipped=3), [coordinator(), worker(1, busy)], False)
    told = ("cpu_share", "busiest_cpu_share", "cpu_wait_share", "gc_share", "descriptors_most", "watched_s")
    assert [judged[name] for name in told] == [0.84, 0.97, 0.01, 0.04, 19_999, 10.0]
    assert (judged["offered"], judged["frames_skipped"], judged["loop_lag_p99_s"]) == (2000, 3, 0.002)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"internal_errors": 2}, "by a fault of coval-load"),
        ({"rows_lost": 2}, "simulations.jsonl to be lost"),
        ({"frames_skipped": 5000}, "frames to be skipped"),
        ({"lapses": Lapses(total_s=40.0, longest=(10.0, 50.0))}, "the generator lagged for 40 s"),
    ],
)
def test_what_is_told_of_all_together_is_not_told_of_each_again(change, word):
    bad = attrs.evolve(CALM, **change)
    judged = verdict_over(bad, [coordinator(), worker(1, bad), worker(2, bad)], takes_over=False)
    assert [word in reason for reason in judged["reasons"]] == [True]
    # One alone that has it is named, where it disappears in the whole.
    (reason,) = verdict_over(CALM, [coordinator(), worker(1, bad)], takes_over=False)["reasons"]
    assert reason.startswith("worker-1 on host-b: ")
    assert word in reason


def test_what_never_began_is_judged_by_the_whole_alone():
    held_back = attrs.evolve(CALM, offered=10, started=5, never_started=5)
    assert verdict_over(CALM, [worker(1, held_back)], takes_over=False)["verdict"] == "valid"
    (reason,) = verdict_over(attrs.evolve(CALM, never_started=900), [worker(1, held_back)], False)["reasons"]
    assert "900 of 1,000 simulations that were due never began" in reason


def evidence_of(draw):
    return attrs.evolve(
        CALM,
        send_lateness_p99_s=draw(st.sampled_from([0.001, 0.05, 0.3])),
        loop_lag_p99_s=draw(st.sampled_from([0.001, 0.1, 0.6])),
        loop_lag_max_s=draw(st.sampled_from([0.01, 3.0])),
        gc_pause_max_s=draw(st.sampled_from([None, 0.4])),
        never_started=draw(st.sampled_from([0, 500])),
        internal_errors=draw(st.sampled_from([0, 1])),
        frames_skipped=draw(st.sampled_from([0, 4000])),
        vitals=Vitals(
            watched_s=10.0, cpu_s=draw(st.sampled_from([1.0, 9.7])), cpu_wait_s=draw(st.sampled_from([0, 3.0]))
        ),
    )


@st.composite
def runs(draw):
    pool = [evidence_of(draw) for _ in range(4)]
    amount = draw(st.integers(0, 8) | st.just(1000))
    picks = draw(st.lists(st.integers(0, 3), min_size=1, max_size=8))
    losses = draw(st.lists(st.booleans(), min_size=1, max_size=8))
    workers = [
        (lost if losses[number % len(losses)] else worker)(number, evidence=pool[picks[number % len(picks)]])
        for number in range(amount)
    ]
    return draw(st.sampled_from(pool)), [coordinator(draw(st.sampled_from(pool))), *workers], draw(st.booleans())


LEFT_OUT = "the share of lost workers was left out, or "
OF_ALL = ("by a fault of coval-load", "to be lost", "frames to be skipped")


@given(runs())
def test_no_reason_is_lost_or_doubled_and_there_are_never_many(run):
    own, workers, takes_over = run
    judged = verdict_over(own, workers, takes_over)
    reasons = judged["reasons"]
    assert max(Counter(reasons).values(), default=0) <= 1
    assert len(reasons) <= 40
    assert sum(map(len, reasons)) < 12_000
    of_whole = [reason for reason in verdict(attrs.evolve(own, vitals=CALM.vitals))["reasons"] if about_all(reason)]
    of_all = [reason for reason in reasons if about_all(reason) and " on host-" not in reason]
    assert [left_of(reason.replace(LEFT_OUT, "")) for reason in of_all] == list(map(left_of, of_whole))
    left_out = any(one.lost for one in workers) and not takes_over
    assert all((LEFT_OUT in reason) == left_out for reason in of_all if "never began" in reason)
    told = [part for part in OF_ALL if any(part in reason for reason in of_whole)]
    expected = {
        one.place: [f"{one.place}: {reason}" for reason in own_reasons(one) if not any(part in reason for part in told)]
        for one in workers
    }
    expected = {place: wanted for place, wanted in expected.items() if wanted}
    shown = [place for place in expected if any(reason.startswith(f"{place}: ") for reason in reasons)]
    assert len(shown) == min(3, len(expected))
    for place in shown:
        assert [reason for reason in reasons if reason.startswith(f"{place}: ")] == expected[place]
    more = [reason for reason in reasons if reason.startswith("and ")]
    assert [int(reason.split()[1].replace(",", "")) for reason in more] == [len(expected) - 3][: len(expected) > 3]
    gone = [one for one in workers if one.lost]
    assert sum(any(part in reason for part in LOST_WITH) for reason in reasons) == min(4, len(gone))
    levels = {one.generator["verdict"] for one in workers if one.place in expected}
    levels |= {"degraded" if takes_over else "invalid"} if gone else set()
    levels |= {verdict(attrs.evolve(own, **OTHERWISE_CALM))["verdict"]}
    assert judged["verdict"] == next(one for one in ("invalid", "degraded", "valid") if one in levels)


OTHERWISE_CALM = attrs.asdict(
    CALM,
    recurse=False,
    filter=attrs.filters.include(
        "vitals", "loop_lag_p99_s", "loop_lag_max_s", "send_lateness_p99_s", "gc_pause_max_s", "gc_pause_samples"
    ),
)


def about_all(reason):
    return any(part in reason for part in (*OF_ALL, "never began")) and " was lost at " not in reason


def left_of(reason):
    """Without what to do, which follows from where the CPU went."""
    return reason.split(";")[0]


def own_reasons(one):
    return [reason for reason in one.generator["reasons"] if "never began" not in reason]


def test_a_run_of_one_process_is_judged_as_before():
    results = Results()
    results.takes_over = True
    results.record(metrics.LOOP_LAG, 0.3)
    summary = results.summary()
    assert summary["generator"] == verdict(results.evidence())
    assert list(summary["generator"]) == list(verdict(Evidence()))


def test_results_tell_of_workers_and_of_those_that_joined_late():
    results = Results(clean=lambda value: value.replace("hunter2", "***") if isinstance(value, str) else value)
    results.finished(Outcome("failed", Failure(ErrorKind.WORKER_LOST, Stage.CONVERSATION, KILLED)))
    results.workers = [
        worker(1, joined_at_s=1.0),
        worker(2, joined_at_s=130.4, host="host-c"),
        lost(3, lost="refused hunter2"),
    ]
    summary = results.summary()
    assert summary["notes"] == ["worker-2 on host-c joined at 0:02:10"]
    assert results.notes == []
    assert (summary["generator"]["verdict"], summary["generator"]["internal_errors"]) == ("invalid", 0)
    assert summary["errors"] == {"worker_lost": 1}
    assert [row["lost"] for row in summary["generator"]["workers"]] == [None, None, "refused ***"]
    assert "(refused ***)" in summary["generator"]["reasons"][0]
    results.takes_over = True
    assert results.judged()["verdict"] == "degraded"


def test_of_many_that_joined_late_the_first_are_named():
    results = Results()
    results.workers = [worker(number, joined_at_s=1000.0 - number) for number in range(10)]
    first, *_, last = results.summary()["notes"]
    assert first == "worker-9 on host-b joined at 0:16:31"
    assert last == "7 more workers joined after the start: see generator.workers in summary.json"


def test_a_run_that_goes_on_knows_what_it_lost_before():
    earlier = Results()
    earlier.workers = [coordinator(), *(lost(number) for number in range(5))]
    results = Results()
    results.merge(earlier.summary())
    assert results.notes[0] == f"worker-0 on host-b was lost at 0:00:35 ({KILLED}), before the run was resumed"
    assert results.notes[3:] == ["2 more workers were lost before the run was resumed"]
    assert "workers" not in results.summary()["generator"]
