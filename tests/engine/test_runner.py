"""How many simulations run, for how long, and how a run is stopped."""

from collections import Counter
from functools import partial

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from players import closed, cut_after, failed, lasting, perform, stop_after
from trio.testing import MockClock

from coval_load.engine import metrics
from coval_load.engine.plan import Timeouts
from coval_load.engine.results import Results
from coval_load.engine.runner import Runner
from coval_load.engine.scenario import Scenario


def test_so_many_at_once_and_so_many_in_all():
    now, most = 0, 0

    async def busy():
        nonlocal now, most
        now += 1
        most = max(most, now)
        assert now == played_runner[0].running
        await trio.sleep(1)
        now -= 1

    played_runner = []

    async def watch(runner):
        played_runner.append(runner)
        for second in range(10):
            await trio.sleep_until(second + 0.5)
            assert runner.running == (4 if second < 2 else 2 if second == 2 else 0)

    played = perform(lambda number: busy, closed(concurrency=4, simulations=10), beside=watch)
    assert most == 4
    assert played.outcomes == {"completed": 10}
    assert played.ended_at == pytest.approx(3)


def test_a_place_is_taken_again_at_once():
    played = perform(lambda number: partial(trio.sleep, 1 + number % 3), closed(concurrency=3, simulations=30))
    edges = sorted([(r["started_at"], 1) for r in played.rows] + [(r["ended_at"], -1) for r in played.rows])
    assert all(row["metrics"]["queue_time"] == pytest.approx(0, abs=1e-9) for row in played.rows)
    assert sum(change for at, change in edges if at < 15) == 3
    assert played.runner.results.samples(metrics.QUEUE_TIME) == 30


def test_whichever_comes_first():
    assert len(perform(lasting(1), closed(2, simulations=6, duration_s=100)).rows) == 6
    played = perform(lasting(1), closed(2, simulations=100, duration_s=4.5))
    assert len(played.rows) == 10
    assert played.outcomes == {"completed": 10}
    assert played.ended_at == pytest.approx(5)


def test_at_the_end_of_the_duration_the_grace_period_begins():
    played = perform(lambda number: partial(trio.sleep, 5 + 20 * (number % 2)), closed(4, duration_s=4), grace_s=10)
    assert played.outcomes == {"completed": 2, "cancelled": 2}
    assert played.ended_at == pytest.approx(14)


def test_an_agents_limit_holds_back_only_its_own():
    busy = Counter()

    def script(number):
        async def talk():
            agent = "ab"[number % 2]
            busy[agent] += 1
            assert busy[agent] <= {"a": 2, "b": 10}[agent]
            await trio.sleep(1)
            busy[agent] -= 1

        return talk

    played = perform(script, closed(concurrency=8, simulations=16), agents="ab", limits={"a": 2, "b": None})
    assert played.outcomes == {"completed": 16}
    assert played.runner.held_back == {"a"}
    for actor in played.actors:
        waited = played.row(actor.number)["metrics"]["queue_time"]
        assert waited == pytest.approx(
            played.row(actor.number)["started_at"] - played.row(actor.number)["scheduled_at"]
        )
        if actor.agent == "b":
            assert waited == pytest.approx(0)
    assert played.row(0)["started_at"] == 0.0
    assert played.row(0)["metrics"]["queue_time"] == 0.0
    assert played.row(4)["metrics"]["queue_time"] == pytest.approx(1)


def test_what_waited_for_a_limit_is_not_called_late():
    """The wait is `queue_time`; the twins count from when it could begin."""
    played = perform(lasting(1), closed(3, simulations=3), limits={"a": 1})
    assert [actor.due for actor in played.actors] == [pytest.approx(at) for at in (0, 1, 2)]
    assert [played.row(n)["scheduled_at"] for n in range(3)] == [0, 0, 0]


def test_stop_lets_the_running_ones_finish():
    played = perform(lasting(4), closed(3), beside=partial(stop_after, 10), grace_s=30)
    assert played.outcomes == {"completed": 9}
    assert played.ended_at == pytest.approx(12)


def test_stop_and_then_the_grace_period_is_over():
    played = perform(lasting(100), closed(3), beside=partial(stop_after, 10), grace_s=30)
    assert played.outcomes == {"cancelled": 3}
    assert played.ended_at == pytest.approx(40)
    assert [outcome.status for actor in played.actors for outcome in actor.outcomes] == ["cancelled"] * 3


def test_stopping_again_does_not_prolong_it():
    async def stop_twice(runner):
        await stop_after(10, runner)
        await stop_after(20, runner)

    assert perform(lasting(100), closed(3), beside=stop_twice, grace_s=30).ended_at == pytest.approx(40)


def test_cut_ends_everything_now():
    async def stop_and_cut(runner):
        await stop_after(10, runner)
        await cut_after(1, runner)

    for beside, at in ((partial(cut_after, 10), 10), (stop_and_cut, 11)):
        played = perform(lasting(100), closed(5), limits={"a": 2}, beside=beside)
        assert played.outcomes == {"cancelled": 5}
        assert played.ended_at == pytest.approx(at)


@pytest.mark.parametrize("end", [stop_after, cut_after])
def test_those_in_the_queue_are_cancelled_and_have_rows(end):
    played = perform(lasting(6), closed(5), limits={"a": 2}, beside=partial(end, 2))
    queued = [row for row in played.rows if row["started_at"] is None]
    assert len(queued) == 3
    for row in queued:
        assert row["outcome"] == "cancelled"
        assert row["ended_at"] == pytest.approx(2)
        assert row["metrics"]["queue_time"] == pytest.approx(2)
    assert played.runner.results.counted(metrics.STARTED) == 2


def test_stopped_before_it_began():
    async def main():
        runner.stop()
        await runner.run()

    runner = Runner([Scenario("", closed(3), pytest.fail)], Timeouts(), {}, Results(), pytest.fail)
    trio.run(main, clock=MockClock(autojump_threshold=0))


def test_nothing_starts_after_the_stop():
    """A simulation that was offered in the very moment of the stop has a row, but no dial."""

    async def stop(runner):
        while not runner.results.counted(metrics.OFFERED):
            await trio.lowlevel.checkpoint()
        runner.stop()
        started.append(runner.results.counted(metrics.STARTED))

    for limits in ({}, {"a": 50}):
        started = []
        played = perform(lasting(1), closed(50), limits=limits, beside=stop)
        assert played.runner.results.counted(metrics.STARTED) == started[0]
        assert played.outcomes["completed"] == started[0]


ACTS = st.tuples(st.sampled_from(["ends", "fails", "group", "bug", "unclean"]), st.sampled_from([0, 0.5, 1, 3, 50]))


@given(
    acts=st.lists(ACTS, min_size=1, max_size=8),
    concurrency=st.integers(1, 6),
    simulations=st.integers(1, 20) | st.none(),
    duration=st.sampled_from([0.25, 2, 10]),
    limit=st.integers(1, 3) | st.none(),
    stop=st.sampled_from([None, stop_after, cut_after]),
    stop_at=st.sampled_from([0, 0.5, 1, 4]),
    grace=st.sampled_from([0, 1, 20]),
)
def test_every_simulation_has_exactly_one_row(acts, concurrency, simulations, duration, limit, stop, stop_at, grace):
    running = Counter()

    def script(number):
        kind, seconds = acts[number % len(acts)]
        error = {"fails": failed(), "bug": KeyError("x"), "group": ExceptionGroup("", [failed(), failed()])}.get(kind)

        async def act():
            agent = "ab"[number % 2]
            running[agent] += 1
            try:
                assert running.total() <= concurrency
                assert limit is None or running[agent] <= limit
                await trio.sleep(seconds + 0.01)
                if error is not None:
                    raise error
            finally:
                running[agent] -= 1
                if kind == "unclean":
                    raise ValueError("no way out")

        return act

    played = perform(
        script,
        closed(concurrency, simulations, duration),
        limits={"a": limit, "b": limit},
        agents="ab",
        beside=partial(stop, stop_at) if stop else None,
        grace_s=grace,
        simulation_s=15,
    )
    for row in played.rows:
        assert row["scheduled_at"] <= (row["started_at"] or row["ended_at"]) + 1e-9
        assert (row["error"] is not None) == (row["outcome"] == "failed")
        assert row["started_at"] is not None or row["outcome"] == "cancelled"
    assert played.ended_at <= duration + grace + 0.001
    if simulations is not None:
        assert len(played.rows) <= simulations
