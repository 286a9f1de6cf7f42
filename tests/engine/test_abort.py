"""A run stops when a threshold with abort_on_fail is crossed, and not before its delay."""

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from coval_load.engine import metrics
from coval_load.engine.abort import abort_on_threshold
from coval_load.engine.labels import Selector
from coval_load.engine.results import Results
from coval_load.engine.thresholds import Threshold


def a_threshold(name, aggregate, operator, limit, **rest):
    rest = {"abort_on_fail": True} | rest
    return Threshold(name, Selector(), None, aggregate, operator, limit, f"{aggregate} {operator} {limit}", **rest)


FEW_TURNS = a_threshold(metrics.TURNS, "count", "<", 5.0)


async def watched(thresholds, happens, until=100, starts_in=0.0):
    """When, in seconds of the run, and by what it was stopped; `happens` has calls on results by their time."""
    results, stops = Results(), []
    started_at = trio.current_time() + starts_in

    def stop(judged):
        stops.append((trio.current_time() - started_at, judged))

    with trio.move_on_at(started_at + until):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(abort_on_threshold, thresholds, results, stop, started_at)
            for at, change in happens.items():
                await trio.sleep_until(started_at + at)
                change(results)
    return stops


def turns(amount):
    return lambda results: results.count(metrics.TURNS, amount)


async def test_it_stops_once_at_the_second_after_it_was_crossed(autojump_clock):
    ((at, judged),) = await watched([FEW_TURNS], {0.5: turns(4), 3.2: turns(1), 3.3: turns(90)})
    assert at == pytest.approx(4)
    assert (judged.threshold, judged.value, judged.passed) == (FEW_TURNS, 95, False)


async def test_what_holds_stops_nothing(autojump_clock):
    assert await watched([FEW_TURNS], {0.5: turns(4)}) == []


async def test_what_does_not_ask_for_it_stops_nothing(autojump_clock):
    quiet = a_threshold(metrics.TURNS, "count", "<", 5.0, abort_on_fail=False)
    assert await watched([quiet], {0.5: turns(9)}) == []


async def test_without_any_to_watch_it_returns_at_once(autojump_clock):
    start = trio.current_time()
    await abort_on_threshold([], Results(), pytest.fail, start)
    assert trio.current_time() == start


async def test_nothing_is_stopped_before_its_delay(autojump_clock):
    late = a_threshold(metrics.TURNS, "count", ">", 100.0, delay_s=30.0)
    ((at, _),) = await watched([late], {1: turns(50)})
    assert at == pytest.approx(30)
    assert await watched([late], {1: turns(101)}) == []


async def test_the_delay_counts_from_the_start_of_the_run(autojump_clock):
    late = a_threshold(metrics.TURNS, "count", "<", 5.0, delay_s=2.5)
    ((at, _),) = await watched([late], {0.0: turns(9)}, starts_in=7.3)
    assert at == pytest.approx(3)


async def test_one_without_a_value_yet_stops_nothing(autojump_clock):
    quick = a_threshold(metrics.RESPONSE_LATENCY, "p95", "<", 1.0)
    ((at, judged),) = await watched([quick], {20.5: lambda results: results.record("response_latency", 2.0)})
    assert at == pytest.approx(21)
    assert judged.value == 2.0


async def test_the_first_that_fails_is_told(autojump_clock):
    never = a_threshold(metrics.TURNS, "count", "<", 1e9)
    fewest = a_threshold(metrics.TURNS, "count", "<", 3.0)
    ((_, judged),) = await watched([never, FEW_TURNS, fewest], {0.5: turns(9)})
    assert judged.threshold is FEW_TURNS


@given(st.floats(0, 1e6), st.integers(1, 20))
def test_every_second_is_looked_at_whenever_the_run_started(starts_in, crossed_at):
    async def main():
        ((at, _),) = await watched([FEW_TURNS], {crossed_at - 0.5: turns(9)}, starts_in=starts_in)
        assert at == pytest.approx(crossed_at, abs=1e-6)

    trio.run(main, clock=MockClock(autojump_threshold=0))
