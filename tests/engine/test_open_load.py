"""Simulations that are due start then, wait, or are dropped: each is counted, none is late in silence."""

import attrs
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from coval_load.engine import metrics
from coval_load.engine.labels import Labels
from coval_load.engine.outcome import Stage
from coval_load.engine.plan import Timeouts
from coval_load.engine.results import Results
from coval_load.engine.runner import Runner
from coval_load.engine.scenario import QUEUED_AT_MOST, Scenario


@attrs.frozen
class At:
    """Due at these times."""

    times: tuple
    duration_s: float = 100.0
    most_at_once: int = 1000
    when_full: str = "queue"

    def due_times(self, random):
        yield from self.times

    def due_before(self, at_s):
        return sum(at < at_s for at in self.times)


@attrs.define
class Actor:
    number: int
    account: object
    seconds: float
    stage: Stage = Stage.CONVERSATION
    due: float | None = None

    async def run(self, due):
        self.due = due
        await trio.sleep(self.seconds)

    def failure_of(self, error):
        raise error

    def finished(self, outcome):
        pass

    def row(self):
        return {"metrics": {}}


@attrs.define
class Cast:
    results: Results
    seconds: object
    agents: str
    actors: list = attrs.field(factory=list)

    def labels(self, number):
        return Labels("only", self.agents[number % len(self.agents)])

    def __call__(self, number):
        self.actors.append(Actor(number, self.results.account(self.labels(number)), self.seconds(number)))
        return self.actors[-1]


def perform(
    shape,
    seconds=lambda number: 1.0,
    *,
    agents="a",
    limits=None,
    beside=None,
    done=(),
    elapsed_s=0.0,
    queued_at_most=QUEUED_AT_MOST,
    **out,
):
    rows, results = [], Results()
    cast = Cast(results, seconds, agents)
    scenario = Scenario("only", shape, cast, done=frozenset(done), queued_at_most=queued_at_most)
    runner = Runner([scenario], Timeouts(**out), limits or {}, results, rows.append, elapsed_s)

    async def main():
        async with trio.open_nursery() as nursery:
            if beside is not None:
                nursery.start_soon(beside, runner)
            await runner.run()
            nursery.cancel_scope.cancel()

    trio.run(main, clock=MockClock(autojump_threshold=0))
    counted = results.counted
    assert counted("offered") == sum(map(counted, ("started", "dropped", "never_started")))
    assert counted("started") + counted("never_started") == len(rows)
    assert [runner.running, runner.queued] == [0, 0]
    assert all(row["started_at"] is not None for row in rows if row["outcome"] == "completed")
    return runner, sorted(rows, key=lambda row: row["number"]), cast.actors


def test_the_agent_is_never_waited_for():
    _, rows, _ = perform(At((0.0, 0.5, 0.5, 2.0)), lambda number: 50.0)
    assert [row["started_at"] for row in rows] == [0.0, 0.5, 0.5, 2.0]
    assert all(row["metrics"]["queue_time"] == 0 for row in rows)


def test_what_finds_no_place_waits_and_its_twins_know_when_it_was_due():
    runner, rows, actors = perform(At((0.0, 0.0, 0.0, 0.5), most_at_once=2))
    assert [row["started_at"] for row in rows] == [0, 0, 1, 1]
    assert [row["metrics"]["queue_time"] for row in rows] == [0, 0, 1, 0.5]
    assert [actor.due for actor in actors] == [0, 0, 0, 0.5]
    assert runner.results.counted(metrics.QUEUED) == 2


def test_or_it_is_dropped_and_counted():
    runner, rows, _ = perform(At((0.0, 0.0, 0.0, 0.5, 1.5), most_at_once=2, when_full="drop"))
    assert [row["number"] for row in rows] == [0, 1, 4]
    assert runner.results.counted(metrics.DROPPED) == 2
    assert runner.results.scenarios["only"].counts[metrics.DROPPED] == 2


@pytest.mark.parametrize("when_full", ["queue", "drop"])
def test_an_agents_limit_holds_back_only_its_own(when_full):
    runner, rows, _ = perform(At((0.0,) * 6, when_full=when_full), agents="ab", limits={"a": 1})
    started = {row["number"]: row["started_at"] for row in rows}
    assert all(started[number] == 0 for number in (1, 3, 5))
    assert runner.held_back == {"a"}
    assert [number for number in started if number in (0, 2, 4)] == ([0, 2, 4] if when_full == "queue" else [0])


def test_who_waits_for_an_agent_takes_no_place_of_the_cap():
    _, rows, _ = perform(At((0.0,) * 6, most_at_once=3), agents="ab", limits={"a": 1})
    assert [row["number"] for row in rows if row["started_at"] == 0] == [0, 1, 3]
    assert next(row["started_at"] for row in rows if row["number"] == 5) == pytest.approx(1)


def test_those_that_still_wait_at_the_end_never_start():
    runner, rows, _ = perform(At((0.0,) * 4, duration_s=1.5, most_at_once=1), grace_s=10)
    assert [row["outcome"] for row in rows] == ["completed", "completed", "cancelled", "cancelled"]
    assert runner.results.counted(metrics.NEVER_STARTED) == 2


def test_the_queue_is_bounded():
    shape = At((0.0,) * 205, duration_s=0.5, most_at_once=1)
    runner, _, _ = perform(shape, queued_at_most=200, grace_s=0.5)
    assert runner.results.counted(metrics.DROPPED) == 4


def test_the_rest_of_a_run_that_was_begun():
    _, rows, _ = perform(At((0.0, 1.0, 5.0, 6.0, 7.0)), done=(3,), elapsed_s=4.0)
    assert [row["number"] for row in rows] == [2, 4]
    assert [row["started_at"] for row in rows] == [5, 7]


def test_a_generator_that_wakes_late_says_so():
    clock = MockClock(autojump_threshold=0)

    async def main():
        results = Results()
        cast = Cast(results, lambda number: 0.0, "a")
        runner = Runner([Scenario("only", At((1.0, 1.2), 2.0), cast)], Timeouts(), {}, results, lambda row: None)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(runner.run)
            await trio.sleep(0.9)
            clock.jump(1.0)
        assert results.percentile(metrics.START_LATENESS, 100) == pytest.approx(0.9, rel=1e-3)

    trio.run(main, clock=clock)


def test_what_is_due_just_before_the_end_is_offered_even_if_the_generator_wakes_after_it():
    clock = MockClock(autojump_threshold=0)

    async def main():
        results, rows = Results(), []
        runner = Runner([Scenario("only", At((0.0, 1.99), 2.0), Cast(results, lambda number: 0.5, "a"))],
                        Timeouts(), {}, results, rows.append)  # fmt: skip
        async with trio.open_nursery() as nursery:
            nursery.start_soon(runner.run)
            await trio.sleep(1.9)
            clock.jump(0.2)
        assert [row["outcome"] for row in rows] == ["completed"] * 2

    trio.run(main, clock=clock)


TIMES = st.lists(st.floats(0, 20), max_size=40).map(lambda times: tuple(sorted(times)))


@given(
    TIMES, st.integers(1, 5), st.sampled_from(["queue", "drop"]), st.lists(st.floats(0.01, 30), min_size=1, max_size=5),
    st.integers(1, 3), st.sampled_from(["none", "stop", "cut"]), st.floats(0, 25),
)  # fmt: skip
def test_each_is_started_dropped_or_left_waiting(times, cap, when_full, seconds, limit, end, at):
    async def beside(runner):
        await trio.sleep(at)
        if end != "none":
            getattr(runner, end)()

    shape = At(times, duration_s=21, most_at_once=cap, when_full=when_full)
    runner, rows, _ = perform(
        shape, lambda number: seconds[number % len(seconds)], agents="ab", limits={"a": limit}, beside=beside
    )
    if end == "none":
        assert runner.results.counted("offered") == len(times)
    assert len({row["number"] for row in rows}) == len(rows)
    for row in rows:
        if row["started_at"] is not None:
            assert row["started_at"] >= row["scheduled_at"]
            if row["metrics"]["queue_time"] == 0:
                assert row["started_at"] == row["scheduled_at"]
    edges = sorted(
        [(row["started_at"], 1) for row in rows if row["started_at"] is not None]
        + [(row["ended_at"], -1) for row in rows if row["started_at"] is not None]
    )
    running = 0
    for _, change in edges:
        running += change
        assert running <= cap
