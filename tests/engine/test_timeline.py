"""Rows of the timeline in virtual time: what each interval added, and that all of them make up the run."""

import gc
import json
from functools import partial
from pathlib import Path

import jsonschema
import pytest
import trio
from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

import coval_load.report
from coval_load.engine import metrics
from coval_load.engine.labels import Labels, Selector
from coval_load.engine.outcome import ErrorKind, Failure, Outcome, Stage
from coval_load.engine.results import Results
from coval_load.engine.timeline import keep_timeline, merge_interval

SCHEMA = json.loads((Path(coval_load.report.__file__).parent / "schemas" / "timeline.schema.json").read_text())
FITS = jsonschema.Draft202012Validator(SCHEMA)
COMPLETED = Outcome("completed")
FAILED = Outcome("failed", Failure(ErrorKind.NO_RESPONSE, Stage.CONVERSATION, "No response received"))
LABELS = Labels("morning", "support")
SUPPORT = Selector.of({"agent": "support"})


def rows_of(results, script, *, every_s=10.0, gauge=lambda: (0, 0), origin_before_s=0.0):
    """The rows that are written while `script()` runs."""
    rows = []

    async def main():
        origin = trio.current_time() - origin_before_s
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(keep_timeline, results, rows.append, gauge, every_s, origin=origin))
            await script()
            nursery.cancel_scope.cancel()

    trio.run(main, clock=MockClock(autojump_threshold=0))
    for row in rows:
        FITS.validate(json.loads(json.dumps(row)))
    return rows


def test_each_row_is_of_its_interval():
    results = Results()
    running = 0

    async def script():
        nonlocal running
        account = results.account(LABELS)
        await trio.sleep(4)
        running = 3
        account.count(metrics.OFFERED, 2)
        account.count(metrics.TURNS, 5)
        account.record(metrics.RESPONSE_LATENCY, 0.2)
        results.finished(FAILED, account)
        await trio.sleep(10)
        account.record(metrics.RESPONSE_LATENCY, 0.4)
        results.finished(COMPLETED, account)
        await trio.sleep(9)

    first, second, third = rows_of(results, script, gauge=lambda: (running, 1))
    assert [(row["at"], row["seconds"]) for row in (first, second, third)] == [(10, 10), (20, 10), (23, 3)]
    assert (first["running"], first["queued"]) == (3, 1)
    assert (first["counts"]["offered"], first["counts"]["failed"], first["counts"]["completed"]) == (2, 1, 0)
    assert first["errors"] == {"no_response": 1}
    assert first["counters"] == {"turns": 5}
    assert first["metrics"]["response_latency"]["max"] == pytest.approx(0.2)
    assert first["agents"]["support"]["response_latency"]["count"] == 1
    assert first["scenarios"]["morning"]["errors"] == {"no_response": 1}
    assert (second["counts"]["offered"], second["counts"]["completed"]) == (0, 1)
    assert (second["errors"], second["counters"]) == ({}, {})
    assert second["metrics"]["response_latency"]["count"] == 1
    assert second["metrics"]["response_latency"]["min"] == pytest.approx(0.4, rel=1e-3)
    assert (third["metrics"], third["agents"], third["scenarios"]) == ({}, {}, {})


def test_changes_of_the_load_stand_in_the_row_of_their_time_and_are_found_again():
    results = Results()

    async def script():
        for at in (4.0, 5.0, 17.0):
            await trio.sleep_until(trio.current_time() + at - (results.changes[-1]["at"] if results.changes else 0.0))
            results.changes.append({"at": at, "scenario": "calls", "before": 2, "concurrency": int(at)})
        await trio.sleep(8)

    rows = rows_of(results, script)
    assert [len(row.get("changes", ())) for row in rows] == [2, 1, 0]
    again = Results()
    for row in rows:
        merge_interval(again, row)
    assert again.changes == results.changes


def test_nothing_of_before_its_start_is_in_a_row():
    results = Results()
    results.account(LABELS).record(metrics.RESPONSE_LATENCY, 1.0)
    results.finished(FAILED, results.account(LABELS))
    (row,) = rows_of(results, partial(trio.sleep, 9))
    assert (row["metrics"], row["errors"], row["agents"]) == ({}, {}, {})
    assert not any(row["counts"].values())


def test_rows_are_due_on_the_grid_of_the_run_whenever_it_began():
    rows = rows_of(Results(), partial(trio.sleep, 12), every_s=5.0, origin_before_s=3.0)
    assert [(row["at"], row["seconds"]) for row in rows] == [(5, 2), (10, 5), (15, 5)]


def test_due_times_that_a_stall_let_pass_are_one_row():
    clock = MockClock(autojump_threshold=0)
    rows = []

    async def main():
        async with trio.open_nursery() as nursery:
            origin = trio.current_time()
            await nursery.start(partial(keep_timeline, Results(), rows.append, lambda: (0, 0), origin=origin))
            await trio.sleep(5)
            clock.jump(32)
            await trio.sleep(5)
            nursery.cancel_scope.cancel()

    trio.run(main, clock=clock)
    assert [(row["at"], row["seconds"]) for row in rows] == [(37, 37), (40, 3), (42, 2)]


def test_a_run_that_ends_with_an_interval_has_no_row_of_no_length():
    async def script():
        await trio.sleep(20)
        await wait_all_tasks_blocked()

    assert [row["at"] for row in rows_of(Results(), script)] == [10, 20]


@given(st.floats(0, 1e6), st.floats(0.1, 60))
def test_each_due_time_comes_once_whatever_floats_make_of_it(origin_before_s, every_s):
    rows = rows_of(Results(), partial(trio.sleep, 20.5 * every_s), every_s=every_s, origin_before_s=origin_before_s)
    assert len(rows) in (21, 22)
    assert all(row["seconds"] == pytest.approx(every_s, abs=1e-5) for row in rows[1:-1])


def test_a_row_that_was_begun_is_finished_when_the_run_ends():
    results, rows = Results(), []

    async def main():
        async with trio.open_nursery() as nursery:

            def ending():
                nursery.cancel_scope.cancel()
                return 0, 0

            await nursery.start(partial(keep_timeline, results, rows.append, ending, origin=trio.current_time()))
            for name in metrics.METRICS:
                results.record(name, 0.1)
            results.count(metrics.TURNS)

    trio.run(main, clock=MockClock(autojump_threshold=0))
    assert len(rows) == 1
    assert rows[0]["counters"] == {"turns": 1}
    assert set(rows[0]["metrics"]) == set(metrics.METRICS)


class CountSteps(trio.abc.Instrument):
    """How often the timeline's task ran for a moment."""

    steps = 0

    def before_task_step(self, task):
        self.steps += "keep_timeline" in task.name


def test_the_loop_gets_a_turn_after_each_metric():
    results, counting = Results(), CountSteps()

    async def script():
        trio.lowlevel.add_instrument(counting)
        await trio.sleep(5)
        before = counting.steps
        for name in metrics.METRICS:
            results.record(name, 0.1)
        await trio.sleep(10)
        counting.steps -= before

    rows = rows_of(results, script)
    assert set(rows[0]["metrics"]) == set(metrics.METRICS)
    assert counting.steps > 2 * len(metrics.METRICS)


def test_what_is_recorded_while_a_row_is_made_is_in_one_row():
    results = Results()
    rows = []

    async def keep_recording():
        while True:
            results.record(metrics.RESPONSE_LATENCY, 0.1)
            results.record(metrics.TURN_TIME, 0.1)
            await trio.sleep(0.01)

    async def script():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(keep_recording)
            await trio.sleep(25)
            nursery.cancel_scope.cancel()

    rows = rows_of(results, script)
    for name in (metrics.RESPONSE_LATENCY, metrics.TURN_TIME):
        assert sum(row["metrics"][name]["count"] for row in rows) == results.samples(name) == 2500


def test_values_that_no_histogram_holds_are_counted_in_their_interval():
    results = Results()

    async def script():
        results.record(metrics.TURN_TIME, float("nan"))
        await trio.sleep(15)

    first, second = rows_of(results, script)
    assert first["counters"] == {"samples_clamped": 1}
    assert (first["metrics"], second["counters"]) == ({}, {})


def test_the_generators_figures_are_of_the_interval():
    results = Results()

    async def script():
        vitals = results.vitals
        vitals.cpu_s, vitals.watched_s, vitals.rss_bytes = 4.0, 10.0, 1000
        vitals.gc_s = 1.0
        await trio.sleep(10.5)
        vitals.cpu_s, vitals.watched_s, vitals.rss_bytes = 5.0, 20.0, 3000
        vitals.cpu_wait_s = 0.5
        vitals.gc_s += 0.25
        await trio.sleep(10)

    first, second, _ = rows_of(results, script)
    assert (first["generator"]["cpu_share"], first["generator"]["rss_bytes"]) == (0.4, 1000)
    assert (second["generator"]["cpu_share"], second["generator"]["rss_bytes"]) == (0.1, 3000)
    assert (first["generator"]["cpu_wait_s"], second["generator"]["cpu_wait_s"]) == (None, 0.5)
    merged = Results()
    for row in (first, second):
        merge_interval(merged, row)
    assert (merged.vitals.gc_s, merged.vitals.cpu_share, merged.vitals.rss_bytes) == (1.25, 0.25, 3000)


steps = st.lists(
    st.one_of(
        st.floats(0, 25).map(lambda seconds: ("sleep", seconds)),
        st.tuples(st.sampled_from(["response_latency", "turn_time", "loop_lag"]), st.floats(0, 4000)),
        st.tuples(st.sampled_from(["turns", "offered", "messages_sent"]), st.integers(1, 9)),
        st.sampled_from([("ends", COMPLETED), ("ends", FAILED)]),
        st.floats(0, 5).map(lambda seconds: ("cpu", seconds)),
    ),
    max_size=25,
)


def selecting():
    results = Results()
    results.select(SUPPORT, {metrics.RESPONSE_LATENCY, metrics.TURNS})
    return results


@given(steps, st.lists(st.sampled_from(["support", "sales"]), min_size=25, max_size=25))
def test_all_rows_together_are_the_run(script_steps, agents):
    results = selecting()

    async def script():
        for (what, amount), agent in zip(script_steps, agents, strict=False):
            account = results.account(Labels("morning", agent))
            if what == "sleep":
                await trio.sleep(amount)
            elif what == "ends":
                results.finished(amount, account)
            elif what == "cpu":
                results.vitals.cpu_s += amount
                results.vitals.gc_s += amount / 2
                results.vitals.cpu_wait_s = (results.vitals.cpu_wait_s or 0.0) + amount / 3
                results.vitals.watched_s += 1.0
            elif what in metrics.METRICS:
                account.record(what, amount)
            else:
                account.count(what, amount)
        await trio.sleep(0.1)

    rows = rows_of(results, script)
    merged = selecting()
    for row in json.loads(json.dumps(rows)):
        merge_interval(merged, row)
    assert comparable(merged.summary()) == comparable(results.summary())
    assert merged.vitals.cpu_s == pytest.approx(results.vitals.cpu_s, abs=1e-4)
    assert merged.vitals.gc_s == pytest.approx(results.vitals.gc_s, abs=1e-4)
    assert merged.vitals.cpu_wait_s == pytest.approx(results.vitals.cpu_wait_s, abs=1e-4)
    assert merged.vitals.watched_s == pytest.approx(results.vitals.watched_s, abs=1e-4)


def comparable(value):
    """Without what the rows have to three digits only, and agents or scenarios that did nothing."""
    value = {name: part for name, part in value.items() if name not in ("generator", "error_examples", "notes")}
    for name in ("agents", "scenarios"):
        value[name] = {key: entry for key, entry in value[name].items() if any(entry["counts"].values())}
    return round_times(value)


def round_times(value):
    if isinstance(value, dict):
        return {
            name: round_times(part) for name, part in value.items() if name not in ("histogram", "min", "max", "mean")
        }
    return float(f"{value:.3g}") if isinstance(value, float) else value


def test_intervals_leave_no_garbage():
    """What only the garbage collector frees is memory that grows in a run that seldom makes it look."""

    async def main():
        results = Results()
        results.record("response_latency", 0.5)
        rows = []
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(keep_timeline, results, rows.append, lambda: (0, 0), 1.0, origin=0.0))
            gc.collect()
            gc.disable()
            for second in range(20):
                results.record("response_latency", 0.5)
                await trio.sleep_until(second + 1.5)
            made = sum(isinstance(one, HdrHistogram) for one in gc.get_objects())
            gc.enable()
            nursery.cancel_scope.cancel()
        assert len(rows) >= 20
        return made

    before = sum(isinstance(one, HdrHistogram) for one in gc.get_objects())
    assert trio.run(main, clock=MockClock(autojump_threshold=0)) <= before + 5
