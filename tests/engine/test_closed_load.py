"""Places open and close as a closed shape says, whatever the agent does: what that is in virtual time."""

import itertools
import math

import attrs
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from coval_load.engine import metrics
from coval_load.engine.closed_load import rest_s
from coval_load.engine.labels import Labels
from coval_load.engine.outcome import ErrorKind, Failure, SimulationFailed, Stage
from coval_load.engine.plan import Timeouts
from coval_load.engine.results import Results
from coval_load.engine.runner import Runner
from coval_load.engine.scenario import Scenario
from coval_load.engine.shapes import ramp
from coval_load.engine.shapes.arrival_rate import ArrivalRate
from coval_load.engine.shapes.constant import Constant
from coval_load.engine.shapes.interface import Step
from coval_load.engine.shapes.ramp import Ramp
from coval_load.engine.shapes.simulations import Simulations
from coval_load.engine.shapes.soak import Soak


@attrs.frozen
class Levels:
    """So many at once from these times on."""

    levels: tuple
    duration_s: float = 100.0
    simulations: int | None = None

    @property
    def most_at_once(self):
        return max(concurrency for _, concurrency in self.levels)

    def steps(self):
        return (Step(*level) for level in self.levels)


@attrs.define
class Actor:
    number: int
    account: object
    seconds: float
    fails: bool = False
    stage: Stage = Stage.CONVERSATION
    due: float = math.nan

    async def run(self, due):
        self.due = due
        await trio.sleep(self.seconds)
        if self.fails:
            raise SimulationFailed(ErrorKind.NO_RESPONSE, "silent")

    def failure_of(self, error):
        return Failure(error.kind, self.stage, error.message)

    def finished(self, outcome):
        pass

    def row(self):
        return {"metrics": {}, "due": self.due}


@attrs.define
class Cast:
    results: Results
    seconds: object
    agents: str
    fails: object

    def labels(self, number):
        return Labels("only", self.agents[number % len(self.agents)])

    def __call__(self, number):
        account = self.results.account(self.labels(number))
        return Actor(number, account, self.seconds(number), fails=self.fails(number))


@attrs.define
class Performed:
    runner: Runner
    rows: list
    """In the order they were written."""
    seen: list
    """(at, how many were running) at each half second."""
    ended_at: float

    def __getitem__(self, number):
        (row,) = (row for row in self.rows if row["number"] == number)
        return row

    def at_once(self, at):
        """How many were running, by the rows."""
        started = [row for row in self.rows if row["started_at"] is not None]
        return sum(row["started_at"] <= at < row["ended_at"] for row in started)

    @property
    def numbers(self):
        return sorted(row["number"] for row in self.rows)


def perform(
    shape, seconds=lambda number: 1.0, *, agents="a", limits=None, end=None, done=(), elapsed_s=0.0, start_s=0.0,
    seed=0, fails=lambda number: number % 5 == 4, **timeouts,
):  # fmt: skip
    """`end` is what is done to the runner, and when: `("stop", 3.0)`."""
    rows, seen, results = [], [], Results()
    scenario = Scenario("only", shape, Cast(results, seconds, agents, fails), start_s, seed, frozenset(done))
    runner = Runner([scenario], Timeouts(**timeouts), limits or {}, results, rows.append, elapsed_s)

    async def watch():
        for half in itertools.count():
            await trio.sleep_until(half / 2 + 0.25)
            seen.append((trio.current_time(), runner.running))

    async def main():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch)
            if end is not None:
                nursery.start_soon(end_it, *end)
            await runner.run()
            nursery.cancel_scope.cancel()
        return trio.current_time()

    async def end_it(how, at):
        await trio.sleep(at)
        getattr(runner, how)()

    ended_at = trio.run(main, clock=MockClock(autojump_threshold=0))
    counted = results.counted
    assert counted("offered") == sum(map(counted, ("started", "dropped", "never_started")))
    assert len(rows) == counted("started") + counted("never_started")
    assert len(rows) == sum(map(counted, ("completed", "failed", "cancelled")))
    assert [row["started_at"] is None for row in rows].count(True) == counted("never_started")
    assert len({row["number"] for row in rows}) == len(rows)
    assert [runner.running, runner.queued] == [0, 0]
    return Performed(runner, rows, seen, ended_at)


UP_AND_DOWN = Ramp((ramp.Stage(10, 10), ramp.Stage(10, 10), ramp.Stage(10, 0)))


def test_up_there_and_down_again():
    ran = perform(UP_AND_DOWN, lambda number: 0.1)
    for at, running in ran.seen:
        line = at if at < 10 else 10 if at < 20 else max(30 - at, 0)
        assert running == (math.floor(line) if at < 20 else math.ceil(line)), at
    assert ran.ended_at <= 30.1
    assert ran.runner.results.samples(metrics.QUEUE_TIME) == len(ran.rows)


def test_going_up_never_takes_more_than_the_level():
    ran = perform(UP_AND_DOWN, lambda number: 0.3 + number % 7)
    assert ran.seen
    for at, running in ran.seen:
        if at < 20:
            assert running == min(math.floor(at), 10)


def test_a_place_that_goes_ends_with_its_conversation():
    ran = perform(Levels(((0, 4), (2.5, 1)), duration_s=20), lambda number: 4.0)
    assert [ran.at_once(at) for at in (3, 4.5, 8.5)] == [4, 1, 1]
    assert all(row["outcome"] != "cancelled" for row in ran.rows)


def test_a_place_that_comes_back_while_it_ends_is_one_place():
    ran = perform(Levels(((0, 2), (1.5, 0), (2.5, 2)), duration_s=20), lambda number: 4.0)
    assert [ran.at_once(at) for at in (1, 2, 3, 5, 9)] == [2, 2, 2, 2, 2]
    assert [row["started_at"] for row in ran.rows[:4]] == [0, 0, 4, 4]


def test_the_number_of_simulations_ends_a_ramp():
    ran = perform(Ramp((ramp.Stage(10, 5), ramp.Stage(90, 5)), simulations=7))
    assert ran.numbers == list(range(7))
    assert ran.ended_at == pytest.approx(max(row["ended_at"] for row in ran.rows))
    assert ran.ended_at < 10


def test_those_that_wait_for_an_agent_start_though_no_number_is_left():
    ran = perform(Simulations(3, 4), lambda number: 1.0, limits={"a": 1})
    assert sorted(row["started_at"] for row in ran.rows) == [0, 1, 2, 3]
    assert ran.runner.results.counted(metrics.NEVER_STARTED) == 0


def test_a_soak_begins_slowly_and_ends_slowly():
    ran = perform(Soak(5, 100, 10, 20), lambda number: 0.5)
    assert [ran.at_once(at) for at in (0.1, 2.6, 5.1, 7.6, 10.1)] == [1, 2, 3, 4, 5]
    assert [running for at, running in ran.seen if 11 < at < 79] == [5] * 136
    assert [running for at, running in ran.seen if at > 80] == sorted(
        (running for at, running in ran.seen if at > 80), reverse=True
    )


def test_what_is_due_is_due_when_its_place_is_there():
    ran = perform(Levels(((1, 1), (3, 2)), duration_s=6.5), lambda number: 1.5, start_s=2)
    assert [ran[number]["due"] for number in range(4)] == pytest.approx([3, 4.5, 5, 6])
    assert [row["scheduled_at"] for row in ran.rows] == [row["started_at"] for row in ran.rows]


def test_numbers_that_are_done_are_left_out():
    ran = perform(Simulations(2, 6), done={0, 3, 5})
    assert ran.numbers == [1, 2, 4]
    assert perform(Simulations(2, 3), done={0, 1, 2}).rows == []


def test_a_resumed_run_goes_on_where_its_past_led_to():
    ran = perform(UP_AND_DOWN, lambda number: 1.0, done=range(40), elapsed_s=27.5)
    # The ramp was at 10 and is at 3 now: more than that are never called.
    assert min(ran.numbers) == 40
    assert [row["scheduled_at"] for row in ran.rows[:3]] == [27.5] * 3
    assert [ran.at_once(at) for at in (27.6, 28.7, 29.7, 30.7)] == [3, 2, 1, 0]
    assert all(row["metrics"]["queue_time"] == 0 for row in ran.rows)


def test_a_resumed_run_takes_what_is_to_come_when_it_comes():
    ran = perform(Levels(((0, 1), (4, 2), (6, 3)), duration_s=7.5), lambda number: 100.0, elapsed_s=5, grace_s=1)
    assert [ran[number]["started_at"] for number in range(3)] == [5, 5, 6]
    assert [ran[number]["due"] for number in range(3)] == [0, 0, 1]  # on the clock, which began anew
    assert ran.ended_at == pytest.approx(3.5)


def test_a_scenario_that_is_yet_to_come_when_a_run_is_resumed():
    ran = perform(Constant(2, 5), lambda number: 1.0, elapsed_s=3, start_s=10)
    assert [row["started_at"] for row in ran.rows[:2]] == [10, 10]


def test_nothing_is_left_when_the_duration_was_over_before():
    assert perform(Constant(2, 5), elapsed_s=6).rows == []


def test_those_that_wait_for_an_agent_never_start_after_a_stop():
    ran = perform(Constant(5, 100), lambda number: 3.0, limits={"a": 2}, end=("stop", 1.0))
    assert [row["outcome"] for row in ran.rows] == ["cancelled"] * 3 + ["completed"] * 2
    assert [row["started_at"] for row in ran.rows] == [None] * 3 + [0.0] * 2
    assert ran.ended_at == pytest.approx(3)


def test_a_stop_before_a_scenario_begins():
    assert perform(Constant(5, 100), start_s=5, end=("stop", 1.0)).rows == []


SECONDS = st.lists(st.floats(0.3, 20), min_size=1, max_size=6)
LEVELS = st.lists(st.tuples(st.floats(0.1, 5), st.integers(0, 6)), max_size=8)


def levels_of(first, later, simulations):
    times = itertools.accumulate((gap for gap, _ in later), initial=0.0)
    levels = tuple(zip(times, (first, *(level for _, level in later)), strict=True))
    return Levels(levels, levels[-1][0] + 1.0, simulations)


SHAPES = st.builds(levels_of, st.integers(0, 6), LEVELS, st.none() | st.integers(1, 30))
ENDS = st.none() | st.tuples(st.sampled_from(["stop", "cut"]), st.floats(0, 40))


@given(
    SHAPES, SECONDS, ENDS, st.sampled_from([{}, {"a": 1}, {"a": 2, "b": 1}]), st.sets(st.integers(0, 20)),
    st.just(0.0) | st.floats(0, 20), st.floats(0.1, 10),
)  # fmt: skip
def test_each_is_started_or_never_and_once(shape, seconds, end, limits, done, elapsed_s, grace_s):
    ran = perform(
        shape,
        lambda number: seconds[number % len(seconds)],
        agents="ab",
        limits=limits,
        end=end,
        done=done,
        elapsed_s=elapsed_s,
        grace_s=grace_s,
    )
    assert not done & set(ran.numbers)
    if shape.simulations is not None:
        assert all(number < shape.simulations for number in ran.numbers)
    over_s = max(shape.duration_s - elapsed_s, 0)
    assert ran.ended_at <= (min(over_s, end[1]) if end else over_s) + grace_s + 1e-6
    for row in ran.rows:
        if row["started_at"] is None:
            continue
        assert row["started_at"] >= row["scheduled_at"] >= elapsed_s
        assert ran.at_once(row["started_at"]) <= allowed(shape, ran, row["started_at"])


def allowed(shape, ran, at):
    """The level, or a higher one at which those that run now were offered: they may have waited for the agent."""
    running = [row for row in ran.rows if row["started_at"] is not None and row["started_at"] <= at < row["ended_at"]]
    since = min((row["scheduled_at"] for row in running), default=at) - 1e-9
    levels = [*shape.levels, (math.inf, 0)]
    return max(now for (begins, now), (ends, _) in itertools.pairwise(levels) if begins <= at + 1e-9 and ends >= since)


def no_ties(number):
    """Lengths that never end two conversations at the same time."""
    return 0.5 + math.sqrt(number + 2) % 3


@pytest.mark.parametrize(
    "shape",
    [
        UP_AND_DOWN,
        Soak(8, 60, 10, 10),
        Constant(7, 40),
        ArrivalRate(9.0, 60.0, 5, "drop", "poisson"),
        ArrivalRate(6.0, 30.0, 9, "queue", "poisson"),
    ],
    ids=str,
)
@pytest.mark.parametrize("end", [None, ("stop", 17.3), ("cut", 17.3)], ids=str)
def test_the_same_seed_and_the_same_agent_give_the_same_rows(shape, end):
    first, second = (
        perform(shape, no_ties, agents="abc", limits={"a": 2}, end=end, seed="plan/only", grace_s=2) for _ in range(2)
    )
    assert len(first.rows) > 30

    def told(ran):
        # Those that one instant ends are written in any order.
        return sorted(ran.rows, key=lambda row: (row["ended_at"], row["number"]))

    assert told(first) == told(second)
    if shape == ArrivalRate(9.0, 60.0, 5, "drop", "poisson"):
        assert first.runner.results.counted(metrics.DROPPED) > 20
        other = perform(shape, no_ties, agents="abc", limits={"a": 2}, end=end, seed="plan/other", grace_s=2)
        assert told(other) != told(first)


def test_rests_double_from_the_fourth_round_on_and_end_at_five_seconds():
    assert [rest_s(rounds) for rounds in range(4)] == [0, 0, 0, 0]
    assert [rest_s(rounds) for rounds in range(4, 12)] == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5, 5])
    assert rest_s(10**9) == 5


def test_an_agent_that_is_down_is_not_flooded():
    done = perform(Constant(2, 100.0), lambda number: 0.01, fails=lambda number: True)
    assert 2 * 20 < len(done.rows) < 2 * 35
    assert all(row["metrics"]["queue_time"] == pytest.approx(0) for row in done.rows)
    assert len(done.runner.results.notes) == 1


def test_an_agent_that_comes_back_is_called_without_rests():
    done = perform(Constant(1, 20.0), lambda number: 0.5, fails=lambda number: number < 6)
    assert done[6]["started_at"] == pytest.approx(6 * 0.5 + 0.1 + 0.2 + 0.4)
    assert done[10]["started_at"] - done[7]["started_at"] == pytest.approx(1.5)


def test_failures_that_took_their_time_or_are_seldom_cost_no_rest():
    assert perform(Constant(1, 20.0), lambda number: 1.0, fails=lambda number: True).numbers == list(range(20))
    mostly = perform(Constant(1, 20.0), lambda number: 0.5, fails=lambda number: number % 4 != 0)
    assert (len(mostly.rows), mostly.runner.results.notes) == (40, [])


def test_a_test_case_that_always_fails_costs_no_rest():
    done = perform(Constant(2, 20.0), lambda number: 0.5, fails=lambda number: number % 2 == 1)
    assert (len(done.rows), done.runner.results.notes) == (80, [])


def test_a_number_of_simulations_is_gone_through_whatever_fails():
    assert perform(Simulations(1, 50), lambda number: 0.01, fails=lambda number: True).ended_at == pytest.approx(0.5)


def test_a_stop_ends_a_rest():
    done = perform(Constant(1, 100.0), lambda number: 0.01, fails=lambda number: True, end=("stop", 30.0))
    assert done.ended_at == pytest.approx(30.0, abs=0.02)
