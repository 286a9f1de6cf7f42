from functools import partial

import attrs
import pytest
import trio
from modelled_run import go_on, subject

from coval_load.engine import metrics
from coval_load.engine.evidence import Evidence
from coval_load.engine.labels import Selector
from coval_load.engine.outcome import ErrorKind, Failure, Outcome, Stage
from coval_load.engine.pulse import Waiting
from coval_load.engine.shapes.constant import Constant
from coval_load.engine.thresholds import Threshold
from coval_load.engine.verdict import verdict
from coval_load.engine.worker_health import WorkerHealth
from coval_load.report.terminal.gathering import THRESHOLDS_AT_MOST, Gathering


async def looked_at(subject, at_s, happens=None):
    """What is seen after `at_s` seconds of the run; `happens(results)` after half of them."""
    gathering, seen = Gathering(subject), []
    subject.pulses.feel(gathering.feel)

    async def look():
        await trio.sleep(at_s / 2)
        if happens is not None:
            happens(subject.results)
        await trio.sleep(at_s / 2)
        seen.append(await gathering.look())
        subject.runner.cut()

    await go_on(subject, look)
    return seen[0]


def threshold(name, aggregate, operator="<", limit=1.0, *, abort=False):
    return Threshold(name, Selector(), None, aggregate, operator, limit, f"{aggregate} {operator} {limit:g}", abort)


async def test_how_a_run_stands(autojump_clock):
    seen = await looked_at(subject(dashboard=lambda: "http://here"), 7.3)
    assert seen.elapsed_s == pytest.approx(7.3)
    assert (seen.running, seen.queued, dict(seen.stages)) == (4, 0, {"conversation": 4})
    assert (seen.counts["completed"], seen.counts["failed"]) == (8, 0)
    assert seen.courses["running"] == (4,) * 7
    assert sum(seen.courses["completed"]) == 8
    assert seen.completed_per_s == pytest.approx(8 / 7)
    assert seen.scenarios[0].standing.words == "4 at once for 20s"
    assert seen.scenarios[0].standing.share == pytest.approx(7.3 / 20)
    assert (seen.name, seen.duration_s, seen.folder, seen.dashboard) == ("a run", 20.0, "coval-runs/x", "http://here")


async def test_before_the_first_pulse(autojump_clock):
    seen = await looked_at(subject(), 0.5)
    assert seen.running == 4
    assert (seen.errors, seen.latencies, seen.waiting, seen.courses["running"]) == ((), (), None, ())


async def test_latencies_of_late_and_of_the_run(autojump_clock):
    def happens(results):
        results.record_many(metrics.RESPONSE_LATENCY, [0.1] * 50)
        results.record(metrics.TURN_TIME, 2.0)

    late = await looked_at(subject(Constant(4, 60.0)), 10, happens)
    assert late.latency_now.count == 50
    assert late.latency_now.p95 == pytest.approx(0.1, rel=0.01)
    assert [name for name, _ in late.latencies] == ["response_latency", "turn_time"]
    past = await looked_at(subject(Constant(4, 60.0)), 40, happens)
    assert past.latency_now.count == 0
    assert dict(past.latencies)["response_latency"].count == 50


async def test_errors_the_most_frequent_first_with_their_latest_message_masked(autojump_clock):
    def happens(results):
        for kind, words in (("no_response", "a"), ("internal", "x"), ("no_response", "the secret")):
            results.finished(Outcome("failed", Failure(ErrorKind(kind), Stage.CONVERSATION, words)))

    def clean(text):
        return text.replace("secret", "***") if isinstance(text, str) else text

    seen = await looked_at(subject(clean=clean, name="of secret"), 6, happens)
    assert [(error.kind, error.count, error.message) for error in seen.errors] == [
        ("no_response", 2, "the ***"),
        ("internal", 1, "x"),
    ]
    assert not any(error.is_new for error in seen.errors)
    assert seen.name == "of ***"
    new = await looked_at(subject(), 1.5, happens)
    assert all(error.is_new for error in new.errors)
    assert new.generator.verdict == "invalid"
    assert "internal" in new.generator.reason


async def test_a_worker_that_fell_behind_is_named_while_the_run_goes_on(autojump_clock):
    late = verdict(Evidence(loop_lag_p99_s=0.3, loop_lag_samples=99))

    def happens(results):
        results.workers = [WorkerHealth(name="worker-3", host="host-b", generator=late)]

    seen = await looked_at(subject(), 2, happens)
    assert seen.generator.verdict == "invalid"
    assert seen.generator.reason.startswith("worker-3 on host-b: the generator woke up 300 ms late")


async def test_who_waits(autojump_clock):
    base = trio.current_time()
    one = Waiting(simulation_output_id="id", agent="agent", test_case="case", turn=2, since_s=base + 1.0)
    waiting = (await looked_at(subject(waiting=one), 4.2)).waiting
    assert attrs.astuple(waiting) == (pytest.approx(3.0), 2, "case", "agent", "id")


async def test_thresholds_what_is_crossed_first_then_what_stops_the_run(autojump_clock):
    asked = (
        threshold("response_latency", "p95"),
        threshold("ttft", "p95"),
        threshold("completed", "count", ">", 99),
        threshold("response_latency", "drift"),
        threshold("turn_time", "mean", abort=True),
        threshold("failed", "count"),
        threshold("completed", "count", "<", 2),
    )

    def happens(results):
        results.record(metrics.RESPONSE_LATENCY, 0.5)
        results.record(metrics.TURN_TIME, 0.5)

    seen = await looked_at(subject(thresholds=asked), 5, happens)
    assert [(one.key, one.text, one.word) for one in seen.thresholds] == [
        ("completed", "count < 2", "crossed"),
        ("turn_time", "mean < 1", "holds"),
        ("response_latency", "p95 < 1", "holds"),
        ("ttft", "p95 < 1", "no value yet"),
        ("completed", "count > 99", "not yet"),
        ("response_latency", "drift < 1", "at the end"),
        ("failed", "count < 1", "holds"),
    ]
    assert [one.aborts for one in seen.thresholds] == [False, True, *[False] * 5]


async def test_of_very_many_thresholds_some_are_judged(autojump_clock):
    asked = [*(threshold("ttft", "p50") for _ in range(50)), threshold("turn_time", "p50", abort=True)]
    seen = await looked_at(subject(thresholds=asked), 2)
    assert len(seen.thresholds) == THRESHOLDS_AT_MOST
    assert seen.thresholds[0].aborts


async def test_a_load_that_is_changed(autojump_clock):
    run = subject()

    def happens(_):
        run.runner.change("default", 6)

    seen = await looked_at(run, 8, happens)
    assert seen.scenarios[0].standing.words == "6 at once (4 in the plan) for 20s"


async def test_figures_are_taken_once_for_each_pulse(autojump_clock, monkeypatch):
    run, taken = subject(), []
    gathering = Gathering(run)
    run.pulses.feel(gathering.feel)
    measure = Gathering._measure

    async def counted(self, pulse):
        taken.append(trio.current_time())
        return await measure(self, pulse)

    monkeypatch.setattr(Gathering, "_measure", counted)

    async def look(every_s):
        await trio.sleep(0.05)
        while True:
            await gathering.look()
            await trio.sleep(every_s)

    with trio.move_on_after(3.5):
        await go_on(run, partial(look, 0.1))
    assert len(taken) == 4
