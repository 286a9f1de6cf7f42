"""A run's pulse, in virtual time, and loads that are changed while they go on."""

import random

import pytest
import trio
from trio.testing import MockClock

from coval_load.engine import metrics
from coval_load.engine.labels import Labels
from coval_load.engine.outcome import ErrorKind, Failure, Outcome, Stage
from coval_load.engine.plan import Timeouts
from coval_load.engine.pulse import Pulses, Waiting
from coval_load.engine.results import Results
from coval_load.engine.runner import Runner
from coval_load.engine.scenario import Scenario
from coval_load.engine.shapes.constant import Constant
from coval_load.engine.shapes.ramp import Ramp
from coval_load.engine.shapes.ramp import Stage as RampStage
from tests.engine.players import Actor, lasting


class Cast:
    """Conversations that never end as a pulse is taken."""

    def __init__(self, results):
        self.results = results

    def labels(self, number):
        return Labels(scenario="default", agent="a")

    def __call__(self, number):
        return Actor(number, lasting(0.73)(number), self.results.account(self.labels(number)))


def nobody():
    return None


async def take_pulses(results, seconds, act, waiting=nobody, shape=None, limits=None):
    """Pulses of a run of `seconds`; `act(runner)` runs beside it."""
    shape = shape or Constant(2, seconds)
    runner = Runner(
        [Scenario("default", shape, Cast(results))], Timeouts(grace_s=5), limits or {}, results, lambda row: None
    )
    pulses, taken = Pulses(runner, results, waiting), []
    pulses.feel(lambda pulse: taken.append((pulse, {name: new.count for name, new in pulse.added.items()})))
    async with trio.open_nursery() as background:
        background.start_soon(pulses.run)
        background.start_soon(act, runner)
        await runner.run()
        background.cancel_scope.cancel()
    return taken, runner


def run(main, *arguments):
    return trio.run(main, *arguments, clock=MockClock(autojump_threshold=0))


async def nothing(runner):
    pass


def test_every_second_says_how_it_stands_and_what_came():
    async def main():
        results = Results()

        async def measure(runner):
            await trio.sleep(0.5)
            results.record(metrics.RESPONSE_LATENCY, 0.3)
            await trio.sleep(1.0)
            results.record_many(metrics.RESPONSE_LATENCY, [0.4, 0.5])

        taken, _ = await take_pulses(results, 4.5, measure)
        assert [pulse.at_s for pulse, _ in taken] == [1.0, 2.0, 3.0, 4.0, 5.0][: len(taken)]
        assert len(taken) >= 4
        assert [new[metrics.RESPONSE_LATENCY] for _, new in taken[:3]] == [1, 2, 0]
        assert {pulse.running for pulse, _ in taken[:4]} == {2}
        assert taken[1][0].stages == {"conversation": 2}
        assert sum(pulse.counts_added[metrics.STARTED] for pulse, _ in taken) == taken[-1][0].counts[metrics.STARTED]

    run(main)


def test_latest_message_of_each_kind_is_told_masked():
    async def main():
        results = Results(clean=lambda value: value.replace("hunter2", "***") if isinstance(value, str) else value)

        async def fail(runner):
            await trio.sleep(0.5)
            for message in ("first", "hunter2 was wrong"):
                failure = Failure(ErrorKind.NO_RESPONSE, Stage.CONVERSATION, message)
                results.finished(Outcome("failed", failure))

        taken, _ = await take_pulses(results, 3.5, fail)
        first, second = taken[0][0], taken[1][0]
        assert first.errors_added == {"no_response": 2}
        assert first.latest_errors["no_response"].message == "*** was wrong"
        assert second.errors_added == {}
        assert second.latest_errors["no_response"].at_s == 1.0

    run(main)


def test_who_waits_is_told_in_seconds_of_the_run():
    async def main():
        began = trio.current_time()
        waiting = Waiting(simulation_output_id="i", agent="a", test_case="t", turn=2, since_s=began + 0.25)
        taken, _ = await take_pulses(Results(), 2.5, nothing, lambda: waiting)
        assert taken[0][0].waiting.since_s == pytest.approx(0.25)

    run(main)


def test_concurrency_is_raised_and_lowered_and_nobody_is_cut_off():
    async def main():
        results = Results()

        async def change(runner):
            await trio.sleep(2.5)
            runner.change("default", 5)
            await trio.sleep(3)
            runner.change("default", 1)

        taken, runner = await take_pulses(results, 10.5, change)
        running = {round(pulse.at_s): pulse.running for pulse, _ in taken}
        assert (running[2], running[4], running[5], running[8]) == (2, 5, 5, 1)
        assert results.counted(metrics.CANCELLED) == 0
        assert results.changes == [
            {"at": 2.5, "scenario": "default", "before": 2, "concurrency": 5},
            {"at": 5.5, "scenario": "default", "before": 5, "concurrency": 1},
        ]
        with pytest.raises(ValueError, match="goes on"):
            runner.change("default", 2)

    run(main)


@pytest.mark.parametrize("seed", range(8))
def test_of_changes_at_once_the_last_one_holds(seed, monkeypatch):
    monkeypatch.setattr(trio._core._run, "_r", random.Random(seed))  # which task of a batch comes first

    async def main():
        results = Results()

        async def change(runner):
            await trio.sleep(1.5)
            for concurrency in (9, 1, 5, 3):
                runner.change("default", concurrency)

        taken, _ = await take_pulses(results, 6.5, change)
        assert taken[-1][0].running == 3
        assert [one["before"] for one in results.changes] == [2, 9, 1, 5]

    run(main)


@pytest.mark.parametrize("concurrency", [0, -1, 100_001])
def test_odd_concurrencies_are_refused(concurrency):
    async def main():
        async def change(runner):
            await trio.sleep(0.5)
            with pytest.raises(ValueError, match="expected a concurrency of 1 to "):
                runner.change("default", concurrency)

        await take_pulses(Results(), 1.5, change)

    run(main)


def test_a_ramp_is_not_changed():
    async def main():
        async def change(runner):
            await trio.sleep(0.5)
            assert runner.changeable == []
            with pytest.raises(ValueError, match="constant concurrency"):
                runner.change("default", 2)

        await take_pulses(Results(), 1.5, change, shape=Ramp((RampStage(1.5, 3),), 1))

    run(main)


def test_more_than_the_agents_limit_is_refused():
    async def main():
        async def change(runner):
            await trio.sleep(0.5)
            runner.change("default", 3)
            with pytest.raises(ValueError, match=r"1 to 3, as more would only wait for limits\.per_agent; got 4"):
                runner.change("default", 4)

        await take_pulses(Results(), 1.5, change, limits={"a": 3})

    run(main)
