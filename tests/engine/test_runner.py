import math
from collections import Counter
from functools import partial

import attrs
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from coval_load.engine import metrics
from coval_load.engine.labels import Labels
from coval_load.engine.outcome import ErrorKind, Failure, SimulationFailed, Stage
from coval_load.engine.plan import Timeouts
from coval_load.engine.results import Results
from coval_load.engine.runner import Runner
from coval_load.engine.scenario import Scenario
from coval_load.engine.shapes.constant import Constant
from coval_load.engine.shapes.simulations import Simulations


def failed(kind=ErrorKind.NO_RESPONSE, message="silent"):
    return SimulationFailed(kind, message)


async def fail(error):
    raise error


def closed(concurrency, simulations=None, duration_s=math.inf):
    if simulations is not None and duration_s == math.inf:
        return Simulations(concurrency, simulations)
    return Constant(concurrency, duration_s, simulations)


@attrs.define
class Actor:
    """Does what it is told, and keeps what became of it."""

    number: int
    script: object
    account: object = None
    agent: str = "a"
    stage: Stage = Stage.CONVERSATION
    due: float = math.nan
    outcomes: list = attrs.field(factory=list)
    clean_up: object = None

    async def run(self, due):
        self.due = due
        await self.script()

    def failure_of(self, error):
        if isinstance(error, SimulationFailed):
            return Failure(error.kind, self.stage, error.message)
        return Failure(ErrorKind.INTERNAL, self.stage, f"{type(error).__name__}: {error}")

    def finished(self, outcome):
        self.outcomes.append(outcome)
        if self.clean_up is not None:
            raise self.clean_up

    def row(self):
        return {"number": self.number, "metrics": {}}


@attrs.define
class Played:
    """A runner with a cast, and all that came of it."""

    runner: Runner
    actors: list
    rows: list
    ended_at: float

    def row(self, number):
        (row,) = [row for row in self.rows if row["number"] == number]
        return row

    @property
    def outcomes(self):
        return Counter(row["outcome"] for row in self.rows)


def perform(script_of, load, *, limits=None, agents=("a",), beside=None, clean_up=None, **timeouts):
    """Run a load in virtual time. `script_of(number)` is what each actor does, `beside(runner)` goes on beside."""
    actors, rows = [], []

    class Cast:
        def labels(self, number):
            return Labels(agent=agents[number % len(agents)])

        def __call__(self, number):
            labels = self.labels(number)
            actor = Actor(number, script_of(number), results.account(labels), labels.agent)
            actor.clean_up = clean_up(number) if clean_up else None
            actors.append(actor)
            return actor

    async def main():
        async with trio.open_nursery() as nursery:
            if beside is not None:
                nursery.start_soon(beside, runner)
            await runner.run()
            ended_at.append(trio.current_time())
            nursery.cancel_scope.cancel()

    ended_at = []
    results = Results()
    runner = Runner([Scenario("", load, Cast())], Timeouts(**timeouts), limits or {}, results, rows.append)
    trio.run(main, clock=MockClock(autojump_threshold=0))
    played = Played(runner, actors, rows, ended_at[0])
    assert sorted(row["number"] for row in rows) == list(range(len(actors)))
    assert all(len(actor.outcomes) == 1 for actor in actors)
    assert [runner.running, runner.queued] == [0, 0]
    counted = runner.results.counted
    assert counted(metrics.OFFERED) == len(rows) + counted(metrics.DROPPED)
    assert counted(metrics.OFFERED) == sum(map(counted, ("started", "dropped", "never_started")))
    assert {name: counted(name) for name in ("completed", "failed", "cancelled")} == {
        name: played.outcomes[name] for name in ("completed", "failed", "cancelled")
    }
    return played


def lasting(seconds):
    return lambda number: partial(trio.sleep, seconds)


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


async def stop_after(seconds, runner):
    await trio.sleep(seconds)
    runner.stop()


async def cut_after(seconds, runner):
    await trio.sleep(seconds)
    runner.cut()


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


def test_a_simulation_that_takes_too_long():
    played = perform(lambda number: partial(trio.sleep, 1 + 100 * number), closed(2, simulations=2), simulation_s=20)
    assert played.row(0)["error"] is None
    row = played.row(1)
    assert row["outcome"] == "failed"
    assert (row["error"]["kind"], row["error"]["stage"]) == ("simulation_timeout", "conversation")
    assert "within 20 s" in row["error"]["message"]
    assert played.ended_at == pytest.approx(20)


def test_what_is_raised_has_its_name():
    errors = [failed(), ValueError("bug"), ExceptionGroup("", [failed(ErrorKind.AGENT_ERROR, "it says no")])]
    played = perform(lambda number: partial(fail, errors[number]), closed(1, simulations=3))
    assert [row["error"]["kind"] for row in played.rows] == ["no_response", "internal", "agent_error"]
    assert played.row(0)["error"] == {"kind": "no_response", "stage": "conversation", "turn": None, "message": "silent"}
    assert "bug" in played.row(1)["error"]["message"]
    assert played.runner.results.summary()["errors"] == {"no_response": 1, "internal": 1, "agent_error": 1}


def test_the_worst_of_several_is_told():
    several = ExceptionGroup(
        "",
        [
            failed(ErrorKind.CONNECTION_CLOSED, "gone"),
            ExceptionGroup("", [failed(ErrorKind.INVALID_MESSAGE, "garbage"), failed(ErrorKind.NO_RESPONSE)]),
        ],
    )
    played = perform(lambda number: partial(fail, several), closed(1, simulations=1))
    assert played.rows[0]["error"]["kind"] == "invalid_message"


async def fail_while_cancelled(error):
    try:
        await trio.sleep_forever()
    finally:
        raise error


async def both(error):
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.sleep_forever)
        nursery.start_soon(fail_while_cancelled, error)


@pytest.mark.parametrize("way", [fail_while_cancelled, both])
@pytest.mark.parametrize("error", [failed(ErrorKind.CONNECTION_CLOSED, "gone"), ValueError("bug")])
def test_a_clean_up_that_fails_while_the_run_is_cut(way, error):
    """One that fails in its clean-up harms neither the run nor the others' rows."""
    scripts = [partial(way, error), partial(trio.sleep, 1), partial(way, error), trio.sleep_forever]
    played = perform(lambda number: scripts[number], closed(4, simulations=4), beside=partial(cut_after, 5))
    assert [played.row(number)["outcome"] for number in (1, 3)] == ["completed", "cancelled"]
    assert {played.row(number)["outcome"] for number in (0, 2)} <= {"failed", "cancelled"}


@pytest.mark.parametrize("way", [fail_while_cancelled, both])
def test_a_clean_up_that_fails_when_time_is_up_does_not_hide_that(way):
    error = failed(ErrorKind.CONNECTION_CLOSED, "gone")
    played = perform(lambda number: partial(way, error), closed(1, simulations=2), simulation_s=5)
    assert [row["error"]["kind"] for row in played.rows] == ["simulation_timeout"] * 2


@pytest.mark.parametrize("script", [trio.lowlevel.checkpoint, partial(fail, failed()), trio.sleep_forever])
def test_an_actor_that_can_not_let_go_of_everything(script):
    """Whatever `finished` raises is a fault of ours, told in its row; the others go on."""
    played = perform(
        lambda number: script if number == 1 else partial(trio.sleep, 1),
        closed(2, simulations=6, duration_s=50),
        clean_up=lambda number: ValueError("stuck") if number == 1 else None,
        grace_s=0,
    )
    assert played.row(1)["error"]["kind"] == "internal"
    assert "stuck" in played.row(1)["error"]["message"]
    assert played.outcomes["completed"] == 5


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
